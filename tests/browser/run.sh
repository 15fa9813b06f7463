#!/usr/bin/env bash
# `links` on each backend in headless Chromium: what a user does with it, on narrow and wide screens, light and dark.
# Screenshots go to the build folder (`browser/`). Chromium is Debian's, Playwright npm's; both are installed where that
# can be done, and where they cannot be had the test is not run: it says so, and ends with 77.
set -euo pipefail
cd "$(dirname "$0")/../.."

without() {
    echo "browser: $*" >&2
    exit 77
}

has() { command -v "$1" >/dev/null; }

install() {
    has apt-get && [ "$(id -u)" = 0 ] || return 0
    local words=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
    "${words[@]}" >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 && "${words[@]}" >/dev/null 2>&1; } || true
}

has chromium || install chromium
has chromium || without "there is no chromium, and it could not be installed"
has npm || install nodejs npm
has npm || without "there is no npm, and it could not be installed"

target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
folder=$target/browser
mkdir -p "$folder"
# Outside of the tree: what npm brings is no part of it.
cp tests/browser/package.json tests/browser/links.mjs "$folder/"
(cd "$folder" && npm install --no-audit --no-fund --silent) || without "npm could not install playwright-core"

cargo build -q -p trijet-links --features mio,tokio
for backend in threaded mio tokio; do
    node "$folder/links.mjs" "$target/debug/links" "$backend" "$folder"
done
