# The words of this project. Each is a step of `.ci/run`, so that a run here is a run there.

# All that is checked before a change is taken
ci:
    .ci/run

# Formatting, lints with warnings denied, and what Rust 1.85 cannot read
check:
    .ci/run fmt clippy msrv

# Clients that need Tokio, against a real Redis and PostgreSQL, and layers of tower, on every backend; `TOWER=write` writes docs/tower.md
context:
    .ci/run context

# Every test of every package, on every backend
test:
    .ci/run test

# Writes docs/capabilities.md from a run of the tests
capabilities:
    CAPABILITIES=write .ci/run test

# Each backend alone, none, all; and what they depend on
matrix:
    .ci/run matrix tree

# The documentation, with warnings denied
doc:
    .ci/run doc

# The packages as they would be published, and an app outside the repository
package:
    .ci/run package outside

# `hello` on each backend under curl, wrk, Python and Node, in full
smoke:
    tests/smoke.sh

# `links` in headless Chromium on each backend; the screenshots are in the build folder (`browser/`)
browser:
    tests/browser/run.sh

# The loads (`idle`, `slow-heads`, `slow-bodies`, `slow-readers`, `churn`, `overload`, `soak`) on the backends, or those that are named
load *NAMES:
    cargo run --release -p trijet-load --all-features -- {{NAMES}}

# The old debate about threads and async, measured: docs/debate.md. `--peers` builds Rocket, Gotham and Iron; `--short` takes a minute; `claim1`, `claim2`, `counter`, `claim3` … and backends choose
debate *WHAT:
    cargo run --release --manifest-path bench/Cargo.toml -p debate -- {{WHAT}}

# What a request costs in instructions, allocations and system calls: cases, backends, `instructions`, `allocations` and `syscalls` choose, `--peer PROGRAM` measures another server; `--check` compares with the baseline, `--write` writes it (then `just race page`)
costs *WHAT:
    cargo run --release --manifest-path bench/Cargo.toml -p costs -- {{WHAT}}

# Six planted faults, each of which must turn the suite red
planted:
    tests/planted/run.sh

# Faults of the system, injected into a server in its own process; with words, the cases and backends of these
faults *CASES:
    cargo test --all-features --test injected -- --run {{CASES}}

# The tests under the compiler's address and leak sanitizers, or under the one that is named
sanitize *SANITIZER:
    tests/sanitize.sh {{SANITIZER}}

# The lockfiles against RustSec: the copy that ADVISORY_DB names (a folder), else the user's own
audit:
    #!/usr/bin/env bash
    set -euo pipefail
    database=${ADVISORY_DB:-${CARGO_HOME:-$HOME/.cargo}/advisory-db}
    if [ ! -d "$database/crates" ]; then
        echo "there is no copy of RustSec in $database: unpack one and name its folder in ADVISORY_DB" >&2
        exit 1
    fi
    for lockfile in Cargo.lock fuzz/Cargo.lock tests/context/Cargo.lock tests/tower/Cargo.lock; do
        [ ! -f "$lockfile" ] || cargo audit --no-fetch --stale --db "$database" --file "$lockfile"
    done

# What deny.toml lets into the tree: licences, bans, sources, versions
deny:
    cargo deny --workspace check licenses bans sources

# Trijet beside other servers, in interleaved rounds: docs/performance.md. `--short` takes minutes; servers, scenarios (`json`, `upload`, `build` …), `--rounds N` and `--seconds S` choose; `page` only writes the page
race *WHAT:
    cargo run --release --manifest-path bench/Cargo.toml -p race -- {{WHAT}}

# What handing a plain `fn` to the pool and back costs, beside a bare round trip, and what sleepers there do to others
handover:
    cargo run --release --manifest-path bench/Cargo.toml -p handover

# The small concurrent parts in every order that their threads can come in; prints how many orders there were
loom:
    .ci/run loom

# Each fuzz target for so many minutes, on the stable compiler (needs `cargo install cargo-fuzz`)
fuzz MINUTES="5":
    fuzz/run {{MINUTES}}
