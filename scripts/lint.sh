#!/usr/bin/env bash
# Formatters and linters of each language; `--fix` writes what the formatters want.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

# Not umem.h: its bytes are part of the name of the OpenZFS build in the cache.
mapfile -t native < <(git ls-files 'native/*.c' 'native/*.cc' 'native/*.h' 'test/native/*.cc' \
  'test/native/*.h' 'bench/*.cc' ':!native/zfs/embedded/umem.h')
mapfile -t scripts < <(git ls-files 'src/*.ts' 'test/*.ts' 'bench/*.ts' 'scripts/*.ts' '*.js' '*.mjs')

if [ "${1:-}" = --fix ]; then
  clang-format -i "${native[@]}"
  if command -v go >/dev/null; then gofmt -w native/kubo; fi
  prettier --write --log-level warn "${scripts[@]}"
else
  clang-format --dry-run --Werror "${native[@]}"
  prettier --check --log-level warn "${scripts[@]}"
fi
tsc --noEmit
eslint --max-warnings 0 src test bench scripts
# With the headers that these include; it cannot read GoogleTest's macros.
mapfile -t sources < <(git ls-files 'native/*.c' 'native/*.cc')
cppcheck --quiet --std=c++20 --enable=warning,performance,portability --inline-suppr \
  --error-exitcode=1 -I native "${sources[@]}"
if command -v go >/dev/null; then
  unformatted=$(gofmt -l native/kubo)
  [ -z "$unformatted" ] || { echo "gofmt wants to change: $unformatted" >&2 && exit 1; }
  # -trimpath, as Kubo is built: else all of it would be compiled again.
  (cd native/kubo && go vet -trimpath ./...)
fi
for script in $(git ls-files '*.sh' '.ci/run'); do bash -n "$script"; done
