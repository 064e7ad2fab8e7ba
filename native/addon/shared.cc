#include "addon/shared.h"

#include <algorithm>
#include <utility>

namespace ipfs_zfs::addon {

namespace {

class WholePool : public Durable {
 public:
  explicit WholePool(std::shared_ptr<PoolAdmin> pool) : pool_(std::move(pool)) {}
  Status wait_durable(const CommitPoint& point) override {
    return pool_->wait_durable(point.shard_txgs.front());
  }

 private:
  std::shared_ptr<PoolAdmin> pool_;
};

}  // namespace

std::shared_ptr<SharedPool> SharedPool::entry(const std::string& name) {
  static std::mutex* const mutex = new std::mutex;
  static auto* const pools = new std::map<std::string, std::shared_ptr<SharedPool>>;
  const std::lock_guard lock(*mutex);
  std::shared_ptr<SharedPool>& pool = (*pools)[name];
  if (pool == nullptr) pool = std::make_shared<SharedPool>();
  return pool;
}

Result<std::shared_ptr<SharedPool>> SharedPool::create(const PoolCreate& pool,
                                                       const EngineOptions& options) {
  std::shared_ptr<SharedPool> shared = entry(pool.name);
  const std::lock_guard lock(shared->life_);
  if (shared->users_ > 0) {
    return Error{ErrorCode::kExists, "pool '" + pool.name + "' is open in this process"};
  }
  Result<std::shared_ptr<PoolAdmin>> admin = ipfs_zfs::create_pool(pool, options);
  if (!admin) return admin.error();
  shared->admin_ = *std::move(admin);
  shared->users_ = 1;
  return shared;
}

Result<std::shared_ptr<SharedPool>> SharedPool::open(const std::string& name,
                                                     const std::vector<std::string>& vdevs,
                                                     const EngineOptions& options) {
  std::shared_ptr<SharedPool> shared = entry(name);
  const std::lock_guard lock(shared->life_);
  Result<std::shared_ptr<PoolAdmin>> admin = ipfs_zfs::open_pool(name, vdevs, options);
  if (!admin) return admin.error();
  if (shared->users_ == 0) shared->admin_ = *std::move(admin);  // else it is the same one
  shared->users_++;
  return shared;
}

Status SharedPool::release(bool keep) {
  const std::lock_guard lock(life_);
  if (users_ > 1) {
    users_--;
    return {};
  }
  committer_.stop();
  Status closed = admin_->close();
  if (closed) admin_.reset();
  if (closed || !keep) users_ = 0;
  return closed;
}

Result<Wait> SharedPool::everything_so_far() {
  const Result<Txg> newest = admin_->open_txg();
  if (!newest) return newest.error();
  Wait wait;
  wait.committer = &committer_;
  wait.point.shard_txgs = {*newest};
  wait.what = std::make_shared<WholePool>(admin_);
  return wait;
}

Result<std::shared_ptr<SharedStore>> SharedPool::open_store(
    const std::vector<std::string>& shards, const std::vector<uint16_t>& bucket_shards,
    BlockStore::Options options) {
  const std::lock_guard lock(stores_mutex_);
  for (const std::shared_ptr<SharedStore>& open : stores_) {
    if (open->shards_ == shards && open->bucket_shards_ == bucket_shards) {
      open->users_++;
      return open;
    }
    for (const std::string& shard : shards) {
      if (std::ranges::find(open->shards_, shard) != open->shards_.end()) {
        return Error{ErrorCode::kBusy, "shard '" + shard +
                                           "' is in a store that this process has open with "
                                           "other shards or another shard map: close that first"};
      }
    }
  }

  std::vector<std::shared_ptr<DatasetFiles>> files;
  for (const std::string& shard : shards) {
    Result<std::shared_ptr<DatasetFiles>> opened = admin_->open_files(shard);
    if (!opened) return opened.error();
    files.push_back(*std::move(opened));
  }
  Result<std::unique_ptr<BlockStore>> store =
      BlockStore::open(std::move(files), bucket_shards, options);
  if (!store) return store.error();

  auto shared = std::make_shared<SharedStore>();
  shared->pool_ = shared_from_this();
  shared->shards_ = shards;
  shared->bucket_shards_ = bucket_shards;
  shared->store_ = *std::move(store);
  shared->users_ = 1;
  stores_.push_back(shared);
  const std::lock_guard life(life_);
  users_++;
  return shared;
}

Status SharedStore::release(bool* still_open) {
  *still_open = false;
  {
    const std::lock_guard lock(pool_->stores_mutex_);
    if (users_ > 1) {
      users_--;
      return {};
    }
    Status closed = store_->close();
    if (!closed) {
      *still_open = true;
      return closed;
    }
    std::erase_if(pool_->stores_, [this](const auto& store) { return store.get() == this; });
    store_.reset();
    users_ = 0;
  }
  return pool_->release(false);
}

Result<std::shared_ptr<SharedCatalog>> SharedPool::open_catalog(const std::string& dataset) {
  const std::lock_guard lock(stores_mutex_);
  if (const auto open = catalogs_.find(dataset); open != catalogs_.end()) {
    open->second->users_++;
    return open->second;
  }
  auto files = admin_->open_files(dataset);
  if (!files) return files.error();
  auto catalog = Catalog::open(*std::move(files), {});
  if (!catalog) return Error{catalog.error().code, dataset + ": " + catalog.error().message};
  auto shared = std::make_shared<SharedCatalog>();
  shared->pool_ = shared_from_this();
  shared->dataset_ = dataset;
  shared->catalog_ = *std::move(catalog);
  shared->users_ = 1;
  catalogs_.emplace(dataset, shared);
  const std::lock_guard life(life_);
  users_++;
  return shared;
}

Status SharedCatalog::release(bool* still_open) {
  *still_open = false;
  {
    const std::lock_guard lock(pool_->stores_mutex_);
    if (users_ > 1) {
      users_--;
      return {};
    }
    // What fails here is lost with the pool, and comes back from the log.
    const Status closed = catalog_->close();
    catalog_.reset();
    users_ = 0;
    pool_->catalogs_.erase(dataset_);
    if (!closed) {
      (void)pool_->release(false);
      return closed;
    }
  }
  return pool_->release(false);
}

}  // namespace ipfs_zfs::addon
