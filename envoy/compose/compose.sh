#!/usr/bin/env bash
# Runs envoy/compose/compose.yaml: `up` until Ctrl-C, `check` to try it once. Both take down what they started.
#
# What it decides is which Docker engine: the one that answers, else, as root, one of its own, which lives as long as this
# script and keeps its images in target/engine. `check` has promtool try the alert rules, sends traffic, takes the rate limit service away meanwhile, so that a
# failure policy is seen at work, and asks Prometheus everything that the dashboard asks. Its exit status is 0 only if all
# is as it should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly COMPOSE=envoy/compose/compose.yaml
readonly ENGINE="$PWD/target/engine"
# The name of a socket has a hundred characters at most, and nobody knows how long that of the folder above is.
readonly ENGINE_RUN=/run/portcullis-engine
readonly ENGINE_LIMIT_S=60
readonly DEBIAN_PACKAGES=(docker.io docker-compose)
readonly HARNESS=target/debug/harness

engine=''

main() {
    local verb="${1:-}"
    [[ "$verb" == up || "$verb" == check ]] || fail "usage: compose.sh up|check"
    [[ -f target/portcullis.wasm ]] || fail "no filter: make wasm"
    trap finish EXIT
    trap 'exit 130' INT TERM
    find_engine
    envoy/compose/images.sh
    "$verb"
}

up() {
    compose up --detach
    sed -n 's/^#   \(http.*\)/\1/p' "$COMPOSE"
    echo "Ctrl-C ends it all."
    compose logs --follow --tail 10
}

check() {
    local grafana
    docker run --rm --volume "$PWD/envoy/observability:/rules:ro" --entrypoint /bin/promtool "$(image_of prom)" \
        test rules /rules/alerts_test.yaml
    compose up --detach
    "$HARNESS" traffic
    # What the filter does without the service that others share their counts through.
    compose stop ratelimit
    "$HARNESS" traffic
    compose start ratelimit
    grafana="$(docker image inspect --format '{{index .Config.Labels "portcullis.stand-in"}}' "$(image_of grafana)")"
    if [[ "$grafana" == yes ]]; then
        export GRAFANA_IS_ABSENT=yes
    fi
    "$HARNESS" check
    # Both the real collector and its stand-in print attributes with their names.
    compose logs --no-color collector | grep 'portcullis.verdict.*deny:token_missing' >/dev/null ||
        fail "the access log has not reached the collector"
    echo "The collector has the access log."
}

image_of() {
    sed -n "s#^ *image: \($1/.*\)#\1#p" "$COMPOSE"
}

find_engine() {
    if ! docker info >/dev/null 2>&1; then
        start_engine
    fi
    if docker compose version >/dev/null 2>&1; then
        compose() { docker compose --project-name portcullis --file "$COMPOSE" "$@"; }
    elif command -v docker-compose >/dev/null; then
        compose() { docker-compose --project-name portcullis --file "$COMPOSE" "$@"; }
    else
        fail "needs Docker Compose: the plugin, or docker-compose"
    fi
}

start_engine() {
    local waited
    [[ "$(id -u)" -eq 0 ]] || fail "no Docker engine answers here, and only root can start one"
    if ! command -v dockerd >/dev/null; then
        command -v apt-get >/dev/null || fail "install Docker, or set DOCKER_HOST to where it is"
        echo "Installing ${DEBIAN_PACKAGES[*]}" >&2
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -qq --yes --no-install-recommends "${DEBIAN_PACKAGES[@]}" >&2
    fi
    mkdir -p "$ENGINE" "$ENGINE_RUN"
    export DOCKER_HOST="unix://$ENGINE_RUN/socket"
    # In a session of its own, so that Ctrl-C does not end it before its containers.
    setsid dockerd --data-root "$ENGINE/data" --exec-root "$ENGINE_RUN/exec" --host "$DOCKER_HOST" \
        --pidfile "$ENGINE_RUN/pid" >"$ENGINE/log" 2>&1 &
    engine=$!
    for ((waited = 0; waited < ENGINE_LIMIT_S; waited++)); do
        docker info >/dev/null 2>&1 && return
        kill -0 "$engine" 2>/dev/null || break
        sleep 1
    done
    tail -n 5 "$ENGINE/log" >&2
    fail "the Docker engine does not start"
}

# Keeps the exit status. The engine takes its containers with it.
finish() {
    local status=$?
    trap - INT TERM
    if [[ "$status" -ne 0 && "$status" -ne 130 ]] && declare -F compose >/dev/null; then
        compose logs --no-color --tail 20 >&2 || true
    fi
    if declare -F compose >/dev/null; then
        compose down --volumes --timeout 5 || true
    fi
    if [[ -n "$engine" ]]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    fi
    exit "$status"
}

fail() {
    echo "compose.sh: $*" >&2
    exit 1
}

main "$@"
