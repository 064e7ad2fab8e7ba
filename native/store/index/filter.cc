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

// One place of the array while peeling: how many keys touch it, and the XOR of their hashes.
struct Cell {
  uint64_t hashes = 0;
  uint32_t keys = 0;
};

// Finds an order in which each key owns a place that no later key touches. Empty when the seed
// does not give one.
std::vector<std::pair<uint64_t, uint64_t>> peel(const FilterShape& shape,
                                                const std::vector<uint64_t>& hashes) {
  std::vector<Cell> cells(shape.fingerprint_bytes());
  for (const uint64_t hash : hashes) {
    const uint64_t mixed = filter_mix(hash, shape.seed);
    for (const uint64_t at : filter_places(shape, mixed).at) {
      cells[at].hashes ^= mixed;
      cells[at].keys++;
    }
  }
  std::vector<uint64_t> alone;
  for (uint64_t i = 0; i < cells.size(); i++) {
    if (cells[i].keys == 1) alone.push_back(i);
  }
  std::vector<std::pair<uint64_t, uint64_t>> order;  // mixed hash, owned place
  order.reserve(hashes.size());
  while (!alone.empty()) {
    const uint64_t place = alone.back();
    alone.pop_back();
    if (cells[place].keys != 1) continue;
    const uint64_t mixed = cells[place].hashes;
    order.emplace_back(mixed, place);
    for (const uint64_t at : filter_places(shape, mixed).at) {
      cells[at].hashes ^= mixed;
      if (--cells[at].keys == 1) alone.push_back(at);
    }
  }
  if (order.size() != hashes.size()) order.clear();
  return order;
}

}  // namespace

FilterShape build_filter(std::vector<uint64_t>& hashes, std::vector<uint8_t>& fingerprints) {
  if (hashes.empty()) return FilterShape{.offset = fingerprints.size()};
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  FilterShape shape = shape_for(hashes.size());
  shape.offset = fingerprints.size();
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    shape.seed = filter_mix(static_cast<uint64_t>(attempt) + 1, hashes.front());
    const auto order = peel(shape, hashes);
    if (order.empty()) continue;
    fingerprints.resize(shape.offset + shape.fingerprint_bytes());
    uint8_t* base = fingerprints.data() + shape.offset;
    for (auto key = order.rbegin(); key != order.rend(); ++key) {
      const FilterPlaces places = filter_places(shape, key->first);
      base[key->second] = 0;
      base[key->second] =
          places.fingerprint ^ base[places.at[0]] ^ base[places.at[1]] ^ base[places.at[2]];
    }
    return shape;
  }
  return FilterShape{.offset = shape.offset, .holds_all = 1};  // slower, never wrong
}

}  // namespace ipfs_zfs
