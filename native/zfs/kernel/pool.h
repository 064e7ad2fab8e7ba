// PoolAdmin on a pool that this machine's kernel has imported.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "../pool_admin.h"
#include "mounted_files.h"

namespace ipfs_zfs::kernel {

class KernelPool final : public PoolAdmin, public std::enable_shared_from_this<KernelPool> {
 public:
  // `export_at_close`: this process imported it.
  KernelPool(std::string name, bool export_at_close)
      : name_(std::move(name)), export_at_close_(export_at_close) {}
  ~KernelPool() override;

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

  // Each open of the same pool is one more close() before it is let go.
  void add_opener();
  bool is_open();

 private:
  class Dataset;
  friend class Dataset;

  Status usable() const;
  Status close_last();
  Status sync();
  Result<PoolStatus> state();
  bool is_suspended();
  Result<std::shared_ptr<DatasetFiles>> open_mounted(const std::string& name);
  Status prepare(const std::string& name, const Properties& properties);
  Status set_now(const std::string& name, const Properties& properties);
  Status ensure_mounted(const std::string& name);
  bool has_open_files(const std::string& name);
  void files_closed(const std::string& name);
  Result<std::vector<DatasetStatus>> list(const std::string& root, bool snapshots);
  Status add_below(const std::string& parent, bool snapshots, std::vector<DatasetStatus>& found);

  // Calls hold it shared, closing holds it alone.
  std::shared_mutex gate_;
  bool is_open_ = true;
  const std::string name_;
  const bool export_at_close_;
  unsigned openers_ = 1;
  ChangeClock clock_;

  std::mutex opening_mutex_;  // one at a time, so that a dataset is opened once
  std::mutex files_mutex_;
  std::condition_variable files_changed_;
  std::map<std::string, std::weak_ptr<DatasetFiles>> files_;
};

}  // namespace ipfs_zfs::kernel
