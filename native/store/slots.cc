#include "slots.h"

#include <algorithm>
#include <bit>

namespace ipfs_zfs {

namespace {

constexpr uint64_t kWordBits = 64;
// The search starts over when a 64th of the slots came free behind it: a pass over one word of the
// bitmap is then paid for by at least one slot found.
constexpr uint64_t kRestartPart = 64;
// A bitmap of more slots than this is no bitmap that we wrote (it would take 32 GiB).
constexpr uint64_t kMaxEnd = kMaxSlot + 1;

}  // namespace

bool SlotMap::is_used(uint64_t slot) const {
  const uint64_t word = slot / kWordBits;
  return word < words_.size() && (words_[word] >> (slot % kWordBits) & 1) != 0;
}

bool SlotMap::all_used(uint64_t slot, uint32_t count) const {
  for (uint32_t i = 0; i < count; i++) {
    if (!is_used(slot + i)) return false;
  }
  return true;
}

void SlotMap::set(uint64_t slot, uint32_t count) {
  end_ = std::max(end_, slot + count);
  const uint64_t words = (end_ + kWordBits - 1) / kWordBits;
  if (words > words_.size()) words_.resize(words);
  for (uint64_t at = slot; at < slot + count; at++) {
    words_[at / kWordBits] |= uint64_t{1} << (at % kWordBits);
  }
  used_.fetch_add(count, std::memory_order_relaxed);
}

// Looks below end_ only.
std::optional<uint64_t> SlotMap::find(uint64_t from, uint32_t count) const {
  for (uint64_t word = from / kWordBits; word < words_.size(); word++) {
    const uint64_t next_used = word + 1 < words_.size() ? words_[word + 1] : ~uint64_t{0};
    uint64_t fits = ~words_[word];
    for (uint32_t i = 1; i < count; i++) {
      fits &= ~(words_[word] >> i | next_used << (kWordBits - i));
    }
    if (word == from / kWordBits) fits &= ~uint64_t{0} << (from % kWordBits);
    if (fits == 0) continue;
    const uint64_t slot = word * kWordBits + static_cast<uint64_t>(std::countr_zero(fits));
    if (slot + count > end_) return std::nullopt;
    return slot;
  }
  return std::nullopt;
}

std::optional<uint64_t> SlotMap::take(uint32_t count) {
  ENSURE(count >= 1 && count <= 3);
  auto slot = find(cursor_, count);
  if (!slot && freed_behind_ > end_ / kRestartPart) {
    freed_behind_ = 0;
    slot = find(0, count);
  }
  // Trailing free slots below end_ that are too few are used up by the growth.
  if (!slot) {
    slot = end_;
    while (*slot > 0 && end_ - *slot < count && !is_used(*slot - 1)) --*slot;
  }
  if (*slot + count > kMaxEnd) return std::nullopt;
  ENSURE(!is_used(*slot) && !is_used(*slot + count - 1));
  set(*slot, count);
  cursor_ = *slot + count;
  return slot;
}

void SlotMap::release(uint64_t slot, uint32_t count) {
  ENSURE(all_used(slot, count));
  for (uint64_t at = slot; at < slot + count; at++) {
    words_[at / kWordBits] &= ~(uint64_t{1} << (at % kWordBits));
  }
  used_.fetch_sub(count, std::memory_order_relaxed);
  if (slot < cursor_) freed_behind_ += count;
}

bool SlotMap::claim(uint64_t slot, uint32_t count) {
  if (slot + count > kMaxEnd) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (is_used(slot + i)) return false;
  }
  set(slot, count);
  return true;
}

void SlotMap::save(std::vector<uint8_t>& bytes) const {
  append_le(bytes, end_);
  for (const uint64_t word : words_) append_le(bytes, word);
}

bool SlotMap::load(Reader& reader) {
  const auto end = reader.take<uint64_t>();
  const uint64_t words = end / kWordBits + (end % kWordBits != 0);
  if (reader.failed() || end > kMaxEnd || words > reader.left() / sizeof(uint64_t)) return false;
  words_.resize(words);
  uint64_t used = 0;
  for (uint64_t& word : words_) {
    word = reader.take<uint64_t>();
    used += static_cast<uint64_t>(std::popcount(word));
  }
  if (end % kWordBits != 0 && words_.back() >> (end % kWordBits) != 0) return false;
  end_ = end;
  used_.store(used);
  // Holes are found again from the start.
  cursor_ = 0;
  freed_behind_ = 0;
  return true;
}

std::string slots_path(size_t slot_class) {
  static constexpr std::array<const char*, kSlotClasses> kNames = {"64k", "128k", "256k", "512k",
                                                                   "1m",  "2m",   "4m"};
  ENSURE(slot_class < kNames.size());
  return std::string("blocks/") + kNames[slot_class] + ".slots";
}

Status Slots::open(DatasetFiles& files, size_t slot_class) {
  class_bytes_ = kSmallestClassBytes << slot_class;
  auto file = files.lookup(slots_path(slot_class));
  if (!file && file.error().code == ErrorCode::kNotFound) {
    file = files.create(slots_path(slot_class), class_bytes_);
  }
  if (!file) return file.error();
  file_ = *file;
  return {};
}

}  // namespace ipfs_zfs
