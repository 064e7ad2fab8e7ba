// Keys that are looked up together: what is still open, and what finding it cost.
#pragma once

#include <array>
#include <span>

#include "record.h"

namespace ipfs_zfs {

// What lookups cost so far. A key that passes the filter of a run that does not have it is a false
// positive; the filters let one in 256 through.
struct LookupCounts {
  uint64_t keys = 0;
  uint64_t filter_probes = 0;
  uint64_t false_positives = 0;
  uint64_t cached_pages = 0;  // found in the page cache
  uint64_t read_pages = 0;    // read from the files
};

class Lookups {
 public:
  // At most this many at once; their places fit the processor's first cache.
  static constexpr size_t kMax = 128;

  Lookups(std::span<const Key> keys, std::span<Found> found) : keys(keys), found(found) {
    counts.keys = keys.size();
  }

  // Those that are kPending; call it again when some no longer are.
  std::span<const uint8_t> pending() {
    size_t count = 0;
    for (size_t i = 0; i < keys.size(); i++) {
      if (found[i].state == Lookup::kPending) pending_[count++] = static_cast<uint8_t>(i);
    }
    return std::span(pending_).first(count);
  }

  const std::span<const Key> keys;
  const std::span<Found> found;
  LookupCounts counts;

 private:
  std::array<uint8_t, kMax> pending_{};
};

}  // namespace ipfs_zfs
