#!/bin/bash
# Prints a Python that has lxml, after making a virtual environment for it if need be.
V=${RINGPOST_RUN:-/tmp/ringpost-services}/venv-graph
for P in "$RINGPOST_PYTHON" "$V/bin/python" python3; do
  [ -n "$P" ] && "$P" -c 'import lxml' 2>/dev/null && echo "$P" && exit 0
done
mkdir -p "$(dirname "$V")" && python3 -m venv "$V" >&2 && "$V/bin/pip" install -q lxml >&2 && echo "$V/bin/python"
