#include "block_store.h"

#include <algorithm>
#include <atomic>
#include <shared_mutex>

#include "ensure.h"
#include "shard.h"

namespace ipfs_zfs {

namespace {

static_assert(kMaxBlockBytes == kMaxLengthBytes);

constexpr int kBucketBits = 12;
static_assert(kBuckets == size_t{1} << kBucketBits);

size_t bucket_of(const Key& key) { return prefix_of(key) >> (64 - kBucketBits); }

// Neighbouring buckets of one shard.
struct Range {
  Key first{};
  Key last{};
  uint16_t shard = 0;
};

Key first_key_of(size_t bucket) {
  Key key{};
  key[0] = static_cast<uint8_t>(bucket >> 4);
  key[1] = static_cast<uint8_t>(bucket << 4);
  return key;
}

Key last_key_of(size_t bucket) {
  Key key;
  key.fill(0xff);
  key[0] = static_cast<uint8_t>(bucket >> 4);
  key[1] = static_cast<uint8_t>(bucket << 4 | 0x0f);
  return key;
}

std::vector<Range> ranges_of(std::span<const uint16_t> bucket_shards) {
  std::vector<Range> ranges;
  for (size_t bucket = 0; bucket < kBuckets; bucket++) {
    if (ranges.empty() || ranges.back().shard != bucket_shards[bucket]) {
      ranges.push_back(Range{first_key_of(bucket), {}, bucket_shards[bucket]});
    }
    ranges.back().last = last_key_of(bucket);
  }
  return ranges;
}

Status check_multihash_size(std::span<const uint8_t> multihash) {
  if (!multihash.empty() && multihash.size() <= kMaxMultihashBytes) return {};
  return Error{ErrorCode::kInvalid, "a multihash has 1 to " + std::to_string(kMaxMultihashBytes) +
                                        " bytes, not " + std::to_string(multihash.size())};
}

// A batch in the order of its shards.
struct Routed {
  std::vector<Key> keys;
  std::vector<uint32_t> index;  // of each key in the caller's batch
  std::vector<size_t> starts;   // of each shard's part; one more at the end

  std::span<const Key> keys_of(size_t shard) const {
    return std::span(keys).subspan(starts[shard], starts[shard + 1] - starts[shard]);
  }
  std::span<const uint32_t> index_of(size_t shard) const {
    return std::span(index).subspan(starts[shard], starts[shard + 1] - starts[shard]);
  }
};

class ShardedStore : public BlockStore {
 public:
  ShardedStore(std::vector<uint16_t> bucket_shards)
      : bucket_shards_(std::move(bucket_shards)), ranges_(ranges_of(bucket_shards_)) {}

  ~ShardedStore() override { shards_.clear(); }

  Status open_shards(std::vector<std::shared_ptr<DatasetFiles>> files, const Options& options) {
    std::optional<size_t> memory_bytes = options.index_memory_bytes;
    if (memory_bytes) *memory_bytes /= files.size();
    for (size_t i = 0; i < files.size(); i++) {
      auto shard = Shard::open(std::move(files[i]), background_, options.table_keys, memory_bytes);
      if (!shard) {
        return Error{shard.error().code,
                     "shard " + std::to_string(i) + ": " + shard.error().message};
      }
      shards_.push_back(*std::move(shard));
    }
    return {};
  }

  Result<CommitPoint> put(std::span<const PutBlock> blocks) override;
  Status get(std::span<GetBlock> blocks, const BlockSink& sink) override;
  Status sizes(std::span<const std::span<const uint8_t>> multihashes,
               std::span<int64_t> sizes_bytes) override;
  bool get_now(GetBlock& block, const BlockSink& sink) override;
  bool size_now(std::span<const uint8_t> multihash, int64_t* size_bytes) override;
  Result<CommitPoint> remove(std::span<const std::span<const uint8_t>> multihashes) override;
  Result<CommitPoint> remove_keys(std::vector<Key> keys, RemovedBlocks& removed) override;
  Result<ScanPage> scan(const Key& from, size_t limit) override;
  Result<VerifyPage> verify(const Key& from, size_t limit,
                            std::span<const DamagedInShard> damaged) override;
  Result<std::vector<std::string>> check() override;
  CommitPoint commit_point() override;
  Status wait_durable(const CommitPoint& point) override;
  StoreStats stats() override;
  std::vector<IndexStats> index_stats() override;
  Result<IndexPage> dump_index(const Key& from, size_t limit) override;
  Status compact_index() override;
  Result<uint64_t> compact_step() override;
  Status close() override;

