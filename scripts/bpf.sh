#!/usr/bin/env bash
# Compiles the probe's BPF programs with Debian's clang. With `check`, only says whether the objects that are committed
# are what comes of it.
set -euo pipefail
cd "$(dirname "$0")/.."
CLANG=clang-14
STRIP=llvm-strip-14
if ! command -v $CLANG >/dev/null || ! command -v $STRIP >/dev/null; then
  echo "installing: $CLANG" >&2
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends clang-14 llvm-14
fi
into=$(mktemp -d)
trap 'rm -rf "$into"' EXIT
for source in probe/bpf/*.bpf.c; do
  object=${source%.c}.o
  $CLANG -O2 -g -Wall -Werror -target bpf -mcpu=v3 -fdebug-prefix-map="$PWD"=. -c "$source" -o "$into/object"
  $STRIP -g "$into/object"
  if [ "${1:-}" = check ]; then
    cmp "$into/object" "$object" || { echo "$object is not what $source compiles to: run scripts/bpf.sh" >&2; exit 1; }
  else
    cp "$into/object" "$object"
  fi
done
