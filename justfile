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
