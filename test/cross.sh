#!/usr/bin/env bash
# Builds for every system that a release is for, without cgo: serve runs on Linux and
# macOS, the agent's side on Windows too. Tests are looked at for macOS as well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0

for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
  echo "== build $target"
  GOOS="${target%/*}" GOARCH="${target#*/}" go build ./...
done
echo '== vet darwin/arm64, tests included'
GOOS=darwin GOARCH=arm64 go vet ./...
