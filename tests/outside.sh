#!/usr/bin/env bash
# An app outside the repository, made of the README's lines alone: it builds and serves on each backend, and the
# swap is the one line of Cargo.toml. The only change is that `trijet` is found by its path.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

mkdir "$folder/src"
# The first Rust block of the README, on a port of our own.
port=$((20000 + RANDOM % 10000))
awk '/^```rust/ { inside = 1; next } /^```/ { if (inside) exit } inside' "$root/README.md" \
    | sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" > "$folder/src/main.rs"
grep -q "127.0.0.1:$port" "$folder/src/main.rs" || { echo "the README's first block has no address"; exit 1; }
# Built against the versions that the repository is tested with.
cp "$root/Cargo.lock" "$folder/Cargo.lock"

mapfile -t lines < <(grep -E '^trijet = .*"0\.1"' "$root/README.md")
[ "${#lines[@]}" = 3 ] || { echo "the README has ${#lines[@]} lines for Cargo.toml, not 3"; exit 1; }

get() {
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    cat <&3
    exec 3>&-
}

for line in "${lines[@]}"; do
    case $line in
        *mio*) backend=mio ;;
        *tokio*) backend=tokio ;;
        *) backend=threaded ;;
    esac
    line=${line%%#*} && line=${line%"${line##*[! ]}"}
    line=$(sed "s|version = \"0.1\"|path = \"$root\"|; s|= \"0.1\"|= { path = \"$root\" }|" <<<"$line")
    printf '[package]\nname = "outside"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\n%s\n' "$line" \
        > "$folder/Cargo.toml"
    target=$folder/target
    (cd "$folder" && unset CARGO_TARGET_DIR && cargo build --quiet --target-dir "$target")
    (cd "$folder" && unset TRIJET_BACKEND && exec "$target/debug/outside") &
    server=$!
    for _ in $(seq 100); do
        if answer=$(get 2>/dev/null); then break; fi
        sleep 0.1
    done
    case $answer in
        "HTTP/1.1 200 OK"*"Hello, World!") ;;
        *) echo "$backend answered: $answer"; exit 1 ;;
    esac
    # The app logs nothing, so the names of its threads tell what it runs on.
    if [ -r "/proc/$server/task" ]; then
        threads=$(cat "/proc/$server/task/"*/comm | sort -u | tr '\n' ' ')
        case $threads in
            *"trijet-$backend"*) ;;
            *) echo "not on $backend: its threads are $threads"; exit 1 ;;
        esac
    fi
    kill -INT "$server"
    wait "$server" || { echo "$backend did not stop well"; exit 1; }
    server=
    echo "outside: $backend served, by the line: $line"
done
