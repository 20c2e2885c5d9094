#!/usr/bin/env bash
# Builds the filter for Envoy: target/portcullis.wasm, and beside it target/portcullis.debug.wasm.
#
# What it decides is the toolchain, because not every machine can get Rust's standard library for wasm:
#   rustup   the rustc on PATH has that library, or rustup can download it. The usual case.
#   debian   rustup's server is out of reach, or there is no Rust at all: Debian's rustc-web with its library's
#            sources, from which cargo builds the library as well (a minute more, the first time).
# PORTCULLIS_WASM_TOOLCHAIN=rustup|debian forces one. `--prepare` installs what is missing and builds nothing.
#
# Each toolchain has a target directory of its own, so that neither the other one nor the native tests, whose
# flags differ, make it build everything again.
#
# Size is time: Envoy compiles all of a module before it serves, 0.6 s a MiB. wasm-opt makes it a fifth smaller, half of that by leaving
# out the names of functions. It optimises for speed, but inlines less than it would for it (LLVM has done so before, and knew more), and may
# count on it that nothing lies in the first KiB of the memory, which is the far end of the stack. Where root can install it
# (Debian's binaryen), it is; where it cannot be had, the module is published as rustc wrote it and works just the same. Without names Envoy's log of a crash still has the
# panic's message with file and line, but numbers in place of the functions it came through: the same code with its names is
# portcullis.debug.wasm, which can be loaded in its place.
#
# At last its code is laid out by what requests run through (envoy/profile.txt, which `make layout` finds out; envoy/layout says how).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=wasm32-wasip1
readonly OUTPUT=target/portcullis.wasm
readonly DEBUG_OUTPUT=target/portcullis.debug.wasm
# A server that cannot be reached must not hold the build for long.
readonly RUSTUP_TIMEOUT_S=120
readonly DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src wasi-libc lld-19)
# Envoy's V8 has both features, and rustc leaves simd128 off. What is marked as
# `#[inline]`, as most of the standard library is, is inlined up to 325 unless told otherwise, in what is built for size too: that was
# 38 KiB of the module, and no faster.
# shellcheck disable=SC2054 # the comma is rustc's
readonly RUSTC_FLAGS=(
    -C target-feature=+simd128,+bulk-memory
    -C llvm-args=-inlinehint-threshold=150
)
readonly BUILD=(build --locked --release --lib --package portcullis --target "$TARGET")
# Binaryen 108 takes no feature for granted.
readonly WASM_FEATURES=(
    --enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int
)

# Left alone, it inlines every function with one caller, also what is kept apart since it is rare. The second line saves 60 KiB: one body for functions that differ in constants alone, constants that are used often
# in a local, and short numbers for the functions that are called from most places.
readonly WASM_OPT=(
    -O3 --flexible-inline-max-function-size 5 --one-caller-inline-max-function-size 150 --low-memory-unused
    --merge-similar-functions --const-hoisting --reorder-locals --reorder-functions
)

main() {
    choose_toolchain
    prepare_wasm_opt
    if [[ "${1:-}" == --prepare ]]; then
        return
    fi
    local build_dir="target/wasm-$toolchain"
    "build_with_$toolchain" --target-dir "$build_dir"
    publish "$build_dir/$TARGET/release/portcullis.wasm"
}

# Sets `toolchain`, which then can build.
choose_toolchain() {
    local wanted="${PORTCULLIS_WASM_TOOLCHAIN:-any}"
    case "$wanted" in
        any | rustup | debian) ;;
        *) fail "PORTCULLIS_WASM_TOOLCHAIN is '$wanted': it can be rustup or debian" ;;
    esac
    if [[ "$wanted" != debian ]] && prepare_rustup; then
        toolchain=rustup
    elif [[ "$wanted" != rustup ]]; then
        prepare_debian
        toolchain=debian
    else
        fail "rustc has no library for $TARGET and 'rustup target add $TARGET' does not help"
    fi
}

prepare_rustup() {
    has_wasm_library && return
    command -v rustup >/dev/null || return 1
    timeout "$RUSTUP_TIMEOUT_S" rustup target add "$TARGET" >&2 || return 1
    has_wasm_library
}

