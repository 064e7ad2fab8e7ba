#!/usr/bin/env bash
# Builds the native tests with AddressSanitizer and UndefinedBehaviorSanitizer against the assert
# build of OpenZFS, runs them, those of the store in memory and on the embedded engine, and closes
# with `N passed, N failed`.
#
#   test/native/run.sh [part of a program's name …] [-- GoogleTest's own options]
#
# SANITIZE=thread runs them under ThreadSanitizer, SANITIZE= without any; JOBS is make's -j.
set -euo pipefail
cd "$(dirname "$0")/../.."

sanitize=${SANITIZE-address,undefined}
parts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  parts+=("$1")
  shift
done
[ $# -gt 0 ] && shift

wanted() {
  [ ${#parts[@]} -eq 0 ] && return
  for part in "${parts[@]}"; do [[ $1 == *$part* ]] && return; done
  return 1
}

programs=()
for source in test/native/*/*_test.cc; do
  name=$(basename "$(dirname "$source")")_$(basename "$source" .cc)
  if wanted "$name"; then programs+=("$name"); fi
done
[ ${#programs[@]} -gt 0 ] || { echo "no test's name has any of: ${parts[*]}" >&2 && exit 2; }

OPENZFS_ASSERT=${OPENZFS_ASSERT:-$(scripts/openzfs.sh assert)}
export ZDB=$OPENZFS_ASSERT/sbin/zdb
build=build/native-tests/${sanitize:-plain}
cmake -S test/native -B "$build" -DOPENZFS_PREFIX="$OPENZFS_ASSERT" -DSANITIZE="$sanitize" \
  --log-level=WARNING >/dev/null
cmake --build "$build" --parallel "${JOBS:-2}" --target "${programs[@]}" >"$build/log" 2>&1 ||
  { grep -E -A 8 'error|FAILED|undefined reference' "$build/log" | head -n 60 && exit 1; }

# OpenZFS keeps what it made once until the process ends, so leaks are not looked for here.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}

passed=0
failed=0
# $1: the program; $2: what it works on; the rest: its options.
run_program() {
  local name=$1 where=$2 log=$build/$1$2.log status=0 good bad
  shift 2
  timeout "${TEST_TIMEOUT:-900}" "$build/tests/$name" --gtest_color=no "$@" >"$log" 2>&1 || status=$?
  good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
  bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
  if [ "$status" -ne 0 ] && [ -z "$bad" ]; then
    # It crashed, or ran too long: what had passed by then has passed.
    good=$(grep -c '^\[       OK \]' "$log" || true)
    bad=1
  fi
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-0}))
  if [ "$status" -eq 0 ]; then
    echo "ok         $name$where (${good:-0} passed)"
  else
    echo "FAILED     $name$where (${bad:-0} failed, exit $status)"
    grep -v -E '^\[( *OK| RUN|-+|=+) *\]' "$log" | tail -n 80 | sed 's/^/    | /'
  fi
}

for name in "${programs[@]}"; do
  run_program "$name" "" "$@"
  filter=$(sed -n "s/^$name //p" test/native/on-engines.txt)
  [ -z "$filter" ] || IPFS_ZFS_ENGINE=embedded INDEX_OPS=${INDEX_OPS:-1e6} \
    run_program "$name" " on the embedded engine" --gtest_filter="$filter" "$@"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
