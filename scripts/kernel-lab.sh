#!/usr/bin/env bash
# Boots a real Linux kernel with a real OpenZFS, as one ordinary process (User Mode Linux), and runs
# a command in it, as root:
#
#   scripts/kernel-lab.sh [--timeout S] [--out DIR] [--mem MIB] -- 'command'
#
# The command sees this machine's files, read-only with a scratch layer on top, and starts in the
# current folder. What it writes to $LAB_OUT is in DIR afterwards, and what is in DIR is in $LAB_OUT
# before. Its standard output, standard error and exit code come back. 124 is a timeout (default
# 900 s); 125 means that the lab itself failed, and says why. A SIGTERM ends the kernel at once, as
# a power cut would. The kernel is built at the first use (scripts/kernel-lab-build.sh).
#
# It is a place for tests, not a sandbox: root in there can write what this user can write here.
# KERNEL_LAB=qemu runs it in QEMU instead, slower, with Debian's own kernel and two processors.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)

out= mem_mib=2048 timeout_s=900
die() {
  echo "kernel-lab: $*" >&2
  exit 125
}
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?} && shift 2 ;;
    --mem) mem_mib=${2:?} && shift 2 ;;
    --timeout) timeout_s=${2:?} && shift 2 ;;
    --) shift && break ;;
    *) die "unknown option $1; usage: kernel-lab.sh [--timeout S] [--out DIR] [--mem MIB] -- CMD" ;;
  esac
done
[ $# -gt 0 ] || die "no command; usage: kernel-lab.sh [--timeout S] [--out DIR] -- 'command'"
backend=${KERNEL_LAB:-uml}
case $backend in
  uml | qemu) source "$scripts/kernel-lab-$backend.sh" ;;
  *) die "there is no lab '$backend'; KERNEL_LAB is uml or qemu" ;;
esac
kernel=$(build) || die "this machine has no kernel for the lab (see above)"

run=$(mktemp -d "${TMPDIR:-/tmp}/kernel-lab.XXXXXX")
chmod 755 "$run" # users other than root in the lab find the current folder through it
trap 'rm -rf "$run"' EXIT
[ -n "$out" ] || out=$run/out
mkdir -p "$out" "$run/ctl"
out=$(realpath "$out")
: >"$run/ctl/stdout"
: >"$run/ctl/stderr"
: >"$run/console"
{
  printf 'cd %q || exit 125\n' "$PWD"
  if [ $# -eq 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi
} >"$run/ctl/command"

boot
trap 'stop; rm -rf "$run"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
tail -s 0.05 -c +1 -f --pid=$up "$run/ctl/stdout" 2>/dev/null &
out_tail=$!
tail -s 0.05 -c +1 -f --pid=$up "$run/ctl/stderr" >&2 2>/dev/null &
err_tail=$!
status=0
wait $up || status=$?
stop
wait $out_tail $err_tail || true
[ -z "${LAB_VERBOSE:-}" ] || tr -d '\r' <"$run/console" >&2
if [ -s "$run/ctl/code" ]; then exit "$(cat "$run/ctl/code")"; fi
if [ $status = 124 ]; then
  echo "kernel-lab: the command took longer than $timeout_s s; the kernel was stopped" >&2
  exit 124
fi
tail -n 40 "$run/console" | tr -d '\r' >&2
die "the kernel ended ($status) before the command did; its console is above"
