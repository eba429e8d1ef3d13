#!/bin/bash
# Prints a Python that has lxml and pyspnego, after making a virtual environment for it if need be.
V=${RINGPOST_RUN:-/tmp/ringpost-services}/venv-ews
for P in "$RINGPOST_PYTHON" "$V/bin/python" python3; do
  [ -n "$P" ] && "$P" -c 'import lxml, spnego' 2>/dev/null && echo "$P" && exit 0
done
exec 9>"${V%/*}.ews.lock" 2>/dev/null || { mkdir -p "$(dirname "$V")" && exec 9>"${V%/*}.ews.lock"; }
flock 9
[ -x "$V/bin/python" ] && "$V/bin/python" -c 'import lxml, spnego' 2>/dev/null && echo "$V/bin/python" && exit 0
mkdir -p "$(dirname "$V")" && python3 -m venv "$V" >&2 && "$V/bin/pip" install -q lxml==6.1.3 pyspnego==0.12.4 >&2 && echo "$V/bin/python"