 private:
  // Held by each call, so that close() can wait for those in flight.
  using InFlight = std::shared_lock<std::shared_mutex>;

  Status begin(InFlight& in_flight);
  Shard& shard_of(const Key& key) { return *shards_[bucket_shards_[bucket_of(key)]]; }
  template <typename MultihashOf>
  Status route(size_t count, const MultihashOf& multihash_of, Routed& routed) const;
  Routed route(std::vector<Key> keys) const;
  Result<CommitPoint> remove(const Routed& routed, RemovedBlocks* removed);
  template <typename Page, typename Walk>
  Status walk_ranges(const Key& from, Page& page, const Walk& walk);

  const std::vector<uint16_t> bucket_shards_;
  const std::vector<Range> ranges_;
  Background background_;  // outlives the shards, whose work it does
  std::vector<std::unique_ptr<Shard>> shards_;
  std::shared_mutex in_flight_;
  std::atomic<bool> closed_{false};
  std::atomic<size_t> next_compacted_{0};
};

Status ShardedStore::begin(InFlight& in_flight) {
  if (!closed_.load()) {
    in_flight = InFlight(in_flight_);
    if (!closed_.load()) return {};
  }
  return Error{ErrorCode::kClosed, "the block store is closed"};
}

template <typename MultihashOf>
Status ShardedStore::route(size_t count, const MultihashOf& multihash_of, Routed& routed) const {
  std::vector<Key> keys(count);
  for (size_t i = 0; i < count; i++) {
    const std::span<const uint8_t> multihash = multihash_of(i);
    const Status sized = check_multihash_size(multihash);
    if (!sized) return sized;
    keys[i] = key_of(multihash);
  }
  routed = route(std::move(keys));
  return {};
}

Routed ShardedStore::route(std::vector<Key> keys) const {
  const size_t count = keys.size();
  std::vector<size_t> counts(shards_.size() + 1);
  for (const Key& key : keys) counts[bucket_shards_[bucket_of(key)] + 1]++;
  for (size_t shard = 0; shard < shards_.size(); shard++) counts[shard + 1] += counts[shard];
  Routed routed;
  routed.starts = counts;
  routed.index.resize(count);
  if (shards_.size() == 1) {
    for (size_t i = 0; i < count; i++) routed.index[i] = static_cast<uint32_t>(i);
    routed.keys = std::move(keys);
    return routed;
  }
  routed.keys.resize(count);
  for (size_t i = 0; i < count; i++) {
    const size_t at = counts[bucket_shards_[bucket_of(keys[i])]]++;
    routed.keys[at] = keys[i];
    routed.index[at] = static_cast<uint32_t>(i);
  }
  return routed;
}

Result<CommitPoint> ShardedStore::put(std::span<const PutBlock> blocks) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  for (const PutBlock& block : blocks) {
    if (block.bytes.size() <= kMaxBlockBytes) continue;
    return Error{ErrorCode::kTooLarge, "a block has at most " + std::to_string(kMaxBlockBytes) +
                                           " bytes, not " + std::to_string(block.bytes.size())};
  }
  Routed routed;
  const Status sorted = route(
      blocks.size(), [&](size_t i) { return blocks[i].multihash; }, routed);
  if (!sorted) return sorted.error();
  CommitPoint point{std::vector<Txg>(shards_.size())};
  for (size_t shard = 0; shard < shards_.size(); shard++) {
    if (routed.keys_of(shard).empty()) continue;
    const auto txg = shards_[shard]->put(routed.keys_of(shard), routed.index_of(shard), blocks);
    if (!txg) return txg.error();
    point.shard_txgs[shard] = *txg;
  }
  return point;
}

Status ShardedStore::get(std::span<GetBlock> blocks, const BlockSink& sink) {
  InFlight in_flight;
  Status done = begin(in_flight);
  Routed routed;
  if (done)
    done = route(
        blocks.size(), [&](size_t i) { return blocks[i].multihash; }, routed);
  for (size_t shard = 0; done && shard < shards_.size(); shard++) {
    done = shards_[shard]->get(routed.keys_of(shard), routed.index_of(shard), blocks, sink);
  }
  return done;
}

Status ShardedStore::sizes(std::span<const std::span<const uint8_t>> multihashes,
                           std::span<int64_t> sizes_bytes) {
  if (multihashes.size() != sizes_bytes.size()) {
    return Error{ErrorCode::kInvalid, "as many sizes as multihashes"};
  }
  InFlight in_flight;
  Status done = begin(in_flight);
  Routed routed;
  if (done)
    done = route(
        multihashes.size(), [&](size_t i) { return multihashes[i]; }, routed);
  for (size_t shard = 0; done && shard < shards_.size(); shard++) {
    done = shards_[shard]->sizes(routed.keys_of(shard), routed.index_of(shard), sizes_bytes);
  }
  return done;
}

bool ShardedStore::get_now(GetBlock& block, const BlockSink& sink) {
  const InFlight in_flight(in_flight_, std::try_to_lock);
  if (!in_flight.owns_lock() || closed_.load() || !check_multihash_size(block.multihash)) {
    return false;
  }
  const Key key = key_of(block.multihash);
  return shard_of(key).get_now(key, block, sink);
}

bool ShardedStore::size_now(std::span<const uint8_t> multihash, int64_t* size_bytes) {
  const InFlight in_flight(in_flight_, std::try_to_lock);
  if (!in_flight.owns_lock() || closed_.load() || !check_multihash_size(multihash)) return false;
  const Key key = key_of(multihash);
  return shard_of(key).size_now(key, size_bytes);
}

Result<CommitPoint> ShardedStore::remove(std::span<const std::span<const uint8_t>> multihashes) {
  Routed routed;
  const Status sorted = route(
      multihashes.size(), [&](size_t i) { return multihashes[i]; }, routed);
  if (!sorted) return sorted.error();
  return remove(routed, nullptr);
}

Result<CommitPoint> ShardedStore::remove_keys(std::vector<Key> keys, RemovedBlocks& removed) {
  return remove(route(std::move(keys)), &removed);
}

Result<CommitPoint> ShardedStore::remove(const Routed& routed, RemovedBlocks* removed) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  CommitPoint point{std::vector<Txg>(shards_.size())};
  for (size_t shard = 0; shard < shards_.size(); shard++) {
    if (routed.keys_of(shard).empty()) continue;
    const auto txg = shards_[shard]->remove(routed.keys_of(shard), removed);
    if (!txg) return txg.error();
    point.shard_txgs[shard] = *txg;
  }
  return point;
}

