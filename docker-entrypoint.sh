#!/bin/sh
# Every container starts here. A key that is not set is made once and kept in the volume /keys.
set -eu

# whether the key $1 is not given, and to be found in /keys
is_kept() {
    setting=$(echo "$1" | tr a-z A-Z)
    [ -z "$(printenv "$setting" || true)" ] && [ "$(printenv "${setting}_FILE" || true)" = "/keys/$1" ]
}

# whether the key $1 is to be made: its place can be written, and nothing is there yet; a power cut may leave an empty
# file, or one of zeros; what cannot be read is never replaced
is_missing() {
    is_kept "$1" && [ -w /keys ] && {
        [ ! -e "/keys/$1" ] || { content=$(tr -d '\000 \n' 2>/dev/null <"/keys/$1") && [ -z "$content" ]; }
    }
}

# ends the container if the key $1 is there and cannot be read; only its owner may read it from now on
guard_key() {
    if is_kept "$1" && [ -e "/keys/$1" ]; then
        chmod 400 "/keys/$1" 2>/dev/null || true
        if ! cat "/keys/$1" >/dev/null 2>&1; then
            echo "The user $(id -u) cannot read /keys/$1, which belongs to the user $(stat -c %u "/keys/$1"), and no other key is made:" \
                "run docker run --rm -u 0 -v plex-wishlist_keys:/keys --entrypoint chown plex-wishlist-service $(id -u) /keys/$1" >&2
            exit 1
        fi
    fi
}

# of containers that start at once, one makes the key and all use it; it gets its name when it is on the disk
make_key() {
    exec 9</keys
    flock 9 2>/dev/null || true
    if is_missing "$1"; then
        rm -f "/keys/$1.new"
        od -An -vtx1 -N24 /dev/urandom | tr -d ' \n' >"/keys/$1.new"
        chmod 400 "/keys/$1.new" || true
        sync "/keys/$1.new"
        mv -f "/keys/$1.new" "/keys/$1"
        sync /keys || true
    fi
    exec 9<&-
}

guard_key api_key
guard_key token_encryption_key
if is_missing api_key; then make_key api_key; fi
# Migrate only before API and scheduler: the doctor, a backup and a restore need the database as it is.
# A stop ends this shell and the container, and PostgreSQL undoes the unfinished migration.
case "$*" in
    *gunicorn* | *wishlist_service.scheduler*) serves=yes && python -m wishlist_service.migrate --wait 60 ;;
    *) serves= ;;
esac
# Never beside a database that holds tokens: it could not read them.
if is_missing token_encryption_key; then
    if [ -z "$(printenv DATABASE_URL || true)" ]; then
        make_key token_encryption_key
    elif [ "$serves" ]; then
        python -m wishlist_service.tokens check
        make_key token_encryption_key
    elif python -m wishlist_service.tokens check 2>/dev/null; then
        make_key token_encryption_key
    fi
fi
exec "$@"
