#include "arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace ipfs_zfs::embedded {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kSmallestBytes = 16;
constexpr size_t kSlabBytes = 64 << 10;         // what a small class takes at a time
constexpr size_t kMagazineMaxBytes = 32 << 10;  // larger buffers go straight to the free lists
constexpr size_t kReleaseMinBytes = 64 << 10;
constexpr size_t kReleaseStepBytes = 16 << 20;
constexpr size_t kCommitBytes = 32 << 20;
constexpr size_t kHugePageBytes = 2 << 20;
constexpr unsigned kMagazineSlots = 32;
constexpr unsigned kStepsPerDoubling = 4;
constexpr unsigned kClassCount = (38 - 4) * kStepsPerDoubling;

// Class `index` holds 16 << (index / 4) bytes plus `index % 4` quarters of that, in whole units
// (16 bytes, or pages from 4 KiB on).
constexpr size_t class_bytes(unsigned index) {
  const size_t base = kSmallestBytes << (index / kStepsPerDoubling);
  const size_t bytes = base + base / kStepsPerDoubling * (index % kStepsPerDoubling);
  const size_t unit =
      bytes > kPageBytes / 2 + kPageBytes / 4 + kPageBytes / 8 ? kPageBytes : kSmallestBytes;
  return (bytes + unit - 1) / unit * unit;
}

unsigned class_of(size_t size, size_t align) {
  const size_t wanted = std::max(size, kSmallestBytes);
  const unsigned doubling = static_cast<unsigned>(std::bit_width(wanted) - 1) - 4;
  unsigned index = doubling * kStepsPerDoubling;
  while (class_bytes(index) < size || (align != 0 && class_bytes(index) % align != 0)) ++index;
  return index;
}

[[noreturn]] void out_of_memory(size_t bytes) {
  std::fprintf(stderr, "ipfs-zfs: no memory for %zu bytes; lower the cache limit\n", bytes);
  std::abort();
}

// The address range itself: handed out from the front, committed in steps, never given back.
class Region {
 public:
  Region() {
    for (size_t bytes = size_t{256} << 30; bytes >= size_t{4} << 30; bytes /= 2) {
      void* base = mmap(nullptr, bytes + kHugePageBytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (base == MAP_FAILED) continue;
      const auto address = reinterpret_cast<uintptr_t>(base);
      begin_ = next_ = committed_ = (address + kHugePageBytes - 1) & ~(kHugePageBytes - 1);
      end_ = begin_ + bytes;
      return;
    }
    out_of_memory(size_t{4} << 30);
  }

  bool holds(const void* ptr) const {
    const auto address = reinterpret_cast<uintptr_t>(ptr);
    return address >= begin_ && address < end_;
  }

  char* take(size_t bytes) {
    std::lock_guard lock(mutex_);
    if (bytes > end_ - next_) out_of_memory(bytes);
    if (next_ + bytes > committed_) commit(next_ + bytes);
    char* taken = reinterpret_cast<char*>(next_);
    next_ += bytes;
    return taken;
  }

  uint64_t taken_bytes() {
    std::lock_guard lock(mutex_);
    return next_ - begin_;
  }

 private:
  void commit(uintptr_t up_to) {
    const size_t bytes = std::min(
        (up_to - committed_ + kCommitBytes - 1) / kCommitBytes * kCommitBytes, end_ - committed_);
    void* start = reinterpret_cast<void*>(committed_);
    if (mprotect(start, bytes, PROT_READ | PROT_WRITE) != 0) out_of_memory(bytes);
    (void)madvise(start, bytes, MADV_HUGEPAGE);
    (void)madvise(start, bytes, MADV_DONTDUMP);
    committed_ += bytes;
  }

  std::mutex mutex_;
  uintptr_t begin_ = 0;
  uintptr_t end_ = 0;
  uintptr_t next_ = 0;
  uintptr_t committed_ = 0;
};

struct FreeBlock {
  FreeBlock* next;
};

struct alignas(64) FreeList {
  std::mutex mutex;
  FreeBlock* warm = nullptr;
  size_t warm_count = 0;
  std::vector<char*> released;  // blocks whose pages are gone: linking them would touch them
  std::atomic<uint64_t> last_taken{0};  // by the arena's clock, for large classes
};

class Arena {
 public:
  Region region;
  std::array<FreeList, kClassCount> lists;
  std::atomic<uint64_t> keep_limit_bytes{uint64_t{256} << 20};
  std::atomic<uint64_t> large_kept_bytes{0};
  std::atomic<uint64_t> clock{0};  // counts takes of large blocks

  // Moves up to `wanted` blocks of a class to `out`, carving new ones when there are none.
  unsigned take(unsigned index, void** out, unsigned wanted) {
    FreeList& list = lists[index];
    const size_t bytes = class_bytes(index);
    unsigned count = 0;
    if (bytes >= kReleaseMinBytes) list.last_taken = clock.fetch_add(1) + 1;
    std::unique_lock lock(list.mutex);
    for (; count < wanted && list.warm != nullptr; ++count) {
      out[count] = list.warm;
      list.warm = list.warm->next;
      --list.warm_count;
    }
    if (count > 0) {
      if (bytes >= kReleaseMinBytes) large_kept_bytes.fetch_sub(bytes * count);
      return count;
    }
    if (!list.released.empty()) {
      out[0] = list.released.back();
      list.released.pop_back();
      return 1;
    }
    if (bytes >= kSlabBytes / 2) {
      lock.unlock();
      out[0] = region.take(bytes);
      return 1;
    }
    return carve(list, bytes, out, wanted);
  }

