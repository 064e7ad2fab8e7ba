// BLAKE2b (RFC 7693), unkeyed, any digest length: Filecoin's blake2b-256 is not BLAKE2b-512 cut
// short, and libcrypto 3.0 has only the latter.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "ensure.h"

namespace ipfs_zfs {

namespace blake2b_detail {

inline constexpr size_t kBlockBytes = 128;
inline constexpr int kRounds = 12;

// The fractional parts of the square roots of the first eight primes, as in SHA-512.
inline constexpr std::array<uint64_t, 8> kStart = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

inline constexpr uint8_t kOrder[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                           {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                           {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                           {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                           {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                           {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                           {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                           {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                           {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                           {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

inline void mix(uint64_t& a, uint64_t& b, uint64_t& c, uint64_t& d, uint64_t x, uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

inline void compress(std::array<uint64_t, 8>& state, const uint8_t* block, uint64_t count,
                     bool last) {
  uint64_t words[16];
  std::memcpy(words, block, sizeof(words));
  uint64_t v[16];
  std::copy(state.begin(), state.end(), v);
  std::copy(kStart.begin(), kStart.end(), v + 8);
  v[12] ^= count;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < kRounds; round++) {
    const uint8_t* order = kOrder[round % 10];
    for (int i = 0; i < 4; i++) {  // columns
      mix(v[i], v[i + 4], v[i + 8], v[i + 12], words[order[2 * i]], words[order[2 * i + 1]]);
    }
    for (int i = 0; i < 4; i++) {  // diagonals
      mix(v[i], v[4 + (i + 1) % 4], v[8 + (i + 2) % 4], v[12 + (i + 3) % 4],
          words[order[8 + 2 * i]], words[order[9 + 2 * i]]);
    }
  }
  for (size_t i = 0; i < state.size(); i++) state[i] ^= v[i] ^ v[i + 8];
}

}  // namespace blake2b_detail

// `digest` has 1 to 64 bytes.
inline void blake2b(std::span<const uint8_t> bytes, std::span<uint8_t> digest) {
  using namespace blake2b_detail;
  ENSURE(!digest.empty() && digest.size() <= 64);
  std::array<uint64_t, 8> state = kStart;
  state[0] ^= 0x01010000 ^ digest.size();  // fan-out 1, depth 1, no key
  uint64_t count = 0;
  while (bytes.size() - count > kBlockBytes) {
    compress(state, bytes.data() + count, count + kBlockBytes, false);
    count += kBlockBytes;
  }
  uint8_t rest[kBlockBytes] = {};
  if (bytes.size() > count) std::memcpy(rest, bytes.data() + count, bytes.size() - count);
  compress(state, rest, bytes.size(), true);
  std::memcpy(digest.data(), state.data(), digest.size());
}

}  // namespace ipfs_zfs
