#include "page_cache.h"

#include <bit>
#include <cstring>

#include "../ensure.h"
#include "../huge_pages.h"

namespace ipfs_zfs {

namespace {

constexpr size_t kLineBytes = 64;

// Null when there are none: then there is no cache either. Huge ones, as far as they go: a page is
// anywhere, and so is its tag.
void* pages_of(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = allocate_huge(bytes);
  ENSURE(memory != nullptr);
  return memory;
}

void* zeroed_pages_of(size_t bytes) {
  void* memory = pages_of(bytes);
  if (memory != nullptr) std::memset(memory, 0, bytes);
  return memory;
}

}  // namespace

PageCache::PageCache(size_t budget_bytes)
    : sets_(budget_bytes / kSetBytes),
      tags_(static_cast<Tags*>(zeroed_pages_of(sets_ * sizeof(Tags)))),
      marks_(static_cast<Marks*>(zeroed_pages_of(sets_ * sizeof(Marks)))),
      pages_(static_cast<uint8_t*>(pages_of(sets_ * kWays * kPageBytes))) {}

void PageCache::prefetch_tags(uint64_t tag) const {
  if (sets_ == 0) return;
  for (const size_t set : sets_of(tag)) __builtin_prefetch(&tags_[set]);
}

// Without the lock: at worst the wrong bytes arrive.
void PageCache::prefetch_page(uint64_t tag, size_t from_bytes, size_t to_bytes) const {
  if (sets_ == 0) return;
  for (const size_t set : sets_of(tag)) {
    const size_t way = way_of(set, tag);
    if (way == kWays) continue;
    const uint8_t* page = page_at(set, way);
    for (size_t at = from_bytes / kLineBytes * kLineBytes; at < to_bytes; at += kLineBytes) {
      __builtin_prefetch(page + at);
    }
    __builtin_prefetch(page + kPageBytes - 1);  // the trailer
    return;
  }
}

// Of the two sets the one with more room, or when both are full, with less that is in use.
size_t PageCache::set_for(uint64_t tag) const {
  const auto crowd = [this](size_t set) {
    size_t taken = 0;
    for (const auto& one : tags_[set].of) taken += one.load(std::memory_order_relaxed) != 0;
    return taken * kWays + static_cast<size_t>(std::popcount(marks_[set].used.load()));
  };
  const auto [first, second] = sets_of(tag);
  return crowd(second) < crowd(first) ? second : first;
}

void PageCache::insert(uint64_t tag, const uint8_t* page) {
  if (sets_ == 0) return;
  for (const size_t set : sets_of(tag)) {
    if (holds(set, tag)) return;
  }
  const size_t set = set_for(tag);
  Marks& marks = marks_[set];
  const std::lock_guard lock(locks_[set % kLocks].mutex);
  if (holds(set, tag)) return;
  uint8_t used = marks.used.load();
  size_t way = marks.hand;
  for (; (used >> way & 1u) != 0; way = (way + 1) % kWays) {
    used &= static_cast<uint8_t>(~(1u << way));
  }
  marks.used.store(used);
  marks.hand = static_cast<uint8_t>((way + 1) % kWays);
  tags_[set].of[way].store(tag, std::memory_order_relaxed);
  std::memcpy(page_at(set, way), page, kPageBytes);
}

}  // namespace ipfs_zfs
