#!/usr/bin/env bash
# Makes a real redis-server available for the tests of fleet-wide limits, and prints where it is, and its version.
#
# What it decides is which one: the one $REDIS_SERVER names, else the one on PATH, else Debian's, linked into .venv.
#
# Debian keeps the program in the package redis-tools, under the name redis-check-rdb: what it does depends on the
# name it is called by, and the package redis-server adds that name and a system service. The tests start servers of
# their own, so the name is all that is needed: no daemon is started, now or at the next boot.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BIN=.venv/bin

main() {
    local redis
    if [[ -n "${REDIS_SERVER:-}" ]]; then
        [[ -n "$(version_of "$REDIS_SERVER")" ]] ||
            fail "REDIS_SERVER is '$REDIS_SERVER', which is not a redis-server that runs here"
        redis="$REDIS_SERVER"
    elif ! redis="$(command -v redis-server)"; then
        redis="$PWD/$BIN/redis-server"
        if [[ -z "$(version_of "$redis")" ]]; then
            install
            [[ -n "$(version_of "$redis")" ]] || fail "$redis is installed and does not run here"
        fi
    fi
    echo "$redis: Redis $(version_of "$redis")"
}

# Prints nothing when that is no Redis. Its line reads "Redis server v=<version> sha=<commit> …".
version_of() {
    "$1" --version 2>/dev/null | sed -n 's/^.* v=\([^ ]*\) .*/\1/p' || true
}

install() {
    local program
    if ! program="$(command -v redis-check-rdb)"; then
        install_package
        program="$(command -v redis-check-rdb)" || fail "the package redis-tools has no redis-check-rdb"
    fi
    mkdir -p "$BIN"
    ln -sfn "$program" "$BIN/redis-server"
}

install_package() {
    local as_root=()
    local -r advice="install a redis-server yourself, or set REDIS_SERVER to its path"
    command -v apt-get >/dev/null || fail "$advice"
    if [[ "$(id -u)" -ne 0 ]]; then
        sudo -n true 2>/dev/null || fail "as root, 'apt-get install redis-tools', or: $advice"
        as_root=(sudo)
    fi
    echo "Installing redis-tools" >&2
    "${as_root[@]}" apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends redis-tools >/dev/null ||
        fail "apt-get cannot install redis-tools: $advice"
}

fail() {
    echo "get-redis.sh: $*" >&2
    exit 1
}

main "$@"
