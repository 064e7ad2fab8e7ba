#!/usr/bin/env bash
# Builds OpenZFS's user-space libraries from the Debian source package into the cache folder, once
# a version, variant, set of flags and compiler, and prints the folder:
#   lib/*.a  include/{zfs,libzpool,libspl,libspl-linux}  zfs_config.h  [sbin/{zdb,zfs,zpool}]
#
#   scripts/openzfs.sh release   no assertions; every buffer comes from our arena (umem.h)
#   scripts/openzfs.sh assert    OpenZFS's own assertions and plain malloc, for tests and
#                                sanitizers; with zdb, the judge of what we wrote, and zfs and
#                                zpool, the other side of an exchange
#   scripts/openzfs.sh source    prints the pinned source: a tarball, or what OPENZFS_SRC names
#
# The host stays as it is: apt is asked through a private configuration.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.3.2
package_version=2.3.2-2~bpo12+2
sha256=80da628a9543ec3355bf410617450e167706948ceb287541455a1b8d87b8758a
variant=${1:?release, assert or source}
umem=$PWD/native/zfs/embedded/umem.h
cflags="-O2 -g1"
case $variant in
  release) targets="libzpool.la libzfs_core.la" ;;
  assert) targets="libzpool.la libzfs_core.la zdb zfs zpool" ;;
  source) targets= ;;
  *) echo "openzfs.sh: release, assert or source, not '$variant'" >&2 && exit 2 ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipfs-zfs
recipe=2 # raise it when the steps below change what they make
key=$( (echo "$recipe $cflags" && cat "$umem" && gcc --version && uname -m) | sha256sum | cut -c1-12)
prefix=$cache/openzfs-$version-$variant-$key
if [ -e "$prefix/complete" ]; then
  echo "$prefix"
  exit
fi

say() { printf '\033[1m[openzfs]\033[0m %s\n' "$*" >&2; }

mkdir -p "$cache"
exec 9>"$cache/openzfs.lock"
flock 9
if [ -e "$prefix/complete" ]; then
  echo "$prefix"
  exit
fi
work=$(mktemp -d "$cache/building.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The mirror and key that this machine's apt uses, as a deb-src line of our own.
private_sources() {
  local uri signed_by
  local deb822=/etc/apt/sources.list.d/debian.sources
  if [ -e $deb822 ]; then
    uri=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' $deb822 | head -n 1)
    signed_by=$(sed -n 's/^Signed-By: *//p' $deb822 | head -n 1)
  else
    uri=$(sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\2/p' /etc/apt/sources.list | head -n 1)
  fi
  [ -n "$uri" ] || { say "no Debian mirror is configured for apt; set OPENZFS_SRC" && exit 1; }
  printf 'Types: deb-src\nURIs: %s\nSuites: bookworm-backports\nComponents: contrib\n' "$uri"
  printf 'Signed-By: %s\n' "${signed_by:-/usr/share/keyrings/debian-archive-keyring.gpg}"
}

fetch_tarball() {
  local tarball=$cache/zfs-$version.orig.tar.gz
  if [ ! -e "$tarball" ]; then
    say "fetching the source of OpenZFS $version (34 MB)"
    (
      cd "$work"
      private_sources >zfs.sources
      mkdir -p lists/partial cache/archives/partial
      options="-o Dir::Etc::sourcelist=$work/zfs.sources -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::Lists=$work/lists -o Dir::Cache=$work/cache -o APT::Sandbox::User="
      apt-get $options update -qq
      apt-get $options source -qq --download-only --tar-only "zfs-linux=$package_version" >&2
      mv "zfs-linux_$version.orig.tar.gz" "$tarball.new"
    )
    echo "$sha256  $tarball.new" | sha256sum --check --quiet ||
      { rm -f "$tarball.new" && say "the source is not the one this project pins" && exit 1; }
    mv "$tarball.new" "$tarball"
  fi
  echo "$tarball"
}

pinned_source() {
  if [ -n "${OPENZFS_SRC:-}" ]; then echo "$OPENZFS_SRC"; else fetch_tarball; fi
}

unpack() {
  local source
  source=$(pinned_source)
  mkdir "$work/source"
  if [ -d "$source" ]; then
    cp -a "$source/." "$work/source"
  else
    tar xf "$source" -C "$work/source" --strip-components=1
  fi
}

# A line a step, with the count of compiled files when it is a terminal.
run() {
  local what=$1 log=$work/log
  shift
  say "$what"
  if [ -t 2 ]; then
    "$@" >"$log" 2>&1 &
    local pid=$!
    while kill -0 $pid 2>/dev/null; do
      printf '\r\033[K  %s files' "$(grep -c '^  C' "$log" || true)" >&2
      sleep 1
    done
    printf '\r\033[K' >&2
    wait $pid || { tail -n 40 "$log" >&2 && exit 1; }
  else
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2 && exit 1; }
  fi
}

if [ "$variant" = source ]; then
  pinned_source
  exit
fi
unpack
cd "$work/source"
run "configuring OpenZFS $version ($variant)" ./configure --with-config=user --disable-pyzfs \
  --enable-static --disable-shared --with-pic --disable-systemd --disable-sysvinit CFLAGS="$cflags"
run "stamping its version" make gitrev
if [ "$variant" = release ]; then
  # As shipped, libzpool is an assert build.
  sed -i '/^LIBZPOOL_CPPFLAGS/s/ -DDEBUG -UNDEBUG -DZFS_DEBUG//' Makefile
  cflags="$cflags -include $umem"
fi
run "building OpenZFS $version ($variant): some minutes, once" \
  make -j"$(nproc)" $targets CFLAGS="$cflags"

staging=$work/prefix
mkdir -p "$staging"/{lib,sbin,include}
cp .libs/*.a "$staging/lib"
cp -a include "$staging/include/zfs"
cp -a lib/libzpool/include "$staging/include/libzpool"
cp -a lib/libspl/include "$staging/include/libspl"
mv "$staging/include/libspl/os/linux" "$staging/include/libspl-linux"
cp zfs_config.h LICENSE NOTICE COPYRIGHT "$staging"
[ ! -e zdb ] || cp zdb zfs zpool "$staging/sbin"
touch "$staging/complete"
rm -rf "$prefix"
mv "$staging" "$prefix"
echo "$prefix"
