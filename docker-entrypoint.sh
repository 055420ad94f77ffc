#!/bin/sh
# What every role begins with. The two keys, where nobody has set them, are made once and stay in the volume /keys.
set -eu
for key in api_key token_encryption_key; do
    if [ -w /keys ] && [ ! -s "/keys/$key" ]; then
        new=$(mktemp -p /keys)
        od -An -vtx1 -N24 /dev/urandom | tr -d ' \n' >"$new"
        chmod 444 "$new"
        # of two containers that start at once, one makes the key and both use it
        ln "$new" "/keys/$key" 2>/dev/null || true
        rm "$new"
    fi
done
exec "$@"
