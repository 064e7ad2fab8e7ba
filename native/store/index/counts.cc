#include "counts.h"

#include <algorithm>

#include "../bytes.h"
#include "../ensure.h"

namespace ipfs_zfs {

namespace {

Error of_key(ErrorCode code, const Key& key, const char* what) {
  return Error{code, "the count of " + hex_of(key) + " " + what};
}

}  // namespace

Status merge_deltas(std::vector<Delta>& deltas) {
  std::sort(deltas.begin(), deltas.end(),
            [](const Delta& a, const Delta& b) { return less(a.key, b.key); });
  size_t kept = 0;
  for (size_t i = 0; i < deltas.size();) {
    Delta sum{deltas[i].key, 0};
    for (; i < deltas.size() && deltas[i].key == sum.key; i++) {
      if (__builtin_add_overflow(sum.by, deltas[i].by, &sum.by)) {
        return of_key(ErrorCode::kInvalid, sum.key, "would change by more than 63 bits hold");
      }
    }
    if (sum.by != 0) deltas[kept++] = sum;
  }
  deltas.resize(kept);
  return {};
}

Status changes_of(std::span<const Delta> deltas, std::span<const Found> found,
                  std::vector<Change>& changes) {
  ENSURE(deltas.size() == found.size());
  changes.clear();
  for (size_t i = 0; i < deltas.size(); i++) {
    const auto& [key, by] = deltas[i];
    const bool there = found[i].state == Lookup::kFound;
    Status good;
    if (found[i].state == Lookup::kFailed) {
      good = of_key(found[i].error, key, "cannot be read");
    } else if (there && (found[i].value == 0 || found[i].value > kMaxCount)) {
      good = of_key(ErrorCode::kCorrupt, key, "is none: run a check");
    }
    int64_t count = there ? static_cast<int64_t>(found[i].value) : 0;
    if (good && (__builtin_add_overflow(count, by, &count) || count < 0)) {
      good = of_key(ErrorCode::kInvalid, key, by < 0 ? "would fall below zero" : "would overflow");
    }
    if (!good) {
      changes.clear();
      return good;
    }
    changes.push_back(Change{key, count == 0 ? kTombstone : static_cast<Value>(count),
                             there ? found[i].value : kTombstone});
  }
  return {};
}

}  // namespace ipfs_zfs