// Calls `walk(shard, first, last)` for range after range in key order until it says that the page
// is full or the last range is through.
template <typename Page, typename Walk>
Status ShardedStore::walk_ranges(const Key& from, Page& page, const Walk& walk) {
  auto range = std::lower_bound(ranges_.begin(), ranges_.end(), from,
                                [](const Range& a, const Key& key) { return less(a.last, key); });
  for (; range != ranges_.end(); ++range) {
    const Key& first = less(range->first, from) ? from : range->first;
    Result<Index::ScanEnd> end = walk(*range, first);
    if (!end) return end.error();
    if (!end->done) {
      page.next = end->next;
      return {};
    }
  }
  page.done = true;
  return {};
}

Result<ScanPage> ShardedStore::scan(const Key& from, size_t limit) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  if (limit == 0) return Error{ErrorCode::kInvalid, "a scan takes a limit of 1 or more"};
  ScanPage page;
  const Status walked =
      walk_ranges(from, page, [&](const Range& range, const Key& first) -> Result<Index::ScanEnd> {
        if (page.blocks.size() == limit) return Index::ScanEnd{false, first};
        return shards_[range.shard]->scan(first, range.last, limit - page.blocks.size(), page);
      });
  if (!walked) return walked.error();
  return page;
}

Result<VerifyPage> ShardedStore::verify(const Key& from, size_t limit,
                                        std::span<const DamagedInShard> damaged) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  if (limit == 0) return Error{ErrorCode::kInvalid, "a verification takes a limit of 1 or more"};
  std::vector<std::vector<DamagedInShard>> by_shard(shards_.size());
  for (const DamagedInShard& one : damaged) {
    if (one.shard >= shards_.size()) return Error{ErrorCode::kInvalid, "no such shard"};
    by_shard[one.shard].push_back(one);
  }
  VerifyPage page;
  const auto looked_at = [&page] {
    return page.by_pointer + page.by_hash + page.unhashed + page.bad.size();
  };
  const Status walked =
      walk_ranges(from, page, [&](const Range& range, const Key& first) -> Result<Index::ScanEnd> {
        if (looked_at() >= limit) return Index::ScanEnd{false, first};
        return shards_[range.shard]->verify(first, range.last, limit - looked_at(),
                                            by_shard[range.shard], page);
      });
  if (!walked) return walked.error();
  return page;
}

