#!/bin/bash
# stop.sh FOLDER: ends what start.sh has started there.
/usr/sbin/postfix -c "$1/etc" stop >/dev/null 2>&1
P=$(cat "$1/dovecot.pid" 2>/dev/null); [ -n "$P" ] && kill "$P" 2>/dev/null
true
