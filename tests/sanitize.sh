#!/usr/bin/env bash
# The suite, core's tests and the backends' under the compiler's address and leak sanitizers, on the
# stable toolchain: `sanitize.sh`, or `sanitize.sh leak`. What it builds is below the target folder, apart.
# Nothing is suppressed. Left out are: tests that plant a panic in a destructor of a map's element, since such a map
# keeps its table for good, as the standard library's always does; one that throws what panics when it is dropped, which
# is left alone for good; and those that judge the memory of the process, since
# the sanitizer keeps what is freed.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
*-linux-gnu) ;;
*) echo "skipped: the sanitizers' libraries come with the toolchains of GNU/Linux, and this is $host"; exit 0 ;;
esac
target=${CARGO_TARGET_DIR:-target}/sanitize

[ $# -gt 0 ] || set -- address leak
for sanitizer in "$@"; do
    echo
    echo "=== $sanitizer"
    # With --target, what runs while building (build scripts, macros) is built without the flag.
    # Panics are part of the tests: no backtrace is made for each, which is slow here.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$sanitizer" RUST_BACKTRACE=0 \
        ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1" \
        cargo test --no-fail-fast --target "$host" --target-dir "$target/$sanitizer" --all-features \
        -p trijet -p trijet-core -p trijet-backend -p trijet-threaded -p trijet-mio -p trijet-tokio \
        --lib --test suite --test crowd --test advisories --test rfc --test sockets \
        -- --skip panics::tests::what_a_response_holds_panics_each_for_itself \
        --skip respond::deferred::tests::what_placeholders_hold_panics_each_for_itself \
        --skip panics::tests::what_is_thrown_may_panic_once_more --skip a_large_file_in_little_memory --skip a_bomb_takes_no_memory
done
echo
echo "sanitize: nothing is reported by: $*"
