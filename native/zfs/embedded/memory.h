// What the machine's memory allows, as OpenZFS's cache is told.
#pragma once

#include <cstdint>

namespace ipfs_zfs::embedded {

// Physical memory, or the control group's limit where that is lower.
uint64_t machine_memory_bytes();

// Upper bound of the cache; set before OpenZFS starts. 0 takes a quarter of the machine's memory,
// at most 2 GiB.
void set_cache_limit(uint64_t bytes);
uint64_t cache_limit_bytes();

}  // namespace ipfs_zfs::embedded
