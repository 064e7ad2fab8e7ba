#!/bin/bash
# The first process of the lab's kernel (scripts/kernel-lab.sh): mounts a scratch layer over the
# host's files, runs the command, and powers off. LAB_CTL and LAB_HOST_OUT are on the host.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# $1 is its name in /run/lab, $2 the folder on the host.
share() {
  if [ "${LAB_BACKEND:-uml}" = qemu ]; then
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 "$1" "run/lab/$1"
  else
    mount -t hostfs -o "$2" "$1" "run/lab/$1"
  fi || echo "lab: no $2"
}

if [ "${1:-}" != inside ]; then
  mount -t tmpfs -o mode=755 scratch /mnt
  mkdir /mnt/upper /mnt/work /mnt/root
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root ||
    echo "lab: no overlay"
  cd /mnt/root || exit
  mount -t proc proc proc
  mount -t sysfs sys sys
  mount -t devtmpfs dev dev
  mkdir -p dev/pts dev/shm
  mount -t devpts devpts dev/pts
  mount -t tmpfs -o mode=1777 shm dev/shm
  ln -sf /proc/self/fd dev/fd
  ln -sf fd/0 dev/stdin
  ln -sf fd/1 dev/stdout
  ln -sf fd/2 dev/stderr
  chmod 666 dev/zfs # what udev would do
  mount -t tmpfs -o mode=755 run run
  mkdir -p run/lab/out run/lab/ctl run/lock
  share out "$LAB_HOST_OUT"
  share ctl "$LAB_CTL"
  rm -f etc/mtab etc/zfs/zpool.cache
  ln -s /proc/self/mounts etc/mtab
  : >etc/fstab
  # ZFS finds the files of vdevs from the root of this process: it must be the overlay.
  cp "$0" run/lab/init
  mount --move . /
  exec chroot . /bin/bash /run/lab/init inside
fi

ip link set lo up 2>/dev/null
hostname kernel-lab
echo $((512 << 20)) >/sys/module/zfs/parameters/zfs_arc_max
# A process that has an io_uring and forks (Node, whenever it starts another program) makes User Mode
# Linux panic.
[ ! -e /proc/sys/kernel/io_uring_disabled ] || echo 2 >/proc/sys/kernel/io_uring_disabled
echo "lab: up after $(cut -d' ' -f1 /proc/uptime) s"
unset LAB_CTL LAB_HOST_OUT LAB_BACKEND LAB_INIT
export HOME=/root TERM=dumb LAB=1 LAB_OUT=/run/lab/out
/bin/bash /run/lab/ctl/command </dev/null >/run/lab/ctl/stdout 2>/run/lab/ctl/stderr
code=$?
cd /
echo "lab: exit code $code after $(cut -d' ' -f1 /proc/uptime) s"
sync
echo $code >/run/lab/ctl/code
sync
# reboot(2) with LINUX_REBOOT_CMD_POWER_OFF: the image may have no init's `poweroff -f`.
perl -e 'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)'
sleep 10
