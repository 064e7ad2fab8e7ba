// Assertions for what must hold whatever is on disk. They stay on in release builds: a store that
// goes on after its own state is wrong would spread the damage to what it writes next. What comes
// from disk is never asserted, it is checked and reported as kCorrupt.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace ipfs_zfs {

[[noreturn]] inline void ensure_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "ipfs-zfs: broken invariant: %s at %s:%d\n", what, file, line);
  std::abort();
}

}  // namespace ipfs_zfs

#define ENSURE(condition) \
  ((condition) ? (void)0 : ::ipfs_zfs::ensure_failed(#condition, __FILE__, __LINE__))
