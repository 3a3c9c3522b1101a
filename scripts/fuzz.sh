#!/usr/bin/env bash
# Fuzzes what comes over the wire: fuzz.sh [SECONDS for each target]. A finding is written to fuzz/artifacts, and ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v g++ >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends g++
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
# Coverage is an unstable flag of a stable compiler. Without sanitizers: ours is safe Rust, and they want another std.
export RUSTC_BOOTSTRAP=1
fuzz=(--sanitizer none --target-dir target/fuzz)
cargo run -q --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-seeds --bin seeds -- \
  app/tests/streams/version-1-bridge.frames target/fuzz-corpus
for target in frames messages; do
  cargo fuzz run "${fuzz[@]}" "$target" "target/fuzz-corpus/$target" -- -max_total_time="$seconds" -max_len=65536
done
