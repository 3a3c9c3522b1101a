#!/usr/bin/env bash
# All tests. The end-to-end ones need root, a Docker Engine's binaries and Chromium; where one is missing that is an
# error and never a skipped test.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked
cargo nextest run --locked --workspace --exclude scope-tests
export SCOPE_BINARY=$PWD/target/debug/scope
. scripts/test-programs.sh
cargo nextest run --locked -p scope-tests --profile e2e
