#!/bin/sh
# What every role begins with. A key that is not given is made once and stays in the volume /keys.
set -eu
for key in api_key token_encryption_key; do
    setting=$(echo "$key" | tr a-z A-Z)
    given=$(printenv "$setting" || true)
    file=$(printenv "${setting}_FILE" || true)
    if [ -z "$given" ] && [ "$file" = "/keys/$key" ] && [ -w /keys ] && [ ! -s "$file" ]; then
        new=$(mktemp -p /keys)
        od -An -vtx1 -N24 /dev/urandom | tr -d ' \n' >"$new"
        chmod 444 "$new"
        # of two containers that start at once, one makes the key and both use it
        ln "$new" "$file" 2>/dev/null || true
        rm "$new"
    fi
done
# Only what serves the database needs it up to date. A doctor, backup or restore must meet it as it is.
# A stop meanwhile ends this shell and with it the container; the server then undoes the unfinished migration.
case "$*" in
    *gunicorn* | *wishlist_service.scheduler*) python -m wishlist_service.migrate --wait 60 ;;
esac
exec "$@"
