// What every contender does: keeps 32-byte keys with 8-byte values.
//
// Batches of 1,000 come in windows. put() and erase() return when the batch is ordered; sync() when
// all before it is on disk. The benchmark calls sync() once a window, from a thread beside the
// writer: what as many writers with one batch each would see.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "native/store/index/record.h"

namespace ipfs_zfs::bench {

struct Footprint {
  uint64_t disk_bytes = 0;
  uint64_t memory_bytes = 0;  // what the contender says it keeps; 0 = it does not say
  uint64_t longest_stall_us = 0;
};

// When a stage stops, whatever is left of it: one that never ends has none.
class Deadline {
 public:
  explicit Deadline(double seconds) : seconds_(seconds) {}
  bool passed() const {
    return seconds_ > 0 && std::chrono::steady_clock::now() - began_ > Seconds(seconds_);
  }

 private:
  using Seconds = std::chrono::duration<double>;
  double seconds_;  // 0: never
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

class Contender {
 public:
  virtual ~Contender() = default;
  virtual void put(std::span<const Record> records) = 0;
  virtual void erase(std::span<const Key> keys) = 0;
  virtual void sync() = 0;
  // How many of `keys` there are.
  virtual size_t get(std::span<const Key> keys) = 0;
  // How many records were scanned: all of them, or those until the deadline.
  virtual size_t scan(const Deadline& deadline) = 0;
  // Until no background work is left.
  virtual void settle() = 0;
  // Closed and opened again; the file system below stays.
  virtual void reopen() = 0;
  // From the disk again, with nothing in the memory of the process.
  virtual void forget() { reopen(); }
  virtual Footprint footprint() = 0;
  // Pages that lookups have read, when the contender counts them.
  virtual uint64_t read_pages() { return 0; }
  // May writes go on while sync() runs?
  virtual bool syncs_beside_writes() const { return true; }
};

// `folder` is empty and its own.
std::unique_ptr<Contender> open_ipfs_zfs(const std::string& folder, uint64_t keys);
std::unique_ptr<Contender> open_ipfs_zfs_in_memory(uint64_t keys);
std::unique_ptr<Contender> open_rocksdb(const std::string& folder, uint64_t keys);
std::unique_ptr<Contender> open_lmdb(const std::string& folder, uint64_t keys);

// For pages or blocks of records: all of them while they fit in 6 GiB.
inline uint64_t cache_bytes_for(uint64_t keys) {
  return std::clamp<uint64_t>(keys * 64, uint64_t{64} << 20, uint64_t{6} << 30);
}

// A scan looks at its deadline once in so many records.
inline constexpr size_t kScanStep = 10000;

[[noreturn]] void fail(const std::string& what);
uint64_t disk_bytes_of(const std::string& folder);

}  // namespace ipfs_zfs::bench