  void give(unsigned index, void** blocks, unsigned count) {
    FreeList& list = lists[index];
    const size_t bytes = class_bytes(index);
    {
      std::lock_guard lock(list.mutex);
      for (unsigned i = 0; i < count; ++i) push(list, blocks[i]);
    }
    if (bytes < kReleaseMinBytes) return;
    const uint64_t kept = large_kept_bytes.fetch_add(bytes * count) + bytes * count;
    if (kept > keep_limit_bytes.load(std::memory_order_relaxed)) release_some();
  }

 private:
  static void push(FreeList& list, void* block) {
    auto* free_block = static_cast<FreeBlock*>(block);
    free_block->next = list.warm;
    list.warm = free_block;
    ++list.warm_count;
  }

  unsigned carve(FreeList& list, size_t bytes, void** out, unsigned wanted) {
    char* slab = region.take(kSlabBytes);
    unsigned count = 0;
    for (size_t at = 0; at + bytes <= kSlabBytes; at += bytes) {
      if (count < wanted) {
        out[count++] = slab + at;
      } else {
        push(list, slab + at);
      }
    }
    return count;
  }

  // Gives back pages of the class that has gone unused for longest: after a change of record size
  // that is the old one, while the new one keeps going round.
  void release_some() {
    FreeList* oldest = nullptr;
    size_t bytes = 0;
    for (unsigned i = 0; i < kClassCount; ++i) {
      if (class_bytes(i) < kReleaseMinBytes) continue;
      std::lock_guard lock(lists[i].mutex);
      if (lists[i].warm == nullptr) continue;
      if (oldest != nullptr && oldest->last_taken <= lists[i].last_taken) continue;
      oldest = &lists[i];
      bytes = class_bytes(i);
    }
    for (size_t done = 0; oldest != nullptr && done < kReleaseStepBytes; done += bytes) {
      char* block = nullptr;
      {
        std::lock_guard lock(oldest->mutex);
        if (oldest->warm == nullptr) return;
        block = reinterpret_cast<char*>(oldest->warm);
        oldest->warm = oldest->warm->next;
        --oldest->warm_count;
      }
      large_kept_bytes.fetch_sub(bytes);
      (void)madvise(block, bytes, MADV_DONTNEED);
      std::lock_guard lock(oldest->mutex);
      oldest->released.push_back(block);
    }
  }
};

// Never destroyed: OpenZFS's threads outlive static destructors.
Arena& arena() {
  static Arena* instance = new Arena;
  return *instance;
}

// A thread's own stock of small blocks, so that most calls take no lock.
struct Magazines {
  struct Stack {
    unsigned count = 0;
    void* blocks[kMagazineSlots];
  };
  static constexpr unsigned kClasses = 12 * kStepsPerDoubling;
  std::array<Stack, kClasses> stacks;

  ~Magazines();
};

// Set once the thread's magazines are gone: destructors that run later use the lists.
thread_local bool magazines_gone = false;
thread_local Magazines magazines;

Magazines::~Magazines() {
  for (unsigned i = 0; i < kClasses; ++i) {
    if (stacks[i].count > 0) arena().give(i, stacks[i].blocks, stacks[i].count);
  }
  magazines_gone = true;
}

bool in_magazine(unsigned index) {
  return index < Magazines::kClasses && class_bytes(index) <= kMagazineMaxBytes && !magazines_gone;
}

// Few slots for the larger ones: a thread holds at most 64 KiB a class.
unsigned magazine_slots(unsigned index) {
  const size_t fit = (64 << 10) / class_bytes(index);
  return static_cast<unsigned>(std::clamp<size_t>(fit, 2, kMagazineSlots));
}

}  // namespace

ArenaStats arena_stats() {
  ArenaStats stats;
  Arena& all = arena();
  for (unsigned i = 0; i < kClassCount; ++i) {
    std::lock_guard lock(all.lists[i].mutex);
    stats.kept_bytes += all.lists[i].warm_count * class_bytes(i);
    stats.released_bytes += all.lists[i].released.size() * class_bytes(i);
  }
  const uint64_t taken = all.region.taken_bytes();
  stats.in_use_bytes = taken - std::min(taken, stats.kept_bytes + stats.released_bytes);
  return stats;
}

void set_arena_keep_limit(uint64_t bytes) { arena().keep_limit_bytes = bytes; }

}  // namespace ipfs_zfs::embedded

using namespace ipfs_zfs::embedded;

void* ipfs_zfs_arena_alloc(size_t size, size_t align) {
  const unsigned index = class_of(size, align);
  if (!in_magazine(index)) {
    void* block = nullptr;
    (void)arena().take(index, &block, 1);
    return block;
  }
  Magazines::Stack& stack = magazines.stacks[index];
  if (stack.count == 0) stack.count = arena().take(index, stack.blocks, magazine_slots(index) / 2);
  return stack.blocks[--stack.count];
}

void ipfs_zfs_arena_free(void* ptr, size_t size, size_t align) {
  if (ptr == nullptr) return;
  // kmem_strdup() is plain strdup(), and its strings come back through umem_free().
  if (!arena().region.holds(ptr)) {
    std::free(ptr);
    return;
  }
  const unsigned index = class_of(size, align);
  if (!in_magazine(index)) {
    arena().give(index, &ptr, 1);
    return;
  }
  Magazines::Stack& stack = magazines.stacks[index];
  const unsigned slots = magazine_slots(index);
  if (stack.count == slots) {
    const unsigned half = slots / 2;
    arena().give(index, stack.blocks + slots - half, half);
    stack.count -= half;
  }
  stack.blocks[stack.count++] = ptr;
}
