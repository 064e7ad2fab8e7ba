// Which keys are surely not in a run: a binary fuse filter (Graf and Lemire, 2022), 8-bit
// fingerprints, about 9 bits a key, one false positive in 256.
//
// A run's filter is cut into chunks by key range, each built on its own while the run is written,
// so that the memory for building does not grow with the run.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../key.h"

namespace ipfs_zfs {

// Keys of a chunk: large enough that the filter is near 9 bits a key, small enough that building
// it takes a few MiB.
inline constexpr uint64_t kFilterChunkKeys = 1u << 18;

// What finds a chunk's fingerprints; kept in the run beside them.
struct FilterShape {
  uint64_t seed = 0;
  uint64_t offset = 0;  // of the first fingerprint, within the run's fingerprints
  uint32_t segment_length = 0;
  uint32_t segment_count = 0;  // 0: no filter (empty or unbuildable chunk); see `holds_all`
  uint32_t holds_all = 0;      // without a filter: 1 = may hold anything, 0 = holds nothing
  uint32_t reserved = 0;

  uint64_t fingerprint_bytes() const {
    return segment_count == 0 ? 0 : (uint64_t{segment_count} + 2) * segment_length;
  }
};
static_assert(sizeof(FilterShape) == 32);

inline uint64_t filter_hash(const Key& key, uint64_t run_seed) {
  uint64_t a;
  uint64_t b;
  __builtin_memcpy(&a, key.data() + 8, 8);
  __builtin_memcpy(&b, key.data() + 16, 8);
  // The run's seed is random: keys cannot be chosen so that they pass every filter.
  const auto product = static_cast<unsigned __int128>(a ^ run_seed) * (b | 1);
  return static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product) ^ b;
}

inline uint64_t filter_mix(uint64_t hash, uint64_t seed) {
  hash += seed;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdull;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return hash ^ (hash >> 33);
}

struct FilterPlaces {
  uint64_t at[3];
  uint8_t fingerprint;
};

inline FilterPlaces filter_places(const FilterShape& shape, uint64_t mixed) {
  const uint64_t span = uint64_t{shape.segment_count} * shape.segment_length;
  const uint64_t mask = shape.segment_length - 1;
  FilterPlaces places;
  places.at[0] = static_cast<uint64_t>((static_cast<unsigned __int128>(mixed) * span) >> 64);
  places.at[1] = (places.at[0] + shape.segment_length) ^ ((mixed >> 18) & mask);
  places.at[2] = (places.at[0] + 2 * uint64_t{shape.segment_length}) ^ (mixed & mask);
  places.fingerprint = static_cast<uint8_t>(mixed ^ (mixed >> 32));
  return places;
}

// Builds one filter after another; what it needs for that is kept from one to the next.
class FilterBuilder {
 public:
  // A filter over `hashes`, which come back in another order and perhaps without repetitions. Its
  // fingerprints are appended, and the shape's `offset` is the place where they begin.
  FilterShape build(std::vector<uint64_t>& hashes, std::vector<uint8_t>& fingerprints);

 private:
  // One place of the array while peeling: how many keys touch it, and the XOR of their hashes.
  struct Cell {
    uint64_t hashes = 0;
    uint32_t keys = 0;
  };
  struct Peeled {
    uint64_t mixed;
    uint64_t place;  // its own: no key that was peeled later touches it
  };

  void mix_by_segment(const FilterShape& shape, const std::vector<uint64_t>& hashes);
  bool peel(const FilterShape& shape);

  std::vector<uint64_t> mixed_;
  std::vector<uint32_t> starts_;
  std::vector<Cell> cells_;
  std::vector<uint32_t> alone_;
  std::vector<Peeled> peeled_;
};

// `chunk` is where the chunk's fingerprints begin.
inline bool filter_holds(const FilterPlaces& places, const uint8_t* chunk) {
  return (chunk[places.at[0]] ^ chunk[places.at[1]] ^ chunk[places.at[2]]) == places.fingerprint;
}

inline bool filter_holds(const FilterShape& shape, const uint8_t* fingerprints, uint64_t hash) {
  if (shape.segment_count == 0) return shape.holds_all != 0;
  return filter_holds(filter_places(shape, filter_mix(hash, shape.seed)),
                      fingerprints + shape.offset);
}

}  // namespace ipfs_zfs
