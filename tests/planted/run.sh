#!/usr/bin/env bash
# Plants each fault of tests/planted/*.patch in a scratch copy of the tree, and demands that the tests
# which its "Run:" lines name pass without it and fail with it. The copy and its build are kept between
# runs, in target/faults or $FAULTS_DIR. With names as arguments only those: `run.sh lost-fin`.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=${FAULTS_DIR:-${CARGO_TARGET_DIR:-$root/target}/faults}
tree=$scratch/tree
build_seconds=600
test_seconds=90
export CARGO_TARGET_DIR=$scratch/build

if [ $# -gt 0 ]; then
    patches=()
    for name in "$@"; do patches+=("$root/tests/planted/$name.patch"); done
else
    patches=("$root"/tests/planted/*.patch)
fi

# The copy holds what is there now, committed or not, and is a repository of its own so that git
# applies patches to it. Times are kept, so that cargo builds only what has changed.
rm -rf "$tree"
mkdir -p "$tree"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp -p --parents -t "$tree" 2>/dev/null || true)
git -C "$tree" init -q
cd "$tree"

fail() {
    echo "faults: $1" >&2
    exit 1
}

runs_of() { sed -n 's/^Run: //p' "$1"; }

build() {
    timeout "$build_seconds" cargo test -q --all-features --test suite --no-run >"$scratch/build.log" 2>&1 ||
        { cat "$scratch/build.log" >&2; fail "$1 does not build"; }
}

# The result goes by the harness' own last line: a test that hangs is stopped by its own time limits.
test_with() {
    # shellcheck disable=SC2086
    RUST_BACKTRACE=0 timeout "$test_seconds" cargo test -q --all-features $1 >"$scratch/test.log" 2>&1 || true
    grep -o 'test result: [a-zA-Z]*\. [0-9]* passed; [0-9]* failed' "$scratch/test.log" || echo 'no result'
}

build "the tree without faults"
for patch in "${patches[@]}"; do
    while read -r run; do
        result=$(test_with "$run")
        case $result in
        *'ok. 0 passed'*) fail "no test is named by: $run" ;;
        *'ok. '*) ;;
        *) cat "$scratch/test.log" >&2; fail "without a fault, $run: $result" ;;
        esac
    done < <(runs_of "$patch")
done
echo "faults: the tests named pass without any"

for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    git apply "$patch" || fail "$name does not apply: the code has changed, so plant it anew"
    build "the tree with $name"
    while read -r run; do
        result=$(test_with "$run")
        case $result in
        *FAILED*) echo "faults: $name is caught: $run ($result)" ;;
        *) fail "$name is NOT caught: $run ($result)" ;;
        esac
    done < <(runs_of "$patch")
    git apply -R "$patch"
done
echo "faults: all ${#patches[@]} are caught"
