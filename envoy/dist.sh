#!/usr/bin/env bash
# Puts what a release has into dist: `make dist`.
#
#   portcullis-VERSION.wasm                  the filter
#   portcullis-VERSION.debug.wasm            the same code with the names of its functions
#   portcullis-VERSION.oci.tar               the same as an OCI image layout, tags `compat` and `oci`
#   portcullis-VERSION.cdx.json              what is compiled into it (CycloneDX)
#   portcullis-VERSION-envoy.tar.gz          Envoy configuration, Istio manifests, dashboard and alerts
#   portcullis-VERSION-TARGET                the command line for this machine's kind, where the workspace has it
#   SHA256SUMS                               of all of these: sha256sum --check SHA256SUMS
#
# The same source and toolchain give the same bytes, but for the command line, which is linked against this machine's C library.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly DIST=dist
readonly MODULE=target/portcullis.wasm
readonly DEBUG_MODULE=target/portcullis.debug.wasm
readonly CLI_PACKAGE=portcullis-cli
# An archive whose bytes depend on the names and the contents of its files alone.
readonly TAR=(tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner
    "--mode=u=rwX,go=rX" --format=ustar)

main() {
    local version name digest
    version="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)"
    [[ -n "$version" ]] || fail "Cargo.toml has no version"
    grep -q "^## \[$version\]" CHANGELOG.md || fail "CHANGELOG.md says nothing of $version"
    name="portcullis-$version"
    rm -rf "$DIST"
    mkdir -p "$DIST"
    cp "$MODULE" "$DIST/$name.wasm"
    cp "$DEBUG_MODULE" "$DIST/$name.debug.wasm"
    lab sbom "$MODULE" >"$DIST/$name.cdx.json"
    digest="$(lab image "$MODULE" target/image | sed -n 's/^compat\tsha256:\([0-9a-f]*\)\t.*/\1/p')"
    [[ -n "$digest" ]] || fail "the image has no digest"
    "${TAR[@]}" --directory target/image . >"$DIST/$name.oci.tar"
    configuration "$name" "$digest"
    command_line "$name"
    (cd "$DIST" && sha256sum -- * >../target/SHA256SUMS && mv ../target/SHA256SUMS .)
    cat "$DIST/SHA256SUMS"
}

# What operators copy, with the digest of this release's image in it.
configuration() {
    local name="$1" digest="$2" folder
    folder="$(mktemp -d)"
    mkdir -p "$folder/$name"
    cp -r envoy/envoy.yaml envoy/istio envoy/gateway envoy/observability envoy/ratelimit "$folder/$name"
    sed -i "s/sha256: 0\{64\}/sha256: $digest/" "$folder/$name/istio/wasmplugin.yaml"
    grep --quiet "sha256: $digest" "$folder/$name/istio/wasmplugin.yaml" || fail "wasmplugin.yaml has no place for the digest"
    "${TAR[@]}" --directory "$folder" "$name" | gzip --no-name --best >"$DIST/$name-envoy.tar.gz"
    rm -rf "$folder"
}

lab() {
    cargo run --quiet --locked --package portcullis-lab --bin "$@"
}

command_line() {
    local target
    cargo metadata --no-deps --format-version 1 | grep "\"name\":\"$CLI_PACKAGE\"" >/dev/null || return 0
    target="$(rustc --version --verbose | sed -n 's/^host: //p')"
    cargo build --quiet --locked --release --package "$CLI_PACKAGE"
    cp target/release/portcullis "$DIST/$1-$target"
}

fail() {
    echo "dist.sh: $*" >&2
    exit 1
}

main "$@"
