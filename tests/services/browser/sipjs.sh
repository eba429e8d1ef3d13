#!/bin/bash
# Prints the folder of SIP.js as modules, after fetching it with npm if need be; nothing of it is run here.
T=${RINGPOST_TOOLS:-$(dirname "$0")/../../../target/test-tools}/sipjs
V=0.21.2 L=node_modules/sip.js
if ! grep -qs "\"version\": \"$V\"" "$T/$L/package.json"; then
  command -v npm >/dev/null || exit 1
  mkdir -p "$T" && npm install --prefix "$T" --ignore-scripts --no-audit --no-fund --silent "sip.js@$V" </dev/null >&2 || exit 1
fi
cd "$T/$L/lib" && pwd
