// The memory that OpenZFS works in: one reserved range of addresses whose pages are kept.
//
// glibc gives every large buffer back to the system when it is freed, and the page faults of
// getting it again were most of the CPU of a put. Here a buffer goes to a free list of its size
// class and comes back warm. Buffers of 4 KiB and more start on a page, so O_DIRECT takes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ipfs_zfs::embedded {

struct ArenaStats {
  uint64_t in_use_bytes = 0;    // handed out (or in a thread's magazine)
  uint64_t kept_bytes = 0;      // free, its pages still resident
  uint64_t released_bytes = 0;  // free, its pages given back to the system
};

ArenaStats arena_stats();

// How many free bytes stay resident. Beyond it, freed buffers of 64 KiB and more give their pages
// back: a store that changes its record size must not hold the cache twice.
void set_arena_keep_limit(uint64_t bytes);

}  // namespace ipfs_zfs::embedded

extern "C" {
void* ipfs_zfs_arena_alloc(size_t size, size_t align);
void ipfs_zfs_arena_free(void* ptr, size_t size, size_t align);
}
