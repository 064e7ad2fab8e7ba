#!/usr/bin/env bash
# Makes the kernel of scripts/kernel-lab-qemu.sh in the cache folder, once for each version of its
# parts, and prints the folder: Debian's own kernel image, and an initrd with OpenZFS's modules built
# for it from the tarball of the embedded engine. Nothing is installed. Never publish the initrd:
# the kernel is under the GPL and OpenZFS under the CDDL.
set -euo pipefail
cd "$(dirname "$0")/.."

recipe=1 # raise it when the steps below change what they make
tools=(qemu-system-x86_64 cpio depmod)

say() { printf '\033[1m[kernel-lab]\033[0m %s\n' "$*" >&2; }
fail() { say "$*" && exit 1; }

for tool in "${tools[@]}"; do
  command -v $tool >/dev/null ||
    fail "no $tool; run this once: apt-get install -y qemu-system-x86 cpio kmod"
done
on() { apt-cache depends "$1" | sed -n 's/.*Depends: \(linux-[^ ]*\).*/\1/p'; }
image=$(on linux-image-amd64)
[ -n "$image" ] || fail "apt knows no linux-image-amd64; run this once: apt-get update"
headers=${image/image/headers}
version=${image#linux-image-}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipfs-zfs
key=$( (echo "$recipe $image" && grep '^sha256=' scripts/openzfs.sh) | sha256sum | cut -c1-12)
kernel=$cache/kernel-lab-qemu-$key
if [ -e "$kernel/initrd" ]; then
  echo "$kernel"
  exit
fi
mkdir -p "$cache"
exec 9>"$cache/kernel-lab-qemu.lock"
flock 9
if [ -e "$kernel/initrd" ]; then
  echo "$kernel"
  exit
fi
tarball=$(scripts/openzfs.sh source)
work=$(mktemp -d "$cache/building-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# A line a step; what it printed only when it fails.
run() {
  say "$1"
  shift
  "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2 && fail "that failed"; }
}

fetch_debian() {
  local needed
  mapfile -t needed < <(on "$headers")
  apt-get download "$image" "$headers" "${needed[@]}" busybox-static &&
    for package in *.deb; do dpkg-deb -x "$package" root || return 1; done
  # The headers name each other by absolute paths; their vmlinux would ask for pahole.
  sed -i "s|/usr/src|$work/root/usr/src|" "root/usr/src/$headers/Makefile" &&
    rm -f "root/usr/src/$headers/vmlinux"
}

build_modules() {
  local sources=$work/root/usr/src
  mkdir zfs && tar -xf "$tarball" -C zfs --strip-components=1 &&
    (cd zfs && ./configure --with-config=kernel --with-linux="$sources/${headers%-amd64}-common" \
      --with-linux-obj="$sources/$headers" && make -j"$(nproc)") &&
    strip --strip-debug zfs/module/{spl,zfs}.ko &&
    cp zfs/module/{spl,zfs}.ko "root/lib/modules/$version"
}

# Its modules in the order in which they are loaded, and no more than mounts this machine's files.
make_initrd() {
  local module
  mkdir -p initrd/{bin,modules,proc,dev,host} done && cp root/bin/busybox initrd/bin &&
    cp "$initrd_init" initrd/init && depmod -b root "$version" &&
    for module in virtio_pci 9p 9pnet_virtio overlay zfs; do
      modprobe -d root -S "$version" --show-depends $module
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >order &&
    while read -r module; do
      cp "$module" initrd/modules && basename "$module" >>initrd/order
    done <order && cp "root/boot/vmlinuz-$version" done/vmlinuz &&
    (cd initrd && find . | cpio -o -H newc --quiet | gzip) >done/initrd
}

initrd_init=$OLDPWD/scripts/kernel-lab-initrd.sh
run "fetching $image and its headers (90 MB)" fetch_debian
run "building OpenZFS for it: some minutes, once" build_modules
run "packing its initrd" make_initrd
rm -rf "$kernel"
mv done "$kernel"
echo "$kernel"
