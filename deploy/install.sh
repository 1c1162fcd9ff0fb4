#!/usr/bin/env bash
# Installs the programs named as arguments where they are missing, or says what to do and fails.
set -euo pipefail

cd "$(dirname "$0")/.."
tools="$PWD/.tools"
grpcurl_version=v1.9.3
buf_version=1.75.0
cargo_deny_version=0.20.2

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# $1: the program, $2: Debian's package that holds it, $3: what others call it
from_system() {
  if has "$1"; then return; fi
  if ! has apt-get; then
    fail "$1 is missing and there is no apt-get here. Install it from your system's packages (Fedora: dnf install $3; Alpine: apk add $3; macOS: brew install $3), then try again."
  fi
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || fail "$1 is missing. As root, run: apt-get install $2"
    sudo=sudo
  fi
  echo "installing $2, which holds $1"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
  has "$1" || fail "apt-get has installed $2, but $1 is still not found"
}

install_redis() {
  if has redis-server || has valkey-server; then return; fi
  from_system redis-server redis-server redis
}

# The same for a package that also starts a service, which would hold the ports of ours: it is neither
# started now nor at the next boot. One that the machine had before is left alone.
from_system_unstarted() {
  if has "$1"; then return; fi
  local sudo="" policy=/usr/sbin/policy-rc.d is_forbidden=""
  if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
  if has apt-get && [ ! -e "$policy" ] && { [ -z "$sudo" ] || has sudo; }; then
    printf '#!/bin/sh\nexit 101\n' | $sudo install -m 755 /dev/stdin "$policy"
    # Also when the installation fails: nothing else of the machine may stay forbidden to start.
    trap "$sudo rm -f $policy" EXIT
    is_forbidden=yes
  fi
  from_system "$1" "$2" "$3"
  if [ -n "$is_forbidden" ]; then
    $sudo rm -f "$policy"
    trap - EXIT
  fi
  # Without systemd there is nothing to disable.
  if has systemctl; then $sudo systemctl --quiet disable "$2" >/dev/null 2>&1 || true; fi
}

install_alertmanager() {
  # Debian calls it prometheus-alertmanager, all others alertmanager. amtool comes with both.
  if has amtool && { has prometheus-alertmanager || has alertmanager; }; then return; fi
  from_system_unstarted prometheus-alertmanager prometheus-alertmanager alertmanager
}

install_grpcurl() {
  if [ -x "$tools/bin/grpcurl" ]; then return; fi
  has go || fail "grpcurl is built with Go, which is missing. Install Go (https://go.dev), then try again."
  echo "building grpcurl $grpcurl_version"
  GOBIN="$tools/bin" go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"
}

install_cargo_deny() {
  if [ -x "$tools/bin/cargo-deny" ]; then return; fi
  echo "building cargo-deny $cargo_deny_version"
  cargo install --quiet --locked --root "$tools" --version "$cargo_deny_version" cargo-deny
}

install_buf() {
  if [ -x "$tools/node_modules/.bin/buf" ]; then return; fi
  has npm || fail "buf comes as an npm package, and npm is missing. Install Node.js, then try again."
  echo "installing buf $buf_version"
  npm install --silent --no-audit --no-fund --no-save --prefix "$tools" "@bufbuild/buf@$buf_version" >/dev/null
}

for program in "$@"; do
  case "$program" in
    redis-server) install_redis ;;
    # The same package holds the server.
    promtool) from_system_unstarted promtool prometheus prometheus ;;
    alertmanager) install_alertmanager ;;
    grpcurl) install_grpcurl ;;
    buf) install_buf ;;
    cargo-deny) install_cargo_deny ;;
    *) fail "this script cannot install $program" ;;
  esac
done
