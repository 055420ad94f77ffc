#!/bin/sh
# Every container starts here. A key that is not set is made once and kept in the volume /keys.
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
# Migrate only before API and scheduler: the doctor, a backup and a restore need the database as it is.
# A stop ends this shell and the container, and PostgreSQL undoes the unfinished migration.
case "$*" in
    *gunicorn* | *wishlist_service.scheduler*) python -m wishlist_service.migrate --wait 60 ;;
esac
exec "$@"
