// The key of a block: 32 bytes, uniformly distributed, made from its multihash.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace ipfs_zfs {

// The SHA2-256 digest of a sha2-256 multihash; of any other multihash, the complement of SHA-256
// over the whole multihash. The complement keeps the two kinds apart: without it anybody could
// store a block whose *content* is a foreign multihash, and so occupy that multihash's key.
using Key = std::array<uint8_t, 32>;

inline constexpr size_t kMaxMultihashBytes = 128;

bool is_sha2_256(std::span<const uint8_t> multihash);
Key key_of(std::span<const uint8_t> multihash);
std::vector<uint8_t> sha2_256_multihash(const Key& digest);

// The first 8 bytes as a number that orders as the key does.
inline uint64_t prefix_of(const Key& key) {
  uint64_t prefix;
  __builtin_memcpy(&prefix, key.data(), sizeof(prefix));
  return __builtin_bswap64(prefix);
}

}  // namespace ipfs_zfs
