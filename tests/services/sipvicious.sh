#!/bin/bash
# Prints the folder with sipvicious' programs, after making a virtual environment for them if need be.
V=${RINGPOST_RUN:-/tmp/ringpost-services}/sipvicious
for B in "$(dirname "${RINGPOST_PYTHON:-/}")" "$V/bin"; do
  [ -x "$B/sipvicious_svmap" ] && echo "$B" && exit 0
done
mkdir -p "$(dirname "$V")" && python3 -m venv "$V" >&2 && "$V/bin/pip" install -q sipvicious==0.3.8 >&2 && echo "$V/bin"
