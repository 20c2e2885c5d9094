#!/usr/bin/env bash
# Builds the filter twice, in two directories of different names, and compares: `make reproducible`.
#
# What a release says it was built from can be checked by anybody who builds it again, if neither the directory nor the time
# nor the home of the builder is in it. The same digest can be expected of the same source, rustc and wasm-opt; both are
# printed. Each build begins from nothing, so this takes twice as long as a first `make wasm`. Not covered: another
# operating system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=''

main() {
    local one other
    folder="$(mktemp -d)"
    # The folder is known to all of the script, since this runs when main is over.
    trap 'rm -rf "$folder"' EXIT
    one="$(build "$folder/one")"
    other="$(build "$folder/the-other/with a longer name")"
    rustc --version
    wasm-opt --version 2>/dev/null || echo "no wasm-opt"
    echo "$one"
    echo "$other"
    [[ "$one" == "$other" ]] || fail "two builds of the same source differ"
}

# Prints the digest of what the source gives in that directory: what is committed, and what is not yet.
build() {
    local directory="$1"
    mkdir -p "$directory"
    git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - |
        tar --extract --directory "$directory"
    "$directory/envoy/build-wasm.sh" >&2
    sha256sum <"$directory/target/portcullis.wasm"
}

fail() {
    echo "reproducible.sh: $*" >&2
    exit 1
}

main "$@"
