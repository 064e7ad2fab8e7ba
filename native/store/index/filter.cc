#include "filter.h"

#include <algorithm>
#include <cmath>

namespace ipfs_zfs {

namespace {

// A seed fails about once in a hundred; more than a few in a row never happens.
constexpr int kAttempts = 64;
constexpr uint32_t kMaxSegmentLength = 1u << 18;

// The sizes that the authors found to build with high probability.
FilterShape shape_for(size_t keys) {
  FilterShape shape;
  const double size = static_cast<double>(std::max<size_t>(keys, 2));
  const double exponent = std::floor(std::log(size) / std::log(3.33) + 2.25);
  shape.segment_length = std::min(1u << static_cast<unsigned>(exponent), kMaxSegmentLength);
  const double factor = std::max(1.125, 0.875 + 0.25 * std::log(1e6) / std::log(size));
  const double capacity = std::round(size * factor);
  const double segments = std::ceil(capacity / shape.segment_length);
  shape.segment_count = segments > 2 ? static_cast<uint32_t>(segments) - 2 : 1;
  return shape;
}

void make_distinct(std::vector<uint64_t>& hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
}

}  // namespace

// In order of the segments where the hashes begin: peeling then stays within what the processor's
// cache holds.
void FilterBuilder::mix_by_segment(const FilterShape& shape, const std::vector<uint64_t>& hashes) {
  const auto segment_of = [&shape](uint64_t mixed) {
    return static_cast<size_t>((static_cast<unsigned __int128>(mixed) * shape.segment_count) >> 64);
  };
  starts_.assign(size_t{shape.segment_count} + 1, 0);
  for (const uint64_t hash : hashes) starts_[segment_of(filter_mix(hash, shape.seed)) + 1]++;
  for (size_t i = 1; i < starts_.size(); i++) starts_[i] += starts_[i - 1];
  mixed_.resize(hashes.size());
  for (const uint64_t hash : hashes) {
    const uint64_t mixed = filter_mix(hash, shape.seed);
    mixed_[starts_[segment_of(mixed)]++] = mixed;
  }
}

// Finds an order in which each key owns a place that no later key touches. False when the seed does
// not give one.
bool FilterBuilder::peel(const FilterShape& shape) {
  cells_.assign(shape.fingerprint_bytes(), Cell{});
  for (const uint64_t mixed : mixed_) {
    for (const uint64_t at : filter_places(shape, mixed).at) {
      cells_[at].hashes ^= mixed;
      cells_[at].keys++;
    }
  }
  alone_.clear();
  peeled_.clear();
  // A place that is alone is followed at once, while its neighbours are in the cache.
  for (uint32_t i = 0; i < cells_.size(); i++) {
    if (cells_[i].keys == 1) alone_.push_back(i);
    while (!alone_.empty()) {
      const uint32_t place = alone_.back();
      alone_.pop_back();
      if (cells_[place].keys != 1) continue;
      const uint64_t mixed = cells_[place].hashes;
      peeled_.push_back(Peeled{mixed, place});
      for (const uint64_t at : filter_places(shape, mixed).at) {
        cells_[at].hashes ^= mixed;
        if (--cells_[at].keys == 1) alone_.push_back(static_cast<uint32_t>(at));
      }
    }
  }
  return peeled_.size() == mixed_.size();
}

FilterShape FilterBuilder::build(std::vector<uint64_t>& hashes,
                                 std::vector<uint8_t>& fingerprints) {
  if (hashes.empty()) return FilterShape{.offset = fingerprints.size()};
  const uint64_t any = hashes.front();
  FilterShape shape = shape_for(hashes.size());
  shape.offset = fingerprints.size();
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    shape.seed = filter_mix(static_cast<uint64_t>(attempt) + 1, any);
    mix_by_segment(shape, hashes);
    if (!peel(shape)) {
      make_distinct(hashes);  // two equal hashes never peel
      continue;
    }
    fingerprints.resize(shape.offset + shape.fingerprint_bytes());
    uint8_t* base = fingerprints.data() + shape.offset;
    for (auto key = peeled_.rbegin(); key != peeled_.rend(); ++key) {
      const FilterPlaces places = filter_places(shape, key->mixed);
      base[key->place] = 0;
      base[key->place] =
          places.fingerprint ^ base[places.at[0]] ^ base[places.at[1]] ^ base[places.at[2]];
    }
    return shape;
  }
  return FilterShape{.offset = shape.offset, .holds_all = 1};  // slower, never wrong
}

}  // namespace ipfs_zfs
