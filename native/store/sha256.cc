#include "sha256.h"

#include <openssl/evp.h>

#include <cstring>

#include "blake2b.h"
#include "ensure.h"

namespace ipfs_zfs {

namespace {

// Reads an unsigned varint of at most 9 bytes; false when there is none.
bool take_varint(std::span<const uint8_t>& bytes, uint64_t* value) {
  *value = 0;
  for (size_t i = 0; i < bytes.size() && i < 9; i++) {
    *value |= static_cast<uint64_t>(bytes[i] & 0x7f) << (7 * i);
    if ((bytes[i] & 0x80) == 0) {
      bytes = bytes.subspan(i + 1);
      return true;
    }
  }
  return false;
}

// blake2b-8 to blake2b-512 follow each other in the multicodec table.
constexpr uint64_t kBlake2b8 = 0xb201;
constexpr uint64_t kBlake2b512 = 0xb240;

// By the multicodec table. Truncated digests are allowed by the multihash rules, longer ones not.
const EVP_MD* function_of(uint64_t code) {
  switch (code) {
    case 0x11: return EVP_sha1();
    case 0x12: return EVP_sha256();
    case 0x13: return EVP_sha512();
    case 0x14: return EVP_sha3_512();
    case 0x15: return EVP_sha3_384();
    case 0x16: return EVP_sha3_256();
    case 0x17: return EVP_sha3_224();
    case 0x20: return EVP_sha384();
    case 0xb260: return EVP_blake2s256();
    default: return nullptr;
  }
}

}  // namespace

void sha256(std::span<const uint8_t> bytes, uint8_t* digest_32) {
  // Fetched once: looking the algorithm up takes longer than hashing a multihash.
  static const EVP_MD* const kFunction = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  ENSURE(kFunction != nullptr);
  unsigned int size = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest_32, &size, kFunction, nullptr);
  ENSURE(done == 1 && size == 32);
}

HashCheck check_multihash(std::span<const uint8_t> multihash, std::span<const uint8_t> bytes) {
  uint64_t code = 0;
  uint64_t length = 0;
  if (!take_varint(multihash, &code) || !take_varint(multihash, &length)) {
    return HashCheck::kUnknown;
  }
  if (length != multihash.size()) return HashCheck::kUnknown;
  uint8_t digest[EVP_MAX_MD_SIZE] = {};
  unsigned int size = 0;
  if (code >= kBlake2b8 && code <= kBlake2b512) {
    size = static_cast<unsigned int>(code - kBlake2b8 + 1);
    blake2b(bytes, {digest, size});
  } else {
    const EVP_MD* function = function_of(code);
    if (function == nullptr) return HashCheck::kUnknown;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, function, nullptr) != 1) {
      return HashCheck::kUnknown;
    }
  }
  if (length == 0 || length > size) return HashCheck::kUnknown;
  return std::memcmp(digest, multihash.data(), length) == 0 ? HashCheck::kMatch
                                                            : HashCheck::kMismatch;
}

}  // namespace ipfs_zfs
