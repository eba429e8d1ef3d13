#!/bin/bash
# Prints a Python that has exchangelib, after making a virtual environment for it if need be.
V=${RINGPOST_RUN:-/tmp/ringpost-services}/venv-exchangelib
for P in "$RINGPOST_PYTHON" "$V/bin/python" python3; do
  [ -n "$P" ] && "$P" -c 'import exchangelib' 2>/dev/null && echo "$P" && exit 0
done
mkdir -p "$(dirname "$V")" && exec 9>"$V.lock" && flock 9
[ -x "$V/bin/python" ] && "$V/bin/python" -c 'import exchangelib' 2>/dev/null && echo "$V/bin/python" && exit 0
python3 -m venv "$V" >&2 && "$V/bin/pip" install -q exchangelib==5.6.0 >&2 && echo "$V/bin/python"
