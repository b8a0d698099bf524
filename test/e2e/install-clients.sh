#!/usr/bin/env bash
# Installs the clients of the end-to-end matrix: Debian's packages as root, and
# below .cache Node 24 (Debian's is too old to read proxy variables) with GitHub's
# libraries. What is there already is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
clients=.cache/clients

want=()
need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || want+=("$2")
}
need curl curl
need git git
need git-lfs git-lfs
need wget wget
need python3 python3
need gh gh
need aws awscli
need java default-jdk-headless
need lynx lynx
need mvn maven
need aria2c aria2
need w3m w3m
need elinks elinks
need http httpie
need ruby ruby
need rclone rclone
for library in httpx aiohttp httplib2; do
  /usr/bin/python3 -c "import $library" 2>/dev/null || want+=("python3-$library")
done
need chromium chromium
need certutil libnss3-tools
need php php-cli
perl -MLWP::Protocol::https -e 1 2>/dev/null || want+=(libwww-perl liblwp-protocol-https-perl)
php -r 'exit(function_exists("curl_init") ? 0 : 1);' 2>/dev/null || want+=(php-curl)
need npm npm
[ -x /usr/sbin/rsyslogd ] || want+=(rsyslog rsyslog-gnutls)
python3 -c 'import requests' 2>/dev/null || /usr/bin/python3 -c 'import requests' 2>/dev/null || want+=(python3-requests)
[ -x "$(git --exec-path 2>/dev/null)/git-http-backend" ] || want+=(git)

if [ ${#want[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${want[@]}" >/dev/null
fi

node="$clients/node_modules/node/bin/node"
# npm removes what one call does not name, so that all are named in one.
npm_packages=(
  node@24 octokit@5.0.5 @octokit/auth-app@8.3.1
  @aws-sdk/client-s3@3.1175.0 @aws-sdk/lib-storage@3.1175.0 @smithy/node-http-handler@4.14.2
  https-proxy-agent@9.1.0 # by which AWS's SDK uses a proxy
  @yarnpkg/cli-dist@4.18.1
  axios@1.21.1 got@14.6.6 ky@1.14.3 node-fetch@3.3.2 undici@7.30.2 deno@2.9.6
  graphql@16.15.0 # reads what services/github/api prints
  @anthropic-ai/claude-code@2.1.332 @openai/codex@0.171.0 @google/gemini-cli@0.61.0 opencode-ai@1.18.33 # agents that people run
)
present() { for name in octokit @octokit/auth-app @aws-sdk/client-s3 @aws-sdk/lib-storage https-proxy-agent @yarnpkg/cli-dist graphql @anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai axios got ky node-fetch undici deno; do [ -d "$clients/node_modules/$name" ] || return 1; done; }
if ! "$node" --version 2>/dev/null | grep -q '^v2[4-9]\.' || ! present; then
  mkdir -p "$clients"
  npm install --silent --no-audit --no-fund --no-save --prefix "$clients" "${npm_packages[@]}"
fi

for c in curl git git-lfs wget python3 gh aws java npm; do
  printf '%-8s %s\n' "$c" "$(command -v "$c")"
done
printf '%-8s %s\n' node "$("$node" --version)"
