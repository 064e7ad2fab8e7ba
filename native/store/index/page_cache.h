// Pages of runs that lookups want again, in memory of our own: a page that ZFS has in its cache
// costs a few microseconds of its locks and a copy, one of these a tenth of that.
//
// Sets of eight pages, as processors have them: the hash of a page names its set, and within a set
// the next one that was not used since goes first.
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
  void prefetch_page(uint64_t tag, size_t offset_bytes) const;

  // Calls `use(page)` while the page cannot go away; false when it is not here.
  template <typename Use>
  bool find(uint64_t tag, const Use& use) {
    if (sets_ == 0) return false;
    const size_t at = set_of(tag);
    Set& set = tags_[at];
    const std::lock_guard lock(locks_[at % kLocks].mutex);
    const size_t way = way_of(set, tag);
    if (way == kWays) return false;
    set.used |= static_cast<uint8_t>(1u << way);
    use(page_at(at, way));
    return true;
  }
  void insert(uint64_t tag, const uint8_t* page);
  size_t memory_bytes() const { return sets_ * kSetBytes; }

 private:
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kWays = 8;
  static constexpr size_t kLocks = 256;
  struct Set {
    std::array<std::atomic<uint64_t>, kWays> tags;
    uint8_t used;  // a bit a way
    uint8_t hand;
  };
  static constexpr size_t kSetBytes = kWays * kPageBytes + sizeof(Set);
  struct alignas(64) Lock {
    std::mutex mutex;
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  size_t set_of(uint64_t tag) const {
    tag = (tag ^ (tag >> 32)) * 0x9E3779B97F4A7C15ull;
    tag = (tag ^ (tag >> 29)) * 0xff51afd7ed558ccdull;
    return static_cast<size_t>((static_cast<unsigned __int128>(tag) * sets_) >> 64);
  }
  static size_t way_of(const Set& set, uint64_t tag) {
    size_t way = 0;
    while (way < kWays && set.tags[way].load(std::memory_order_relaxed) != tag) way++;
    return way;
  }
  uint8_t* page_at(size_t set, size_t way) const {
    return pages_.get() + (set * kWays + way) * kPageBytes;
  }

  const size_t sets_;
  const std::unique_ptr<Set[], Free> tags_;
  const std::unique_ptr<uint8_t[], Free> pages_;
  std::array<Lock, kLocks> locks_;
};

}  // namespace ipfs_zfs
