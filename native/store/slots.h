// The slots of one class: a file whose record size is the class, and which of its records are used.
//
// A block takes one slot, or two or three in a row. Writes cover whole records, the tail padded
// with zeros, so that ZFS never reads a record to change a part of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../zfs/dataset_files.h"
#include "bytes.h"
#include "location.h"

namespace ipfs_zfs {

// Which slots are taken. Next fit: the search goes on where the last one ended, and starts over
// once enough has become free behind it, so that its cost is spread over many allocations.
class SlotMap {
 public:
  // The first of `count` (1 to 3) neighbouring free slots, now taken.
  std::optional<uint64_t> take(uint32_t count);
  void release(uint64_t slot, uint32_t count);
  // For recovery: false when one of them is taken already.
  bool claim(uint64_t slot, uint32_t count);
  bool is_used(uint64_t slot) const;
  bool all_used(uint64_t slot, uint32_t count) const;

  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t end() const { return end_; }  // no slot from here on is used

  void save(std::vector<uint8_t>& bytes) const;
  bool load(Reader& reader);
  // The words of the bitmap, bit 0 of word 0 first.
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  std::optional<uint64_t> find(uint64_t from, uint32_t count) const;
  void set(uint64_t slot, uint32_t count);

  std::vector<uint64_t> words_;
  std::atomic<uint64_t> used_{0};  // written under the shard's writer lock, read by stats
  uint64_t end_ = 0;
  uint64_t cursor_ = 0;        // where the next search begins
  uint64_t freed_behind_ = 0;  // slots released below the cursor since it last started over
};

class Slots {
 public:
  // Opens or makes the class's file.
  Status open(DatasetFiles& files, size_t slot_class);

  SlotMap& map() { return map_; }
  const SlotMap& map() const { return map_; }
  FileId file() const { return file_; }
  uint32_t class_bytes() const { return class_bytes_; }

 private:
  FileId file_ = 0;
  uint32_t class_bytes_ = 0;
  SlotMap map_;
};

std::string slots_path(size_t slot_class);

}  // namespace ipfs_zfs
