#!/usr/bin/env bash
# Puts the binary and a note of what it needs where it can be copied from.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p target/dist
cp target/release/scope target/dist/scope
glibc=$(objdump -T target/dist/scope 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 || true)
echo "target/dist/scope ($(du -h target/dist/scope | cut -f1)): copy it to /usr/local/bin of every host."
echo "It needs Linux on $(uname -m) with ${glibc:-glibc}, and root to see everything; nothing beside it."
