#!/bin/busybox sh
# /init of the initrd that scripts/kernel-lab-qemu-build.sh makes: loads the modules, mounts the
# host's files, read-only, and goes on in scripts/kernel-lab-init.sh (LAB_INIT) there.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /order); do
  /bin/busybox insmod "/modules/$module" || echo "lab: no $module"
done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /host ||
  echo "lab: no files of the host"
exec /bin/busybox switch_root /host /bin/bash "$LAB_INIT"
