#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
scripts/bpf.sh check
cargo check --locked --quiet --no-default-features
cargo clippy --locked --workspace --exclude frontend --no-default-features --all-targets -- -D warnings
cargo clippy --locked -p frontend --target wasm32-unknown-unknown --target-dir target/wasm-ui -- -D warnings
command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
cargo deny --log-level error check licenses bans sources