has_wasm_library() {
    local library
    command -v cargo >/dev/null || return 1
    library="$(rustc --print target-libdir --target "$TARGET" 2>/dev/null)" || return 1
    [[ -d "$library" ]]
}

prepare_debian() {
    local missing=() as_root=() package
    for package in "${DEBIAN_PACKAGES[@]}"; do
        dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
            missing+=("$package")
    done
    if [[ ${#missing[@]} -eq 0 ]]; then
        return
    fi
    command -v apt-get >/dev/null ||
        fail "no Rust library for $TARGET: install Rust from https://rustup.rs, then: rustup target add $TARGET"
    if [[ "$(id -u)" -ne 0 ]]; then
        sudo -n true 2>/dev/null ||
            fail "no Rust library for $TARGET: rustup target add $TARGET, or as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "Installing ${missing[*]}" >&2
    "${as_root[@]}" apt-get update -qq >&2
    # rustc-web conflicts with the packages rustc and rustup; to remove those is not for a build to decide.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends --no-remove "${missing[@]}" >/dev/null ||
        fail "apt-get cannot install ${missing[*]}: see above, or install Rust from https://rustup.rs"
}

# It is a help, not a need: whatever happens here, the build goes on.
prepare_wasm_opt() {
    if command -v wasm-opt >/dev/null || [[ "$(id -u)" -ne 0 ]] || ! command -v apt-get >/dev/null; then
        return 0
    fi
    echo "Installing binaryen, for wasm-opt" >&2
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends --no-remove binaryen \
        >/dev/null 2>&1 || echo "apt-get cannot install binaryen: the module will be a quarter larger" >&2
}

build_with_rustup() {
    cargo fetch --quiet --locked --target "$TARGET"
    CARGO_ENCODED_RUSTFLAGS="$(rustc_flags)" cargo "${BUILD[@]}" "$@"
}

# Debian ships the library's sources alone, and building them is unstable in Cargo, hence RUSTC_BOOTSTRAP. Its
# rustc must come first on PATH, because build scripts look there for one.
build_with_debian() {
    /usr/bin/cargo fetch --quiet --locked --target "$TARGET"
    PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_WASIP1_LINKER=/usr/bin/wasm-ld-19 \
        CARGO_ENCODED_RUSTFLAGS="$(rustc_flags -L native=/usr/lib/wasm32-wasi)" \
        /usr/bin/cargo "${BUILD[@]}" -Z build-std=std,panic_abort "$@"
}

# What CARGO_ENCODED_RUSTFLAGS is to be. Unlike RUSTFLAGS, it lets a path have a space.
#
# Nobody's home directory belongs in a panic message. A package's path begins with its name and version there, which says as much
# and saves 6 KiB: so the packages have to be there before the flags are.
rustc_flags() {
    local cargo_home="${CARGO_HOME:-${HOME:-}/.cargo}" registry IFS=$'\x1f'
    local flags=("${RUSTC_FLAGS[@]}" "$@" "--remap-path-prefix=$cargo_home=/cargo")
    for registry in "$cargo_home"/registry/src/*/; do
        flags+=("--remap-path-prefix=${registry%/}=")
    done
    echo "${flags[*]}"
}

# Replaces the output in one step: an Envoy that starts meanwhile reads the old module or the new one.
publish() {
    local built="$1" next="$OUTPUT.$$" named="$DEBUG_OUTPUT.$$" how="$toolchain"
    trap 'rm -f "$OUTPUT.$$" "$DEBUG_OUTPUT.$$"' EXIT
    if ! command -v wasm-opt >/dev/null; then
        cp "$built" "$named"
    elif wasm-opt "${WASM_OPT[@]}" -g "${WASM_FEATURES[@]}" "$built" -o "$named"; then
        how+=", wasm-opt"
    else
        echo "wasm-opt cannot read the module: published as rustc wrote it" >&2
        cp "$built" "$named"
    fi
    cargo run --quiet --locked --package portcullis-layout -- envoy/profile.txt "$named" "$next"
    mv -f "$named" "$DEBUG_OUTPUT"
    mv -f "$next" "$OUTPUT"
    echo "$OUTPUT: $(($(wc -c <"$OUTPUT") / 1024)) KiB ($how)"
}

fail() {
    echo "build-wasm.sh: $*" >&2
    exit 1
}

main "$@"
