// One record of the index: a key and what the family keeps of it.
#pragma once

#include <cstdint>
#include <cstring>

#include "../../result.h"
#include "../key.h"

namespace ipfs_zfs {

using Value = uint64_t;

// Says "deleted" in tables and runs: it hides older records of the key until a merge drops both.
inline constexpr Value kTombstone = UINT64_MAX;

// On disk exactly as in memory.
struct Record {
  Key key;
  Value value;
};
static_assert(sizeof(Record) == 40 && alignof(Record) == 8);

// One change of a batch. `value` is what the key has from now on, kTombstone to delete it;
// `old_value` is what it had, kTombstone when it was absent. With both, the log alone tells what
// becomes free.
struct Change {
  Key key;
  Value value = kTombstone;
  Value old_value = kTombstone;
};

enum class Lookup : uint8_t { kAbsent, kFound, kFailed, kPending };

struct Found {
  Value value = kTombstone;
  Lookup state = Lookup::kAbsent;
  ErrorCode error = ErrorCode::kIo;  // when kFailed
};

inline bool less(const Key& a, const Key& b) {
  const uint64_t first = prefix_of(a);
  const uint64_t second = prefix_of(b);
  return first != second ? first < second : std::memcmp(a.data(), b.data(), a.size()) < 0;
}

}  // namespace ipfs_zfs
