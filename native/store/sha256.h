// Hash functions. The only file that knows libcrypto.
#pragma once

#include <cstdint>
#include <span>

namespace ipfs_zfs {

void sha256(std::span<const uint8_t> bytes, uint8_t* digest_32);

enum class HashCheck : uint8_t {
  kMatch,
  kMismatch,
  kUnknown,  // a function that is not known here, or not a multihash at all
};

// Hashes `bytes` with the function that `multihash` names and compares.
HashCheck check_multihash(std::span<const uint8_t> multihash, std::span<const uint8_t> bytes);

}  // namespace ipfs_zfs
