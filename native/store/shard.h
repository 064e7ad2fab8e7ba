// One dataset's blocks.
//
// Writers take turns: whoever holds the writer lock takes every waiting put along, up to what one
// apply carries, so that many single puts cost one transaction. Readers take no lock.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "block_store.h"
#include "epoch.h"
#include "index/index.h"
#include "packs.h"
#include "put_group.h"
#include "slots.h"

namespace ipfs_zfs {

class Shard : public IndexOwner {
 public:
  static Result<std::unique_ptr<Shard>> open(std::shared_ptr<DatasetFiles> files,
                                             Background& background, size_t table_keys,
                                             std::optional<size_t> index_memory_bytes);
  ~Shard() override;

  // `index[i]` says which of `blocks` has `keys[i]`; the same below.
  Result<Txg> put(std::span<const Key> keys, std::span<const uint32_t> index,
                  std::span<const PutBlock> blocks);
  Status get(std::span<const Key> keys, std::span<const uint32_t> index, std::span<GetBlock> blocks,
             const BlockSink& sink);
  Status sizes(std::span<const Key> keys, std::span<const uint32_t> index,
               std::span<int64_t> sizes_bytes);
  bool get_now(const Key& key, GetBlock& block, const BlockSink& sink);
  bool size_now(const Key& key, int64_t* size_bytes);
  // Adds what was there to `removed`, unless that is null.
  Result<Txg> remove(std::span<const Key> keys, RemovedBlocks* removed);

  Result<Index::ScanEnd> scan(const Key& from, const Key& last, size_t limit, ScanPage& page);
  Result<Index::ScanEnd> verify(const Key& from, const Key& last, size_t limit,
                                std::span<const DamagedInShard> damaged, VerifyPage& page);
  Status check(std::vector<std::string>& faults);
  Result<uint64_t> compact_step();
  Status compact_index();

  Txg last_txg() const { return last_txg_.load(); }
  Status wait_durable(Txg txg) { return files_->wait_durable(txg); }
  void add_stats(StoreStats& stats) const;
  Status close();

  // Tests and benchmarks steer the background work through it.
  Index& index() { return *index_; }

  // IndexOwner.
  std::vector<uint8_t> checkpoint() override;
  Status restore(std::span<const uint8_t> checkpoint) override;
  Status replay(const Change& change) override;

 private:
  struct PutRequest {
    std::span<const Key> keys;
    std::span<const uint32_t> index;
    std::span<const PutBlock> blocks;
    std::vector<Found> found;
    uint64_t generation = 0;
    size_t next = 0;  // the first item not yet in a group
    bool done = false;
    Status status;
    Txg txg = 0;
  };
  enum class Added : uint8_t { kAll, kFull };
  struct Read;

  Shard(std::shared_ptr<DatasetFiles> files, size_t table_keys);

  // shard.cc
  bool holds(Location location) const;
  bool claim(Location location);
  void release(Location location);
  Result<FileId> file_of(Location location) const;

  // shard_put.cc
  Status put_slice(PutRequest& request);
  void run_group();
  Status fill_group(std::vector<PutRequest*>& members);
  Result<Added> add_items(PutRequest& request);
  Result<Location> place(uint32_t length_bytes, uint32_t trailer);
  Status commit_group();
  void roll_back_group();
  Status remove_slice(std::span<const Key> keys, RemovedBlocks* removed);
  void name_removed(std::span<const Change> changes, RemovedBlocks& removed);
  Status commit_deletes(std::span<const Change> changes);
  void drop_dead_packs(std::span<const Change> changes);

  // shard_read.cc
  size_t get_some(std::span<const Key> keys, std::span<const uint32_t> index,
                  std::span<GetBlock> blocks, const BlockSink& sink);
  void read_all(std::span<Read> reads);
  void read_multihashes(std::span<const Record> records, std::span<ScannedBlock> blocks);

  // shard_verify.cc
  struct Damage;
  void verify_some(std::span<const Record> records, const Damage& damage, VerifyPage& page);
  std::optional<Read> read_unless_proved(const Key& key, const Found& found, const Damage& damage,
                                         std::vector<uint8_t>& content, VerifyPage& page);
  bool proved_by_pointer(const Key& key, Location location, const Damage& damage);
  void judge(const Key& key, Location location, const Read& read, VerifyPage& page);
  void check_slots(const std::vector<SlotMap>& seen, std::vector<std::string>& faults);
  void check_packs(std::vector<Location>& entries, std::vector<std::string>& faults);

  // shard_compact.cc
  Result<uint64_t> compact(uint64_t pack);
  Result<uint32_t> move_chunk(uint64_t pack, const std::vector<uint8_t>& bytes, uint32_t at);
  Status move_live(std::span<const Record> entries, const uint8_t* bytes, uint32_t base);
  Status add_moves(std::span<const Record> entries, const uint8_t* bytes, uint32_t base);

  const std::shared_ptr<DatasetFiles> files_;
  const size_t group_keys_;   // most keys of one apply
  const size_t apply_bytes_;  // most bytes of one apply
  Slots slots_[kSlotClasses];
  Packs packs_;
  std::unique_ptr<Index> index_;
  Epoch epoch_;
  std::atomic<uint64_t> block_bytes_{0};
  std::atomic<Txg> last_txg_{0};

  std::mutex queue_mutex_;  // of the queue; never held for long
  std::deque<PutRequest*> queue_;

  std::mutex writer_mutex_;  // allocation, the table, the order of applies; and what follows
  PutGroup group_;
  uint64_t compacting_ = 0;  // a pack that compact() still reads

  std::mutex compact_mutex_;  // one compaction at a time; taken before writer_mutex_
};

}  // namespace ipfs_zfs
