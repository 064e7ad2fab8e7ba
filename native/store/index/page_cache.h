// Pages of runs that lookups want again, in memory of our own: a page that ZFS has in its cache
// costs a few microseconds of its locks and a copy, one of these a tenth of that.
//
// Sets of eight pages, as processors have them. A page may be in either of two sets, which its hash
// names, and comes into the emptier one: so a cache that is not quite full has room for nearly all
// (Mitzenmacher, The Power of Two Choices). Within a set the next one that was not used since goes
// first.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>

namespace ipfs_zfs {

// What a page is known by here; nothing for those of runs beyond what 64 bits name.
inline std::optional<uint64_t> page_tag(uint64_t run, uint64_t page) {
  if (run >= UINT32_MAX || page >= UINT32_MAX) return std::nullopt;
  return (run + 1) << 32 | page;
}

class PageCache {
 public:
  // Takes at most `budget_bytes`, and soon all of them: pages go where their hash says.
  explicit PageCache(size_t budget_bytes);

  // Lookups are pipelined: first the tags arrive, then a part of the page.
  void prefetch_tags(uint64_t tag) const;
  void prefetch_page(uint64_t tag, size_t from_bytes, size_t to_bytes) const;

  // Calls `use(page)` while the page cannot go away; false when it is not here.
  template <typename Use>
  bool find(uint64_t tag, const Use& use) {
    if (sets_ == 0) return false;
    for (const size_t set : sets_of(tag)) {
      if (!holds(set, tag)) continue;
      const std::lock_guard lock(locks_[set % kLocks].mutex);
      const size_t way = way_of(set, tag);
      if (way == kWays) return false;
      const auto bit = static_cast<uint8_t>(1u << way);
      const uint8_t used = marks_[set].used.load(std::memory_order_relaxed);
      if ((used & bit) == 0) marks_[set].used.store(used | bit, std::memory_order_relaxed);
      use(page_at(set, way));
      return true;
    }
    return false;
  }
  void insert(uint64_t tag, const uint8_t* page);
  size_t memory_bytes() const { return sets_ * kSetBytes; }

 private:
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kWays = 8;
  static constexpr size_t kLocks = 256;
  struct alignas(64) Tags {
    std::array<std::atomic<uint64_t>, kWays> of;  // 0: no page
  };
  struct Marks {
    std::atomic<uint8_t> used;  // a bit a way
    uint8_t hand;
  };
  static constexpr size_t kSetBytes = kWays * kPageBytes + sizeof(Tags) + sizeof(Marks);
  struct alignas(64) Lock {
    std::mutex mutex;
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  std::array<size_t, 2> sets_of(uint64_t tag) const {
    tag = (tag ^ (tag >> 32)) * 0x9E3779B97F4A7C15ull;
    tag = (tag ^ (tag >> 29)) * 0xff51afd7ed558ccdull;
    const auto set_of = [this](uint64_t hash) {
      return static_cast<size_t>((static_cast<unsigned __int128>(hash) * sets_) >> 64);
    };
    return {set_of(tag), set_of(tag << 32 | tag >> 32)};
  }
  size_t way_of(size_t set, uint64_t tag) const {
    const auto& tags = tags_[set].of;
    size_t way = 0;
    while (way < kWays && tags[way].load(std::memory_order_relaxed) != tag) way++;
    return way;
  }
  // Without the lock: it may be so no longer.
  bool holds(size_t set, uint64_t tag) const { return way_of(set, tag) != kWays; }
  size_t set_for(uint64_t tag) const;
  uint8_t* page_at(size_t set, size_t way) const {
    return pages_.get() + (set * kWays + way) * kPageBytes;
  }

  const size_t sets_;
  const std::unique_ptr<Tags[], Free> tags_;
  const std::unique_ptr<Marks[], Free> marks_;
  const std::unique_ptr<uint8_t[], Free> pages_;
  std::array<Lock, kLocks> locks_;
};

}  // namespace ipfs_zfs
