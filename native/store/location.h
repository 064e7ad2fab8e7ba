// Where a block lies, in the 64-bit value of its index record.
//
//   bit 63        1 = pack, 0 = slots
//   bits 62..61   trailer class: how the multihash is kept beside the block, 0 = not at all
//   slots:  bits 60..38 length (23 bits: 4 MiB inclusive), bits 37..0 first slot
//   pack:   bits 60..45 length (16 bits: below 64 KiB), bits 44..24 pack id, bits 23..0 offset / 4
//
// Everything that freeing a block needs (class, count of slots, bytes in the pack) follows from
// these 64 bits, so a delete never reads the block.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "ensure.h"

namespace ipfs_zfs {

inline constexpr uint32_t kSmallestClassBytes = 64u << 10;
inline constexpr size_t kSlotClasses = 7;  // 64K 128K 256K 512K 1M 2M 4M
inline constexpr uint32_t kMaxLengthBytes = kSmallestClassBytes << (kSlotClasses - 1);

// A foreign multihash is kept after the block as one length byte and the multihash, in a trailer of
// fixed size: 40 takes every 256-bit function, 72 every 512-bit one, 132 the longest allowed.
inline constexpr std::array<uint32_t, 4> kTrailerBytes = {0, 40, 72, 132};

inline constexpr uint32_t trailer_class_of(size_t multihash_bytes) {
  uint32_t trailer = 1;
  while (kTrailerBytes[trailer] < 1 + multihash_bytes) trailer++;
  return trailer;
}

// An entry of a pack: 4 bytes of header, the key, the block, the trailer, zeros up to 4 bytes.
inline constexpr uint32_t kPackHeaderBytes = 4;
inline constexpr uint32_t kPackPrefixBytes = kPackHeaderBytes + 32;
inline constexpr uint32_t kPackAlignBytes = 4;
inline constexpr uint32_t kPackBytes = 64u << 20;  // 24 bits of offset / 4
inline constexpr uint64_t kMaxPackId = (1u << 21) - 2;
inline constexpr uint64_t kMaxSlot = (1ull << 38) - 1;

class Location {
 public:
  explicit constexpr Location(uint64_t value) : value_(value) {}

  static Location in_slots(uint32_t length_bytes, uint32_t trailer, uint64_t slot) {
    ENSURE(length_bytes >= kSmallestClassBytes && length_bytes <= kMaxLengthBytes);
    ENSURE(trailer < kTrailerBytes.size() && slot <= kMaxSlot);
    return Location(uint64_t{trailer} << 61 | uint64_t{length_bytes} << 38 | slot);
  }

  static Location in_pack(uint32_t length_bytes, uint32_t trailer, uint64_t pack,
                          uint32_t offset_bytes) {
    ENSURE(length_bytes < kSmallestClassBytes && trailer < kTrailerBytes.size());
    ENSURE(pack <= kMaxPackId && offset_bytes < kPackBytes && offset_bytes % kPackAlignBytes == 0);
    return Location(1ull << 63 | uint64_t{trailer} << 61 | uint64_t{length_bytes} << 45 |
                    pack << 24 | offset_bytes / kPackAlignBytes);
  }

  uint64_t value() const { return value_; }
  bool is_pack() const { return value_ >> 63 != 0; }
  uint32_t trailer() const { return value_ >> 61 & 3; }
  bool is_foreign() const { return trailer() != 0; }
  uint32_t length_bytes() const {
    return is_pack() ? (value_ >> 45 & 0xffff) : (value_ >> 38 & 0x7fffff);
  }

  // Of bytes that came from disk: could in_slots() or in_pack() have made them?
  bool is_valid() const {
    if (is_pack())
      return pack() <= kMaxPackId && uint64_t{offset_bytes()} + entry_bytes() <= kPackBytes;
    return length_bytes() >= kSmallestClassBytes && length_bytes() <= kMaxLengthBytes;
  }

  // Slots. The class is the largest power of two that the length fills, so that at most the last
  // record of a block is padded.
  size_t slot_class() const {
    ENSURE(length_bytes() >= kSmallestClassBytes);
    return std::bit_width(length_bytes()) - std::bit_width(kSmallestClassBytes);
  }
  uint32_t class_bytes() const { return kSmallestClassBytes << slot_class(); }
  uint32_t slot_count() const {
    return (length_bytes() + kTrailerBytes[trailer()] + class_bytes() - 1) / class_bytes();
  }
  uint64_t slot() const { return value_ & kMaxSlot; }

  // Packs.
  uint64_t pack() const { return value_ >> 24 & 0x1fffff; }
  uint32_t offset_bytes() const { return (value_ & 0xffffff) * kPackAlignBytes; }
  uint32_t entry_bytes() const {
    const uint32_t bytes = kPackPrefixBytes + length_bytes() + kTrailerBytes[trailer()];
    return (bytes + kPackAlignBytes - 1) / kPackAlignBytes * kPackAlignBytes;
  }

  // Offset of the block's first byte in its file.
  uint64_t data_offset_bytes() const {
    return is_pack() ? uint64_t{offset_bytes()} + kPackPrefixBytes : slot() * class_bytes();
  }

  // For people: "256k.slots 17, 262144 bytes" or "pack 3 at 4096, 512 bytes".
  std::string text() const {
    if (!is_valid()) return "no place";
    const std::string length = ", " + std::to_string(length_bytes()) + " bytes";
    if (is_pack()) {
      return "pack " + std::to_string(pack()) + " at " + std::to_string(offset_bytes()) + length;
    }
    const uint32_t kib = class_bytes() >> 10;
    const std::string name =
        kib < 1024 ? std::to_string(kib) + "k" : std::to_string(kib >> 10) + "m";
    return name + ".slots " + std::to_string(slot()) + length;
  }

  friend bool operator==(Location a, Location b) { return a.value_ == b.value_; }

 private:
  uint64_t value_;
};

}  // namespace ipfs_zfs
