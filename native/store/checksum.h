// XXH64, the checksum of our own structures (log frames, pages, manifest). ZFS already detects bad
// media; this one finds a torn frame, a page in the wrong place and our own mistakes. XXH64 because
// anybody can recompute it, and because a 4 KiB page takes a third of a microsecond.
#pragma once

#include <bit>
#include <cstdint>

#include "bytes.h"

namespace ipfs_zfs {

namespace checksum_detail {

inline constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87ull;
inline constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Full;
inline constexpr uint64_t kPrime3 = 0x165667B19E3779F9ull;
inline constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63ull;
inline constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5ull;

inline uint64_t round(uint64_t lane, uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

inline uint64_t merge(uint64_t hash, uint64_t lane) {
  return (hash ^ round(0, lane)) * kPrime1 + kPrime4;
}

inline uint64_t finish(uint64_t hash, const uint8_t* at, size_t left) {
  for (; left >= 8; at += 8, left -= 8) {
    hash = std::rotl(hash ^ round(0, load_le<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  }
  if (left >= 4) {
    hash = std::rotl(hash ^ (load_le<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
    at += 4;
    left -= 4;
  }
  for (; left > 0; at++, left--) hash = std::rotl(hash ^ (*at * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace checksum_detail

inline uint64_t checksum(std::span<const uint8_t> bytes, uint64_t seed = 0) {
  using namespace checksum_detail;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t hash = seed + kPrime5;
  if (left >= 32) {
    uint64_t lanes[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    for (; left >= 32; at += 32, left -= 32) {
      for (int i = 0; i < 4; i++) lanes[i] = round(lanes[i], load_le<uint64_t>(at + 8 * i));
    }
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
    for (const uint64_t lane : lanes) hash = merge(hash, lane);
  }
  return finish(hash + bytes.size(), at, left);
}

}  // namespace ipfs_zfs
