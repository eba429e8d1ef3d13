#!/bin/bash
# Prints a Python that has aiosmtpd, after making a virtual environment for it if need be.
V=${RINGPOST_RUN:-/tmp/ringpost-services}/venv
for P in "$RINGPOST_PYTHON" "$V/bin/python" python3; do
  [ -n "$P" ] && "$P" -c 'import aiosmtpd' 2>/dev/null && echo "$P" && exit 0
done
mkdir -p "$(dirname "$V")" && python3 -m venv "$V" >&2 && "$V/bin/pip" install -q aiosmtpd==1.4.6 >&2 && echo "$V/bin/python"
