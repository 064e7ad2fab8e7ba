#include "key.h"

#include <cstring>

#include "sha256.h"

namespace ipfs_zfs {

namespace {
constexpr uint8_t kSha2_256Code = 0x12;  // multicodec table
constexpr size_t kSha2_256Bytes = 32;
}  // namespace

bool is_sha2_256(std::span<const uint8_t> multihash) {
  return multihash.size() == 2 + kSha2_256Bytes && multihash[0] == kSha2_256Code &&
         multihash[1] == kSha2_256Bytes;
}

Key key_of(std::span<const uint8_t> multihash) {
  Key key;
  if (is_sha2_256(multihash)) {
    std::memcpy(key.data(), multihash.data() + 2, key.size());
    return key;
  }
  sha256(multihash, key.data());
  for (uint8_t& byte : key) byte = static_cast<uint8_t>(~byte);
  return key;
}

std::vector<uint8_t> sha2_256_multihash(const Key& digest) {
  std::vector<uint8_t> multihash(2 + digest.size());
  multihash[0] = kSha2_256Code;
  multihash[1] = kSha2_256Bytes;
  std::memcpy(multihash.data() + 2, digest.data(), digest.size());
  return multihash;
}

}  // namespace ipfs_zfs
