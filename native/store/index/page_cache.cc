#include "page_cache.h"

#include <cstring>

#include "../ensure.h"
#include "../huge_pages.h"

namespace ipfs_zfs {

namespace {

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
      tags_(static_cast<Set*>(zeroed_pages_of(sets_ * sizeof(Set)))),
      pages_(static_cast<uint8_t*>(pages_of(sets_ * kWays * kPageBytes))) {}

void PageCache::prefetch_tags(uint64_t tag) const {
  if (sets_ != 0) __builtin_prefetch(&tags_[set_of(tag)]);
}

// Without the lock: at worst the wrong bytes arrive.
void PageCache::prefetch_page(uint64_t tag, size_t offset_bytes) const {
  if (sets_ == 0) return;
  const size_t set = set_of(tag);
  const size_t way = way_of(tags_[set], tag);
  if (way == kWays) return;
  const uint8_t* page = page_at(set, way);
  __builtin_prefetch(page + offset_bytes);
  __builtin_prefetch(page + kPageBytes - 1);  // the trailer
}

void PageCache::insert(uint64_t tag, const uint8_t* page) {
  if (sets_ == 0) return;
  const size_t at = set_of(tag);
  Set& set = tags_[at];
  const std::lock_guard lock(locks_[at % kLocks].mutex);
  if (way_of(set, tag) != kWays) return;
  while ((set.used >> set.hand & 1u) != 0) {
    set.used &= static_cast<uint8_t>(~(1u << set.hand));
    set.hand = static_cast<uint8_t>((set.hand + 1) % kWays);
  }
  const size_t way = set.hand;
  set.hand = static_cast<uint8_t>((set.hand + 1) % kWays);
  set.tags[way].store(tag, std::memory_order_relaxed);
  std::memcpy(page_at(at, way), page, kPageBytes);
}

}  // namespace ipfs_zfs
