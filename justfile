# The words of this project. Each is a step of `.ci/run`, so that a run here is a run there.

# All that is checked before a change is taken
ci:
    .ci/run

# Formatting, lints with warnings denied, and what Rust 1.85 cannot read
check:
    .ci/run fmt clippy msrv

# Every test of every package, on every backend
test:
    .ci/run test

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

# Six planted faults, each of which must turn the suite red
faults-planted:
    tests/faults/run.sh

# The lockfiles against RustSec: the copy that ADVISORY_DB names (a folder), else the user's own
audit:
    #!/usr/bin/env bash
    set -euo pipefail
    database=${ADVISORY_DB:-${CARGO_HOME:-$HOME/.cargo}/advisory-db}
    if [ ! -d "$database/crates" ]; then
        echo "there is no copy of RustSec in $database: unpack one and name its folder in ADVISORY_DB" >&2
        exit 1
    fi
    for lockfile in Cargo.lock fuzz/Cargo.lock; do
        [ ! -f "$lockfile" ] || cargo audit --no-fetch --stale --db "$database" --file "$lockfile"
    done

# What deny.toml lets into the tree: licences, bans, sources, versions
deny:
    cargo deny check licenses bans sources

# Each fuzz target for so many minutes, on the stable compiler (needs `cargo install cargo-fuzz`)
fuzz MINUTES="5":
    fuzz/run {{MINUTES}}
