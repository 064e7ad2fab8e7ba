#!/usr/bin/env bash
# As scripts/kernel-lab.sh, with the same options, in QEMU: two processors (LAB_CPUS) and Debian's
# own kernel with OpenZFS as modules, ten times slower than there. It is the cross-check for what
# one processor hides; `KERNEL_LAB=qemu scripts/kernel-lab.sh …` comes here. The kernel is made at
# the first use (scripts/kernel-lab-qemu-build.sh).
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)

out= mem_mib=2048 timeout_s=900
die() {
  echo "kernel-lab-qemu: $*" >&2
  exit 125
}
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?} && shift 2 ;;
    --mem) mem_mib=${2:?} && shift 2 ;;
    --timeout) timeout_s=${2:?} && shift 2 ;;
    --) shift && break ;;
    *) die "unknown option $1; usage: kernel-lab-qemu.sh [--timeout S] [--out DIR] -- 'command'" ;;
  esac
done
[ $# -gt 0 ] || die "no command; usage: kernel-lab-qemu.sh [--timeout S] [--out DIR] -- 'command'"
kernel=$("$scripts/kernel-lab-qemu-build.sh") || die "this machine has no such lab (see above)"

run=$(mktemp -d "${TMPDIR:-/tmp}/kernel-lab.XXXXXX")
chmod 755 "$run" # users other than root in the lab find the current folder through it
trap 'rm -rf "$run"' EXIT
[ -n "$out" ] || out=$run/out
mkdir -p "$out" "$run/ctl"
out=$(realpath "$out")
: >"$run/ctl/stdout"
: >"$run/ctl/stderr"
{
  printf 'cd %q || exit 125\n' "$PWD"
  if [ $# -eq 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi
} >"$run/ctl/command"

share() {
  echo "-fsdev local,id=$1,path=$2,security_model=none,multidevs=remap$3
    -device virtio-9p-pci,fsdev=$1,mount_tag=$1"
}
# shellcheck disable=SC2046 # the paths are ours, without blanks
timeout -k 5 "$timeout_s" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -machine q35 \
  -smp "${LAB_CPUS:-2}" -m "$mem_mib" -nodefaults -display none -no-reboot -serial stdio \
  -kernel "$kernel/vmlinuz" -initrd "$kernel/initrd" \
  -append "console=ttyS0 quiet panic=-1 LAB_BACKEND=qemu LAB_INIT=$scripts/kernel-lab-init.sh" \
  $(share host / ,readonly=on) $(share out "$out" "") $(share ctl "$run/ctl" "") \
  </dev/null >"$run/console" 2>&1 &
up=$!
stop() {
  kill $up 2>/dev/null && wait $up || true # `timeout` hands it on
}
trap 'stop; rm -rf "$run"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
tail -s 0.05 -c +1 -f --pid=$up "$run/ctl/stdout" 2>/dev/null &
out_tail=$!
tail -s 0.05 -c +1 -f --pid=$up "$run/ctl/stderr" >&2 2>/dev/null &
err_tail=$!
status=0
wait $up || status=$?
wait $out_tail $err_tail || true
[ -z "${LAB_VERBOSE:-}" ] || tr -d '\r' <"$run/console" >&2
if [ -s "$run/ctl/code" ]; then exit "$(cat "$run/ctl/code")"; fi
if [ $status = 124 ]; then
  echo "kernel-lab-qemu: the command took longer than $timeout_s s; the kernel was stopped" >&2
  exit 124
fi
tail -n 40 "$run/console" | tr -d '\r' >&2
die "the kernel ended ($status) before the command did; its console is above"
