#!/usr/bin/env bash
# Fuzzes the parsers of the index's files with libFuzzer (clang) under AddressSanitizer and
# UndefinedBehaviorSanitizer, and closes with `N passed, N failed`.
#
#   test/fuzz/run.sh              RUNS=20000 inputs each, which is what CI does
#   RUNS=0 SECONDS_EACH=3600 test/fuzz/run.sh run_fuzz
#
# The corpus is kept in build/fuzz, an input that fails in build/fuzz/<target>-crash-….
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v clang++ >/dev/null; then
  echo "skipped: libFuzzer needs clang++ (apt-get install clang libclang-rt-14-dev)"
  exit 77
fi
build=build/fuzz
mkdir -p $build
flags=(-std=c++20 -O1 -g -Wall -Wextra -I. -Inative -fsanitize=fuzzer-no-link,address,undefined
  -fno-sanitize-recover=all)
sources=(native/store/index/{cursor,filter,log,page_cache,run,run_lookup,run_writer,table}.cc
  test/native/store/memory_files.cc)
objects=()
for source in "${sources[@]}" test/fuzz/*_fuzz.cc; do
  object=$build/$(basename "$source" .cc).o
  newer=$(find native/store test/fuzz test/native/store -name '*.h' -newer "$object" 2>/dev/null ||
    echo all)
  if [ ! -e "$object" ] || [ "$source" -nt "$object" ] || [ -n "$newer" ]; then
    clang++ "${flags[@]}" -c "$source" -o "$object"
  fi
  case $source in *_fuzz.cc) ;; *) objects+=("$object") ;; esac
done

passed=0
failed=0
for source in test/fuzz/*_fuzz.cc; do
  name=$(basename "$source" .cc)
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  clang++ -fsanitize=fuzzer,address,undefined "$build/$name.o" "${objects[@]}" -lcrypto \
    -o "$build/$name"
  mkdir -p "$build/$name.corpus"
  runs=${RUNS:-20000}
  [ "$runs" -gt 0 ] || runs=-1
  if "$build/$name" -runs="$runs" -max_total_time="${SECONDS_EACH:-0}" -max_len=64 -timeout=20 \
    -artifact_prefix="$build/$name-crash-" "$build/$name.corpus" >"$build/$name.log" 2>&1; then
    echo "ok         $name ($(tail -n 1 "$build/$name.log"))"
    passed=$((passed + 1))
  else
    echo "FAILED     $name"
    tail -n 60 "$build/$name.log" | sed 's/^/    | /'
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
