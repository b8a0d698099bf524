#!/usr/bin/env bash
# Builds the servers that verify what Sallyport signs, below .cache/servers: S3 by
# versitygw and MinIO, at these versions, once. A binary of another version is built
# again. moto (pip install 'moto[server]') comes with the machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p .cache/servers
servers=$PWD/.cache/servers

build() { # COMMAND PACKAGE VERSION
  local stamp="$servers/$1.version"
  if [ -x "$servers/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$3" ]; then return; fi
  printf 'building %s %s\n' "$1" "$3"
  # -p 2: these are large programs, and each compiler takes up to a gigabyte.
  GOBIN="$servers" GOFLAGS=-buildvcs=false go install -p 2 -trimpath -ldflags '-s -w' "$2@$3"
  printf '%s' "$3" >"$stamp"
}

exec 9>"$servers/.lock"
flock 9 # another run may be building
build versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
build minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c
for server in versitygw minio; do printf '%-10s %s\n' "$server" "$(cat "$servers/$server.version")"; done
