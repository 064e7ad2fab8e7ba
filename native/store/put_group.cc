#include "put_group.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "bytes.h"
#include "ensure.h"
#include "packs.h"

namespace ipfs_zfs {

namespace {

// What pads the last record of a block; several pieces may point at it.
constexpr size_t kZeroBytes = 128u << 10;
alignas(64) constexpr std::array<uint8_t, kZeroBytes> kZeros{};

}  // namespace

uint8_t* Arena::take(size_t bytes) {
  ENSURE(bytes <= kChunkBytes);
  if (chunk_ == chunks_.size() || used_bytes_ + bytes > kChunkBytes) {
    if (chunk_ < chunks_.size()) chunk_++;
    used_bytes_ = 0;
    if (chunk_ == chunks_.size()) chunks_.emplace_back(new uint8_t[kChunkBytes]);
  }
  uint8_t* taken = chunks_[chunk_].get() + used_bytes_;
  used_bytes_ += bytes;
  return taken;
}

void Arena::reset() {
  chunk_ = 0;
  used_bytes_ = 0;
}

PutGroup::PutGroup(size_t max_keys)
    : max_keys_(max_keys), seen_(std::bit_ceil(std::max<size_t>(max_keys, 1)) * 2) {}

void PutGroup::reset() {
  arena_.reset();
  changes_.clear();
  data_bytes_ = 0;
  block_bytes_ = 0;
  slot_pieces_.clear();
  pack_pieces_.clear();
  slot_ops_.clear();
  pack_ops_.clear();
  file_ops_.clear();
  if (++round_ == 0) {  // after four billion rounds old entries would look new
    std::fill(seen_.begin(), seen_.end(), Seen{});
    round_ = 1;
  }
}

bool PutGroup::has(const Key& key) const {
  const size_t mask = seen_.size() - 1;
  for (size_t at = prefix_of(key) & mask; seen_[at].round == round_; at = (at + 1) & mask) {
    if (changes_[seen_[at].change].key == key) return true;
  }
  return false;
}

void PutGroup::remember(const Key& key) {
  ENSURE(changes_.size() < max_keys_);
  const size_t mask = seen_.size() - 1;
  size_t at = prefix_of(key) & mask;
  while (seen_[at].round == round_) at = (at + 1) & mask;
  seen_[at] = Seen{round_, static_cast<uint32_t>(changes_.size())};
}

uint64_t PutGroup::footprint_bytes(Location location) {
  return location.is_pack() ? location.entry_bytes()
                            : uint64_t{location.slot_count()} * location.class_bytes();
}

void PutGroup::add(const Key& key, std::span<const uint8_t> multihash,
                   std::span<const uint8_t> bytes, Location location, FileId file) {
  ENSURE(bytes.size() == location.length_bytes());
  ENSURE(multihash.empty() != location.is_foreign());
  remember(key);
  if (location.is_pack()) {
    add_to_pack(key, multihash, bytes, location, file);
  } else {
    add_to_slots(multihash, bytes, location, file);
  }
  changes_.push_back(Change{key, location.value(), kTombstone});
  data_bytes_ += footprint_bytes(location);
  block_bytes_ += bytes.size();
}

uint8_t* PutGroup::trailer_bytes(std::span<const uint8_t> multihash, size_t bytes) {
  uint8_t* trailer = arena_.take(bytes);
  std::memset(trailer, 0, bytes);
  if (!multihash.empty()) {
    ENSURE(1 + multihash.size() <= bytes);
    trailer[0] = static_cast<uint8_t>(multihash.size());
    std::memcpy(trailer + 1, multihash.data(), multihash.size());
  }
  return trailer;
}

void PutGroup::add_to_slots(std::span<const uint8_t> multihash, std::span<const uint8_t> bytes,
                            Location location, FileId file) {
  const size_t first = slot_pieces_.size();
  slot_pieces_.push_back(Piece{bytes.data(), bytes.size()});
  const size_t trailer = kTrailerBytes[location.trailer()];
  if (trailer > 0) slot_pieces_.push_back(Piece{trailer_bytes(multihash, trailer), trailer});
  const uint64_t whole = footprint_bytes(location);
  ENSURE(whole >= bytes.size() + trailer);
  for (uint64_t left = whole - bytes.size() - trailer; left > 0;) {
    const size_t some = std::min<uint64_t>(left, kZeroBytes);
    slot_pieces_.push_back(Piece{kZeros.data(), some});
    left -= some;
  }
  const uint64_t offset = location.data_offset_bytes();
  slot_ops_.push_back(Op{file, offset, first, slot_pieces_.size() - first, offset + whole});
}

void PutGroup::open_pack_op(Location location, FileId file) {
  const uint64_t offset = location.offset_bytes();
  if (pack_ops_.empty() || pack_ops_.back().file != file || pack_ops_.back().end_bytes != offset) {
    pack_ops_.push_back(Op{file, offset, pack_pieces_.size(), 0, offset});
  }
}

void PutGroup::add_pack_piece(const void* data, size_t bytes) {
  Op& op = pack_ops_.back();
  op.end_bytes += bytes;
  if (op.pieces > 0) {
    // The end of one entry and the head of the next are neighbours in the arena: one piece.
    Piece& last = pack_pieces_.back();
    if (static_cast<const uint8_t*>(last.data) + last.size_bytes == data) {
      last.size_bytes += bytes;
      return;
    }
  }
  pack_pieces_.push_back(Piece{data, bytes});
  op.pieces++;
}

void PutGroup::add_to_pack(const Key& key, std::span<const uint8_t> multihash,
                           std::span<const uint8_t> bytes, Location location, FileId file) {
  open_pack_op(location, file);
  uint8_t* head = arena_.take(kPackPrefixBytes);
  const PackEntryHeader header{static_cast<uint16_t>(bytes.size()),
                               static_cast<uint8_t>(location.trailer()), kPackEntryMagic};
  std::memcpy(head, &header, sizeof(header));
  std::memcpy(head + sizeof(header), key.data(), key.size());
  add_pack_piece(head, kPackPrefixBytes);
  if (!bytes.empty()) add_pack_piece(bytes.data(), bytes.size());
  const size_t rest = location.entry_bytes() - kPackPrefixBytes - bytes.size();
  if (rest > 0) add_pack_piece(trailer_bytes(multihash, rest), rest);
}

void PutGroup::add_move(const Key& key, Location from, Location to, FileId file,
                        const uint8_t* entry) {
  ENSURE(from.is_pack() && to.is_pack() && from.entry_bytes() == to.entry_bytes());
  remember(key);
  open_pack_op(to, file);
  add_pack_piece(entry, to.entry_bytes());
  changes_.push_back(Change{key, to.value(), from.value()});
  data_bytes_ += to.entry_bytes();
}

std::vector<FileOp>& PutGroup::data_ops() {
  file_ops_.clear();
  const auto append = [this](const std::vector<Op>& ops, const std::vector<Piece>& pieces) {
    for (const Op& op : ops) {
      const std::span<const Piece> some(pieces.data() + op.first_piece, op.pieces);
      file_ops_.push_back(FileOp{FileOp::Kind::kWrite, op.file, op.offset_bytes, some, 0});
    }
  };
  append(slot_ops_, slot_pieces_);
  append(pack_ops_, pack_pieces_);
  return file_ops_;
}

}  // namespace ipfs_zfs
