#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each (default 30s).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for_each="${1:-30s}"

grep -rlE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(f \*testing\.F\)' . | while read -r file; do
  grep -oE '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | while read -r target; do
    echo "== ${file%/*} $target"
    go test -run='^$' -fuzz="^${target}\$" -fuzztime="$for_each" "${file%/*}"
  done
done
