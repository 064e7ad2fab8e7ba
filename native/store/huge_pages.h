// Memory for what is looked up at random: with pages of 2 MiB the processor finds it without a walk
// through its page tables, which for a filter costs as much as the look itself.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ipfs_zfs {

inline constexpr size_t kHugePageBytes = 2u << 20;

// For std::free(); null when there is no memory. Of 2 MiB or more, as many pages as are whole are
// asked to be huge: a kernel without them says no, which is no harm. They are touched 2 MiB at a
// time.
inline void* allocate_huge(size_t bytes) {
  if (bytes < kHugePageBytes) return std::malloc(bytes);
  const size_t whole = bytes / kHugePageBytes * kHugePageBytes;
  const size_t rounded = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  void* memory = std::aligned_alloc(kHugePageBytes, rounded);
  if (memory != nullptr) (void)madvise(memory, whole, MADV_HUGEPAGE);
  return memory;
}

// For vectors that are large, filled at once and read at random.
template <typename T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <typename U>
  explicit HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(size_t count) {
    void* memory = allocate_huge(count * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, size_t) { std::free(memory); }

  bool operator==(const HugePageAllocator&) const { return true; }
};

}  // namespace ipfs_zfs
