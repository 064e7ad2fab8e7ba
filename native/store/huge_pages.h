// Memory for what is looked up at random: with pages of 2 MiB the processor finds it without a walk
// through its page tables, which for a filter costs as much as the look itself.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ipfs_zfs {

inline constexpr size_t kHugePageBytes = 2u << 20;

// Asks for huge pages where `memory` has whole ones; a kernel without them says no, which is no
// harm. Memory that has not been touched yet is then touched 2 MiB at a time.
inline void prefer_huge_pages(void* memory, size_t bytes) {
  (void)madvise(memory, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
}

// For vectors that are large, filled at once and read at random.
template <typename T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <typename U>
  explicit HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    if (bytes < kHugePageBytes) return static_cast<T*>(::operator new(bytes));
    // Whole pages are asked of the kernel; what is beyond the end of the last is never touched.
    const size_t rounded = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    void* memory = std::aligned_alloc(kHugePageBytes, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    prefer_huge_pages(memory, bytes);
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, size_t count) {
    if (count * sizeof(T) < kHugePageBytes) {
      ::operator delete(memory);
    } else {
      std::free(memory);
    }
  }

  bool operator==(const HugePageAllocator&) const { return true; }
};

}  // namespace ipfs_zfs
