// The newest records, in memory: one writer, any number of readers, no locks between them.
//
// Records lie in one array in order of arrival; a hash table of (fingerprint, position) pairs finds
// them. Nothing ever moves, so a reader needs no more than acquire loads; a value is changed in
// place, a deleted key keeps its record as a tombstone.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "record.h"

namespace ipfs_zfs {

class Table {
 public:
  // Holds what log number `log` holds.
  Table(size_t capacity_keys, uint64_t log);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  std::optional<Value> find(const Key& key) const;
  // Fills each entry whose state is kPending and whose key is here.
  void find_many(std::span<const Key> keys, std::span<Found> found) const;

  // By the one writer. The table must have room.
  void upsert(const Key& key, Value value);
  // Says that an upsert of `key` comes soon.
  void prefetch(const Key& key) const { __builtin_prefetch(&slots_[home_of(key)], 1); }
  // Makes it as good as new, and then for that log. Nobody else may have it.
  void clear();
  void set_log(uint64_t log) { log_ = log; }
  // A copy with twice the room, for deletes that cannot wait for space on disk.
  std::shared_ptr<Table> grown() const;

  size_t size() const { return count_.load(std::memory_order_acquire); }
  size_t capacity() const { return capacity_; }
  uint64_t log() const { return log_; }
  size_t memory_bytes() const;
  // Of a full one of that capacity.
  static size_t memory_bytes_of(size_t capacity_keys);

  // Positions of the records present at the call, ascending by key. Kept, and brought up to date
  // by merging in what came since, so that a listing does not sort the table once a page.
  std::shared_ptr<const std::vector<uint32_t>> order() const;
  Record at(uint32_t position) const;
  void prefetch_at(uint32_t position) const { __builtin_prefetch(&records_[position]); }

 private:
  uint64_t home_of(const Key& key) const;
  // The slot that holds `key`, or the empty one where it belongs.
  uint64_t probe(const Key& key, uint32_t fingerprint, uint64_t at) const;

  const size_t capacity_;
  uint64_t log_;
  const uint64_t seed_;  // else anybody could choose keys that all land in one place
  int slot_bits_ = 0;
  uint64_t* slots_ = nullptr;  // fingerprint << 32 | position + 1; 0 = empty
  std::unique_ptr<Record[]> records_;
  std::atomic<uint32_t> count_{0};

  mutable std::mutex order_mutex_;
  mutable std::shared_ptr<const std::vector<uint32_t>> order_;
};

// Makes the tables of one index. One that nobody has any more leaves its memory to the next: a
// writer would wait for the first touch of each of its pages.
class TableMaker {
 public:
  explicit TableMaker(size_t capacity_keys) : capacity_keys_(capacity_keys) {}

  std::shared_ptr<Table> make(uint64_t log);
  size_t spare_bytes() const;

 private:
  struct Spare {
    std::mutex mutex;
    std::unique_ptr<Table> table;
  };

  const size_t capacity_keys_;
  // Tables may outlive their maker.
  const std::shared_ptr<Spare> spare_ = std::make_shared<Spare>();
};

// Ascending order of records[first..last) as positions, equal keys in order of position: one radix
// pass on the leading bits after `same_bits`, which all keys share, then each handful by
// comparison.
std::vector<uint32_t> sort_by_key(const Record* records, uint32_t first, uint32_t last,
                                  int same_bits = 0);

}  // namespace ipfs_zfs
