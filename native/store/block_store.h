// The block store of one repo: blocks by multihash, spread over shards by digest.
//
// A shard is a dataset with `blocks/<class>.slots`, `packs/<id>.pack` and `index/…`. Which shard
// a block belongs to is said by the shard map: the first 12 bits of its key choose one of 4,096
// buckets, and the map names each bucket's shard.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../result.h"
#include "index/index_stats.h"
#include "../zfs/dataset_files.h"
#include "index/index_stats.h"
#include "key.h"

namespace ipfs_zfs {

inline constexpr size_t kMaxBlockBytes = 4u << 20;
inline constexpr size_t kBuckets = 4096;

struct PutBlock {
  std::span<const uint8_t> multihash;
  std::span<const uint8_t> bytes;
};

enum class Outcome : uint8_t { kFound, kAbsent, kFailed };

struct GetBlock {
  std::span<const uint8_t> multihash;
  Outcome outcome = Outcome::kAbsent;
  ErrorCode error = ErrorCode::kIo;  // when kFailed: kCorrupt or kIo
  uint8_t* bytes = nullptr;          // what the sink gave, filled
  size_t size_bytes = 0;
};

// Gives the memory that a found block is read into; called once per found block of a batch, from
// the reading thread, sizes known. The caller owns what it gave. It must not call the store: a
// delete waits for readers, so that would wait for itself. A null for a size > 0 fails the block.
using BlockSink = std::function<uint8_t*(size_t index, size_t size_bytes)>;

struct ScannedBlock {
  Key key;
  std::vector<uint8_t> multihash;  // empty when it is not sha2-256 and lies in a damaged record
  uint32_t size_bytes = 0;
};

struct ScanPage {
  std::vector<ScannedBlock> blocks;  // ascending by key
  bool done = false;                 // else go on with `next`
  Key next{};                        // the smallest key not yet looked at
};

struct BadBlock {
  Key key{};
  std::vector<uint8_t> multihash;  // as in ScannedBlock
  ErrorCode error = ErrorCode::kCorrupt;
  std::string why;
};

struct VerifyPage {
  uint64_t by_pointer = 0;  // proved by comparing the block pointer's checksum
  uint64_t by_hash = 0;     // read and hashed
  uint64_t unhashed = 0;    // multihash of a function unknown here: read, not proved
  uint64_t bytes = 0;
  std::vector<BadBlock> bad;
  bool done = false;
  Key next{};
};

struct StoreStats {
  uint64_t blocks = 0;       // exact
  uint64_t block_bytes = 0;  // exact sum of lengths
  uint64_t slot_records_used = 0;
  uint64_t packs = 0;
  uint64_t pack_live_bytes = 0;
  uint64_t pack_dead_bytes = 0;
  uint64_t index_runs = 0;
  uint64_t index_table_keys = 0;
  uint64_t index_disk_bytes = 0;
  uint64_t index_memory_bytes = 0;
};

// Raw records of the index, as `index dump` shows them.
struct IndexPage {
  std::vector<Record> records;
  bool done = false;
  Key next{};
};

// What a removal took away.
struct RemovedBlocks {
  std::vector<Key> digests;                       // of sha2-256
  std::vector<std::vector<uint8_t>> multihashes;  // of other functions; empty as in ScannedBlock
};

// How far a change has got; wait_durable() takes it. One transaction group per shard.
struct CommitPoint {
  std::vector<Txg> shard_txgs;
};

// A damaged data record, as PoolAdmin::damaged_records() lists them, by shard.
struct DamagedInShard {
  size_t shard = 0;
  FileId file = 0;
  uint64_t level = 0;
  uint64_t record = 0;
};

class BlockStore {
 public:
  struct Options {
    size_t table_keys = 1u << 18;  // keys in memory, per shard, before they become a run
    // For the indexes of all shards, cached pages included. Without it they keep all filters, and
    // few pages.
    std::optional<size_t> index_memory_bytes = std::nullopt;
  };

  // `bucket_shards` has kBuckets entries, each below `shards.size()`. Empty datasets are laid out;
  // others are recovered from their manifest and log. kNewerVersion, kCorrupt, kInvalid.
  static Result<std::unique_ptr<BlockStore>> open(std::vector<std::shared_ptr<DatasetFiles>> shards,
                                                  std::vector<uint16_t> bucket_shards,
                                                  Options options);
  virtual ~BlockStore() = default;

  // Stores what is not there yet. Per shard each group of blocks is one transaction; on an error
  // some shards may have stored theirs (putting again is harmless). kTooLarge, kNoSpace.
  virtual Result<CommitPoint> put(std::span<const PutBlock> blocks) = 0;
  virtual Status get(std::span<GetBlock> blocks, const BlockSink& sink) = 0;
  // Sizes in bytes; -1 where absent.
  virtual Status sizes(std::span<const std::span<const uint8_t>> multihashes,
                       std::span<int64_t> sizes_bytes) = 0;
  // One block on a thread that must not wait: false when the answer is not in memory (or is an
  // error, which get() and sizes() then tell). A null from the sink means that it is too large.
  virtual bool get_now(GetBlock& block, const BlockSink& sink) = 0;
  virtual bool size_now(std::span<const uint8_t> multihash, int64_t* size_bytes) = 0;
  // Absent ones are passed over. Space returns with the transaction group.
  virtual Result<CommitPoint> remove(std::span<const std::span<const uint8_t>> multihashes) = 0;
  // The same by key, and tells what was there. What went before an error is not told.
  virtual Result<CommitPoint> remove_keys(std::vector<Key> keys, RemovedBlocks& removed) = 0;

  virtual Result<ScanPage> scan(const Key& from, size_t limit) = 0;
  virtual Result<VerifyPage> verify(const Key& from, size_t limit,
                                    std::span<const DamagedInShard> damaged) = 0;
  // Proves the invariants between index, free lists and packs: each slot in use exactly once.
  // Each string is one fault found; empty means clean.
  virtual Result<std::vector<std::string>> check() = 0;

  virtual CommitPoint commit_point() = 0;  // everything put or removed so far
  virtual Status wait_durable(const CommitPoint& point) = 0;
  virtual StoreStats stats() = 0;

  // The index of each shard.
  virtual std::vector<IndexStats> index_stats() = 0;
  virtual Result<IndexPage> dump_index(const Key& from, size_t limit) = 0;
  // Makes one run of each shard's index.
  virtual Status compact_index() = 0;

  // Compacts packs that are less than half live; returns the bytes given back. One step at a time.
  virtual Result<uint64_t> compact_step() = 0;

  // Waits for work in flight and for the last transaction group.
  virtual Status close() = 0;
};

}  // namespace ipfs_zfs