Result<std::vector<std::string>> ShardedStore::check() {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  std::vector<std::string> faults;
  for (size_t i = 0; i < shards_.size(); i++) {
    std::vector<std::string> found;
    const Status checked = shards_[i]->check(found);
    if (!checked) return checked.error();
    for (const std::string& fault : found) {
      faults.push_back("shard " + std::to_string(i) + ": " + fault);
    }
  }
  return faults;
}

CommitPoint ShardedStore::commit_point() {
  CommitPoint point;
  for (const auto& shard : shards_) point.shard_txgs.push_back(shard->last_txg());
  return point;
}

Status ShardedStore::wait_durable(const CommitPoint& point) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open;
  if (point.shard_txgs.size() > shards_.size()) {
    return Error{ErrorCode::kInvalid, "a commit point of another store"};
  }
  for (size_t shard = 0; shard < point.shard_txgs.size(); shard++) {
    if (point.shard_txgs[shard] == 0) continue;  // nothing changed there
    const Status durable = shards_[shard]->wait_durable(point.shard_txgs[shard]);
    if (!durable) return durable;
  }
  return {};
}

StoreStats ShardedStore::stats() {
  StoreStats stats;
  for (const auto& shard : shards_) shard->add_stats(stats);
  return stats;
}

std::vector<IndexStats> ShardedStore::index_stats() {
  std::vector<IndexStats> stats;
  for (const auto& shard : shards_) stats.push_back(shard->index().stats());
  return stats;
}

Result<IndexPage> ShardedStore::dump_index(const Key& from, size_t limit) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  if (limit == 0) return Error{ErrorCode::kInvalid, "a dump takes a limit of 1 or more"};
  IndexPage page;
  const Status walked =
      walk_ranges(from, page, [&](const Range& range, const Key& first) -> Result<Index::ScanEnd> {
        if (page.records.size() == limit) return Index::ScanEnd{false, first};
        return shards_[range.shard]->index().scan(first, range.last, limit - page.records.size(),
                                                  page.records);
      });
  if (!walked) return walked.error();
  return page;
}

Status ShardedStore::compact_index() {
  InFlight in_flight;
  Status done = begin(in_flight);
  for (size_t i = 0; done && i < shards_.size(); i++) done = shards_[i]->compact_index();
  return done;
}

// The shards take turns.
Result<uint64_t> ShardedStore::compact_step() {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  for (size_t i = 0; i < shards_.size(); i++) {
    auto given_back = shards_[next_compacted_.fetch_add(1) % shards_.size()]->compact_step();
    if (!given_back || *given_back > 0) return given_back;
  }
  return uint64_t{0};
}

Status ShardedStore::close() {
  if (closed_.exchange(true)) return {};
  const std::unique_lock nobody(in_flight_);
  Status first;
  for (const auto& shard : shards_) {
    const Status closed = shard->close();
    if (!closed && first) first = closed;
  }
  return first;
}

}  // namespace

Result<std::unique_ptr<BlockStore>> BlockStore::open(
    std::vector<std::shared_ptr<DatasetFiles>> shards, std::vector<uint16_t> bucket_shards,
    Options options) {
  if (shards.empty() || shards.size() > kBuckets || bucket_shards.size() != kBuckets) {
    return Error{ErrorCode::kInvalid, "a store has 1 to 4096 shards and a map of 4096 buckets"};
  }
  for (const uint16_t shard : bucket_shards) {
    if (shard >= shards.size()) return Error{ErrorCode::kInvalid, "the map names no shard"};
  }
  auto store = std::make_unique<ShardedStore>(std::move(bucket_shards));
  const Status opened = store->open_shards(std::move(shards), options);
  if (!opened) return opened.error();
  return std::unique_ptr<BlockStore>(std::move(store));
}

}  // namespace ipfs_zfs
