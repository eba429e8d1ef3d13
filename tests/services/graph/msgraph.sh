#!/bin/bash
# Prints a Python that has Microsoft's SDK for Graph, after making a virtual environment for it if need be: 200 MB and a minute.
V=${RINGPOST_RUN:-/tmp/ringpost-services}/venv-msgraph
for P in "$RINGPOST_PYTHON" "$V/bin/python" python3; do
  [ -n "$P" ] && "$P" -c 'import msgraph, requests' 2>/dev/null && echo "$P" && exit 0
done
mkdir -p "$(dirname "$V")" && exec 9>"$V.lock" && flock 9
[ -x "$V/bin/python" ] && "$V/bin/python" -c 'import msgraph, requests' 2>/dev/null && echo "$V/bin/python" && exit 0
python3 -m venv "$V" >&2 && "$V/bin/pip" install -q msgraph-sdk requests >&2 && echo "$V/bin/python"
