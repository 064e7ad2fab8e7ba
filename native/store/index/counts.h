// A family of counts: its values change by signed deltas, and a count of zero is no key.
//
// A delta becomes a count when its batch is staged, not when runs are merged. An exact number of
// keys needs to know whether a key appears or goes, and so does whoever walks a DAG: a count that
// leaves or reaches zero says where to go on. So the old count is looked up in any case, and once
// it is known, a record of the new count is better than one of the delta: a lookup ends at the
// newest record instead of adding up every run, replaying a frame does no harm when it is done
// twice, and a family of counts has the logs, tables, runs and merges of any other.
#pragma once

#include <span>
#include <vector>

#include "record.h"

namespace ipfs_zfs {

// At most this, so that a count is never taken for a tombstone.
inline constexpr Value kMaxCount = INT64_MAX;

struct Delta {
  Key key;
  int64_t by = 0;
};

// Makes of any deltas one for each key, ascending by key; those that add up to nothing are gone.
// kInvalid when a sum is beyond 63 bits.
Status merge_deltas(std::vector<Delta>& deltas);

// What merged `deltas` do to the counts `found` of the same keys: one change each, in order.
// kInvalid when a count would fall below zero or exceed kMaxCount, and the error of the lookup
// when one failed; `changes` is empty then.
Status changes_of(std::span<const Delta> deltas, std::span<const Found> found,
                  std::vector<Change>& changes);

}  // namespace ipfs_zfs
