// Pools and stores as the whole process shares them: each open one once, counted by its handles.
//
// Two environments (the main thread and Node's worker threads) that open the same pool or the same
// shards get the same object; the last handle closes it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "addon/work.h"
#include "store/block_store.h"
#include "store/catalog.h"
#include "zfs/engine.h"
#include "zfs/pool_admin.h"

namespace ipfs_zfs::addon {

class SharedStore;
class SharedCatalog;

class SharedPool : public std::enable_shared_from_this<SharedPool> {
 public:
  static Result<std::shared_ptr<SharedPool>> create(const PoolCreate& pool,
                                                    const EngineOptions& options);
  static Result<std::shared_ptr<SharedPool>> open(const std::string& name,
                                                  const std::vector<std::string>& vdevs,
                                                  const EngineOptions& options);

  // The same shards again give the same store; shards of another open store are kBusy.
  Result<std::shared_ptr<SharedStore>> open_store(const std::vector<std::string>& shards,
                                                  const std::vector<uint16_t>& bucket_shards,
                                                  BlockStore::Options options);

  // The same dataset again gives the same catalog.
  Result<std::shared_ptr<SharedCatalog>> open_catalog(const std::string& dataset);

  PoolAdmin& admin() { return *admin_; }
  Committer& committer() { return committer_; }

  // What syncPool waits for: everything in the pool so far.
  Result<Wait> everything_so_far();

  // One for each create(), open() and open store; the last one closes the pool. When that fails
  // (somebody still uses its files), `keep` leaves the caller's handle as it was, to try again;
  // without it the next one to open the pool will close it.
  Status release(bool keep);

 private:
  friend class SharedStore;
  friend class SharedCatalog;

  static std::shared_ptr<SharedPool> entry(const std::string& name);

  std::mutex life_;  // held while the pool is opened or closed
  std::shared_ptr<PoolAdmin> admin_;
  size_t users_ = 0;
  Committer committer_;

  std::mutex stores_mutex_;  // of what follows
  std::vector<std::shared_ptr<SharedStore>> stores_;
  std::map<std::string, std::shared_ptr<SharedCatalog>> catalogs_;
};

class SharedStore : public Durable {
 public:
  BlockStore& store() { return *store_; }
  Committer& committer() { return pool_->committer(); }
  const std::vector<std::string>& shards() const { return shards_; }

  Status wait_durable(const CommitPoint& point) override { return store_->wait_durable(point); }

  // One for each open_store(); the last one closes the store, and lets go of the pool. When the
  // store itself would not close, `*still_open` says so and the caller keeps its handle.
  Status release(bool* still_open);

 private:
  friend class SharedPool;

  std::shared_ptr<SharedPool> pool_;
  std::vector<std::string> shards_;
  std::vector<uint16_t> bucket_shards_;
  std::unique_ptr<BlockStore> store_;
  size_t users_ = 0;
};

class SharedCatalog : public Durable {
 public:
  Catalog& catalog() { return *catalog_; }
  Committer& committer() { return pool_->committer(); }

  Status wait_durable(const CommitPoint& point) override {
    return catalog_->wait_durable(point.shard_txgs.front());
  }

  // As SharedStore::release().
  Status release(bool* still_open);

 private:
  friend class SharedPool;

  std::shared_ptr<SharedPool> pool_;
  std::string dataset_;
  std::unique_ptr<Catalog> catalog_;
  size_t users_ = 0;
};

}  // namespace ipfs_zfs::addon
