#!/usr/bin/env bash
# Builds the kernel of the lab into the cache folder, once for each version of its parts, and
# prints where it is: one program, User Mode Linux with OpenZFS in it.
#
#   scripts/kernel-lab-build.sh            builds it when it is not there yet (5 to 15 minutes)
#   scripts/kernel-lab-build.sh --cached   never builds; exit 1, with the reason, when it is not there
#
# Linux is Debian's source package, OpenZFS the tarball that the embedded engine is made of. Linux
# is under the GPL and OpenZFS under the CDDL: build it where you use it, and never publish it.
set -euo pipefail
cd "$(dirname "$0")/.."

linux_package=linux-source-6.12 # OpenZFS 2.3.2 takes kernels up to 6.14
recipe=1                        # raise it when the steps below change what they make
packages=(gcc make flex bison bc xz-utils libelf-dev libc6-dev)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipfs-zfs
key=$( (echo "$recipe $linux_package" && cat scripts/kernel-lab.config && gcc --version &&
  grep '^sha256=' scripts/openzfs.sh) | sha256sum | cut -c1-12)
kernel=$cache/kernel-lab-$key/linux

say() { printf '\033[1m[kernel-lab]\033[0m %s\n' "$*" >&2; }
fail() { say "$*" && exit 1; }

if [ -x "$kernel" ]; then
  echo "$kernel"
  exit
fi
if [ "$(uname -m)" != x86_64 ] || [ "$(uname -s)" != Linux ]; then
  fail "User Mode Linux needs an x86-64 Linux, and this machine is $(uname -sm)"
fi
[ "${1:-}" != --cached ] || fail "the kernel is not built yet; run scripts/kernel-lab-build.sh"

mkdir -p "$cache"
exec 9>"$cache/kernel-lab.lock"
flock 9
if [ -x "$kernel" ]; then
  echo "$kernel"
  exit
fi
work=$(mktemp -d "$cache/building-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT

install_packages() {
  local missing=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" -eq 0 ] ||
    fail "these system packages are missing; run this once: sudo apt-get install -y ${missing[*]}"
  say "installing ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >/dev/null
}

fetch_linux() {
  if ! apt-get download -qq "$linux_package" 2>"$work/log"; then
    [ "$(id -u)" -eq 0 ] || fail "apt knows no $linux_package; run this once: sudo apt-get update"
    apt-get update -qq >&2
    apt-get download -qq "$linux_package" 2>"$work/log" ||
      { cat "$work/log" >&2 && fail "apt cannot get $linux_package (155 MB)"; }
  fi
  dpkg-deb -x "$linux_package"_*.deb .
  mkdir linux
  tar -xf usr/src/linux-source-*.tar.xz -C linux --strip-components=1
  rm -rf usr ./*.deb
}

# A line a step; what it printed only when it fails.
run() {
  say "$1"
  shift
  "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2 && fail "that failed"; }
}

# Steps are joined by && because `set -e` does not act in what run() calls.
configure_linux() {
  KCONFIG_ALLCONFIG=$config make -C linux allnoconfig &&
    make -C linux -j"$(nproc)" prepare modules_prepare
}

add_openzfs() {
  mkdir zfs && tar -xf "$tarball" -C zfs --strip-components=1 &&
    (cd zfs && KCFLAGS=-g0 ./configure --enable-linux-builtin --with-config=kernel \
      --with-linux="$work/linux" --with-linux-obj="$work/linux" && ./copy-builtin "$work/linux") &&
    # copy-builtin does not bring this one.
    echo '#define ZFS_META_GITREV "release"' >linux/include/zfs/zfs_gitrev.h &&
    echo CONFIG_ZFS=y >>linux/.config && make -C linux olddefconfig &&
    grep -q '^CONFIG_ZFS=y' linux/.config
}

install_packages
config=$PWD/scripts/kernel-lab.config
tarball=$(scripts/openzfs.sh source)
cd "$work"
say "fetching $linux_package (155 MB)"
fetch_linux
export ARCH=um
run "configuring Linux" configure_linux
run "configuring OpenZFS for it" add_openzfs
run "building the kernel: some minutes, once" make -C linux -j"$(nproc)" linux
mkdir done
cp linux/.config done/config
strip -o done/linux linux/linux
rm -rf "${kernel%/linux}"
mv done "${kernel%/linux}"
echo "$kernel"
