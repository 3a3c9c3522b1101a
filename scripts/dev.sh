#!/usr/bin/env bash
# Builds and starts Scope, and does so again whenever a source changed.
set -uo pipefail
cd "$(dirname "$0")/.."
stamp() { find app probe shared frontend Cargo.toml Cargo.lock -type f -newer "$1" -print -quit 2>/dev/null; }
mark=$(mktemp); child=
trap 'rm -f "$mark"; [ -z "$child" ] || kill "$child" 2>/dev/null; exit 0' INT TERM EXIT
while :; do
  touch "$mark"
  if cargo build; then
    [ -z "$child" ] || { kill "$child" 2>/dev/null; wait "$child" 2>/dev/null; }
    target/debug/scope launch --foreground & child=$!
  fi
  until [ -n "$(stamp "$mark")" ]; do sleep 0.5; done
done
