// The digest index, on a pool in a file (the embedded engine) or over files in memory.
#include <unistd.h>

#include "contender.h"
#include "native/store/index/index.h"
#include "native/zfs/embedded/engine.h"
#include "test/native/store/memory_files.h"

namespace ipfs_zfs::bench {

namespace {

class NoState : public IndexOwner {
 public:
  std::vector<uint8_t> checkpoint() override { return {}; }
  Status restore(std::span<const uint8_t>) override { return {}; }
  Status replay(const Change&) override { return {}; }
};

template <typename T>
T must(Result<T> result) {
  if (!result) fail(result.error().message);
  return *std::move(result);
}

void must(const Status& status) {
  if (!status) fail(status.error().message);
}

class IpfsZfs : public Contender {
 public:
  IpfsZfs(std::string folder, uint64_t keys) : folder_(std::move(folder)) {
    options_.folder = "index/bench";
    options_.page_cache_bytes = cache_bytes_for(keys);
    if (folder_.empty()) {
      files_ = std::make_shared<test::MemoryFiles>();
    } else {
      // Sparse. While the largest runs are merged they are there twice; and near its end ZFS makes
      // a writer wait for a group to learn what is really free.
      const uint64_t size = std::max<uint64_t>(keys * 120, uint64_t{2} << 30);
      const PoolCreate create{name_,
                              {folder_ + "/disk"},
                              Layout::kStripe,
                              size,
                              12,
                              {{"checksum", "sha256"}, {"compression", "lz4"}}};
      pool_ = must(embedded::create_pool(create, {}));
      must(pool_->create_dataset(name_ + "/index", {}));
      files_ = must(pool_->open_files(name_ + "/index"));
    }
    open_index();
  }

  ~IpfsZfs() override {
    index_.reset();
    files_.reset();
    if (pool_) must(pool_->close());
  }

  void put(std::span<const Record> records) override {
    changes_.clear();
    for (const Record& record : records) changes_.push_back({record.key, record.value, kTombstone});
    apply();
  }

  void erase(std::span<const Key> keys) override {
    found_.resize(keys.size());
    index_->find_many(keys, found_);
    changes_.clear();
    for (size_t i = 0; i < keys.size(); i++) {
      if (found_[i].state != Lookup::kFound) fail("a key to delete is missing");
      changes_.push_back({keys[i], kTombstone, found_[i].value});
    }
    apply();
  }

  void sync() override { must(files_->wait_durable(files_->open_txg())); }

  size_t get(std::span<const Key> keys) override {
    thread_local std::vector<Found> found;
    found.resize(keys.size());
    index_->find_many(keys, found);
    size_t hits = 0;
    for (const Found& one : found) {
      if (one.state == Lookup::kFailed) fail("a lookup failed");
      hits += one.state == Lookup::kFound ? 1 : 0;
    }
    return hits;
  }

  size_t scan(const Deadline& deadline) override {
    Key last;
    last.fill(0xff);
    std::vector<Record> records;
    records.reserve(kScanStep);
    size_t count = 0;
    for (Index::ScanEnd end; !end.done && !deadline.passed();) {
      records.clear();
      end = must(index_->scan(end.next, last, kScanStep, records));
      count += records.size();
    }
    return count;
  }

  void settle() override { must(index_->settle(true)); }

  void reopen() override {
    index_.reset();
    open_index();
  }

  void forget() override {
    index_.reset();
    if (pool_) {
      files_.reset();
      must(pool_->close());
      pool_ = must(embedded::open_pool(name_, {folder_ + "/disk"}, {}));
      files_ = must(pool_->open_files(name_ + "/index"));
    }
    open_index();
  }

  Footprint footprint() override {
    const IndexStats stats = index_->stats();
    uint64_t disk = stats.disk_bytes;
    if (pool_) {
      sync();
      sync();  // what the last group freed
      disk = must(pool_->list_datasets(name_ + "/index"))[0].used_bytes;
    }
    // The cache of pages is a matter of choice; what is left must be in memory.
    return {disk, stats.memory_bytes - stats.cache_bytes, stats.longest_stall_us};
  }

  uint64_t read_pages() override { return index_->stats().lookups.read_pages; }

 private:
  void open_index() { index_ = must(Index::open(*files_, background_, owner_, options_)); }
  void apply() { (void)must(index_->apply(changes_)); }

  const std::string folder_;
  const std::string name_ = "bench" + std::to_string(getpid());
  std::shared_ptr<PoolAdmin> pool_;
  std::shared_ptr<DatasetFiles> files_;
  Background background_;
  NoState owner_;
  Index::Options options_;
  std::unique_ptr<Index> index_;
  std::vector<Change> changes_;
  std::vector<Found> found_;
};

}  // namespace

std::unique_ptr<Contender> open_ipfs_zfs(const std::string& folder, uint64_t keys) {
  return std::make_unique<IpfsZfs>(folder, keys);
}

std::unique_ptr<Contender> open_ipfs_zfs_in_memory(uint64_t keys) {
  return std::make_unique<IpfsZfs>("", keys);
}

}  // namespace ipfs_zfs::bench
