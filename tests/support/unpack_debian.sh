#!/bin/sh
# Unpacks a package of Debian or Ubuntu ($1), and what libraries, fonts and Python packages of it are missing here,
# into a new directory ($2).
# Installs nothing and needs no root.
set -eu

work=$(realpath "$(mktemp -d "$2.XXXXXX")")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
name=$1
directory=$2

# the arguments are options of apt-get
download() {
    packages=$(apt-get "$@" --simulate --no-install-recommends install "$name" |
        sed -n "s/^Inst \($name[^ ]*\|lib[^ ]*\|zlib[^ ]*\|font[^ ]*\|python3-[^ ]*\) .*/\1/p") &&
        [ -n "$packages" ] && (cd "$work" && apt-get "$@" download $packages)
}

# where the machine's package lists are missing or old, lists of our own
download_anew() {
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    set -- -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
    apt-get "$@" update && download "$@"
}

if ! { download || download_anew; } >"$work/log" 2>&1; then
    grep '^E:' "$work/log" >&2 || true
    echo "$name is needed, and it could not be fetched. On Debian and Ubuntu: apt install $name" >&2
    exit 1
fi
for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
mv "$work/root" "$directory"
