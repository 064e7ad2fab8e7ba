// PoolAdmin on a pool that this process holds.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "../pool_admin.h"
#include "../pool_lock.h"
#include "zfs_calls.h"

namespace ipfs_zfs::embedded {

class EmbeddedFiles;

class EmbeddedPool final : public PoolAdmin, public std::enable_shared_from_this<EmbeddedPool> {
 public:
  EmbeddedPool(iz_pool_t* pool, std::string name, PoolLock lock)
      : pool_(pool), name_(std::move(name)), lock_(std::move(lock)) {}
  ~EmbeddedPool() override;

  Result<PoolStatus> status() override;
  Status clear_errors() override;
  Status create_dataset(const std::string& name, const Properties& properties,
                        const Key32& key) override;
  Status destroy_dataset(const std::string& name) override;
  Result<std::vector<DatasetStatus>> list_datasets(const std::string& root) override;
  Status set_properties(const std::string& name, const Properties& properties) override;
  Result<Properties> get_properties(const std::string& name) override;
  Result<std::shared_ptr<DatasetFiles>> open_files(const std::string& name) override;
  Result<Txg> open_txg() override;
  Status wait_durable(Txg txg) override;
  Status snapshot(const std::vector<std::string>& names) override;
  Result<std::vector<DatasetStatus>> list_snapshots(const std::string& root) override;
  Status rollback(const std::string& snapshot) override;
  Status destroy_snapshots(const std::vector<std::string>& names) override;
  Status clone(const std::string& snapshot, const std::string& name) override;
  Status hold(const std::string& snapshot, const std::string& tag) override;
  Status release(const std::string& snapshot, const std::string& tag) override;
  Status bookmark(const std::string& snapshot, const std::string& name) override;
  Status load_key(const std::string& dataset, const Key32& key) override;
  Status unload_key(const std::string& dataset) override;
  Status change_key(const std::string& dataset, const Key32& key) override;
  Status send(const std::string& snapshot, const SendOptions& options, int fd) override;
  Status receive(const std::string& snapshot, const ReceiveOptions& options, int fd) override;
  Status abort_receive(const std::string& dataset) override;
  Status scrub_start() override;
  Status scrub_stop() override;
  std::vector<DamagedRecord> damaged_records() override;
  Status close() override;

  // Each open of the same pool is one more close() before it is exported.
  void add_opener();
  bool is_open();

 private:
  friend class EmbeddedFiles;
  void files_closed(const std::string& name);

  Status close_last();
  Result<std::vector<DatasetStatus>> list(const std::string& root, bool snapshots);

  // Calls hold it shared, closing holds it alone; `pool_` is null once closed.
  std::shared_mutex gate_;
  iz_pool_t* pool_;
  const std::string name_;
  PoolLock lock_;
  unsigned openers_ = 1;

  std::mutex files_mutex_;
  std::condition_variable files_changed_;
  std::map<std::string, std::weak_ptr<EmbeddedFiles>> files_;
};

}  // namespace ipfs_zfs::embedded
