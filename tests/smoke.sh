#!/usr/bin/env bash
# `hello` on each backend in turn under real clients: curl, wrk, Python's http.client, Node's fetch; then a
# graceful stop under load. SMOKE=short takes 8 MiB in place of 50, a debug build, and leaves wrk out. A client
# that is not there is skipped, with a word; wrk is installed first where that can be done.
set -euo pipefail
cd "$(dirname "$0")/.."

short() { [ "${SMOKE:-full}" = short ]; }

# In short, also what the tests have built already is used again.
mebibytes=50 profile=release
! short || mebibytes=8 profile=dev
folder=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

fail() {
    echo "smoke: $*" >&2
    [ ! -s "$folder/log" ] || tail -n 5 "$folder/log" >&2
    exit 1
}

has() { command -v "$1" >/dev/null; }

has curl || fail "there is no curl"
if ! short && ! has wrk && has apt-get && [ "$(id -u)" = 0 ]; then
    apt-get install -y wrk >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 && apt-get install -y wrk >/dev/null 2>&1; } || true
fi

head -c "$((mebibytes << 20))" /dev/urandom > "$folder/random"
sum=$(sha256sum < "$folder/random")
cargo build --profile "$profile" --example hello --all-features
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

start() {
    : > "$folder/log"
    PORT=0 RUST_LOG=info TRIJET_BACKEND=$1 "$target/${profile/dev/debug}/examples/hello" 2> "$folder/log" &
    server=$!
    for _ in $(seq 100); do
        if grep -q "serving on http://.* with backend $1 " "$folder/log"; then
            port=$(sed -n 's|.*serving on http://127\.0\.0\.1:\([0-9]*\) .*|\1|p' "$folder/log")
            return
        fi
        sleep 0.1
    done
    fail "$1 does not serve"
}

# Status and body of a GET.
expect() {
    local answer
    answer=$(curl -sS --max-time 20 -w ' %{http_code}' "http://127.0.0.1:$port$1")
    [ "$answer" = "$2" ] || fail "curl $1: $answer, not $2"
}

with_curl() {
    local connects
    expect / "Hello, World! 200"
    expect /json '{"hello":"World"} 200'
    expect /hello/J%C3%BCrgen "Hello, Jürgen! 200"
    expect /slow "slept 50 ms on a thread
 200"
    curl -sS -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/nothing" | grep -qx 404 || fail "no 404"
    curl -sS -o /dev/null -X DELETE -w '%{http_code}\n' "http://127.0.0.1:$port/json" | grep -qx 405 || fail "no 405"
    curl -sSI "http://127.0.0.1:$port/" | tr -d '\r' | grep -qix 'content-length: 13' || fail "HEAD has no length"
    # Three requests, one connection.
    connects=$(curl -sS -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}\n' \
        "http://127.0.0.1:$port/" "http://127.0.0.1:$port/json" "http://127.0.0.1:$port/slow" | tr '\n' ' ')
    [ "$connects" = "1 0 0 " ] || fail "keep-alive: connections made are $connects"
    # Chunked, and behind Expect: 100-continue; then with a length.
    [ "$(curl -sS --max-time 120 -T "$folder/random" -X POST -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue' \
        "http://127.0.0.1:$port/echo" | sha256sum)" = "$sum" ] || fail "the chunked upload came back changed"
    [ "$(curl -sS --max-time 120 --data-binary "@$folder/random" "http://127.0.0.1:$port/echo" | sha256sum)" = "$sum" ] \
        || fail "the upload came back changed"
    echo "  curl: statuses, bodies, keep-alive, $mebibytes MiB chunked and with a length, hashes equal"
}

with_wrk() {
    local report
    report=$(wrk -t1 -c64 -d3s "http://127.0.0.1:$port/")
    if grep -qE 'Socket errors|Non-2xx' <<<"$report"; then
        fail "wrk: $report"
    fi
    echo "  wrk: $(grep -E 'Requests/sec' <<<"$report" | tr -s ' '), no errors"
}

for backend in threaded mio tokio; do
    echo "$backend"
    start "$backend"
    with_curl
    if ! short; then
        if has wrk; then with_wrk; else echo "  wrk: skipped, it is not installed"; fi
    fi
    if has node; then
        node tests/smoke.mjs "$port" "$folder/random" || fail "fetch"
    else
        echo "  fetch: skipped, there is no node"
    fi
    if has python3; then
        python3 tests/smoke.py exchanges "$port" "$folder/random" || fail "http.client"
        python3 tests/smoke.py stop "$port" "$server" || fail "the stop"
    else
        echo "  http.client and the stop under load: skipped, there is no python3"
        kill -TERM "$server"
    fi
    wait "$server" || fail "$backend ended with status $?"
    server=
done
echo "smoke: all passed"
