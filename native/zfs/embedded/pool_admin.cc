#include <libnvpair.h>

#include <array>
#include <cerrno>
#include <set>

#include "dataset_files.h"
#include "../errors.h"
#include "../labels.h"
#include "../names.h"
#include "../pool_status.h"
#include "../stream_plan.h"
#include "pool.h"

namespace ipfs_zfs::embedded {
namespace {

// Names and values as the C face takes them. The strings stay the caller's.
struct PropertyArrays {
  explicit PropertyArrays(const Properties& properties) {
    for (const auto& [name, value] : properties) {
      names.push_back(name.c_str());
      values.push_back(value.c_str());
    }
  }
  std::vector<const char*> names;
  std::vector<const char*> values;
};

std::vector<const char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

Error property_error(int error, const char* problem, const std::string& name) {
  if (problem[0] == '\0') return make_error(error, name);
  return {error_code(error), error == EINVAL ? problem : make_error(error, problem).message};
}

void add_status(void* context, const iz_dataset_stat_t* stat) {
  DatasetStatus status;
  status.name = stat->name;
  status.is_snapshot = stat->is_snapshot != 0;
  status.used_bytes = stat->used_bytes;
  status.referenced_bytes = stat->referenced_bytes;
  status.logical_referenced_bytes = stat->logical_referenced_bytes;
  status.available_bytes = stat->available_bytes;
  status.created_s = stat->created_s;
  status.created_txg = stat->created_txg;
  status.compress_ratio = static_cast<double>(stat->compress_ratio_percent) / 100.0;
  static_cast<std::vector<DatasetStatus>*>(context)->push_back(std::move(status));
}

Result<uint64_t> guid_of(const std::string& name) {
  uint64_t guid = 0;
  const int error = iz_guid(name.c_str(), &guid);
  if (error != 0) return make_error(error, name);
  return guid;
}

}  // namespace

EmbeddedPool::~EmbeddedPool() {
  std::unique_lock lock(gate_);
  if (pool_ != nullptr) (void)close_last();
}

void EmbeddedPool::add_opener() {
  std::unique_lock lock(gate_);
  ++openers_;
}

bool EmbeddedPool::is_open() {
  std::shared_lock lock(gate_);
  return pool_ != nullptr;
}

Status EmbeddedPool::close() {
  std::unique_lock lock(gate_);
  if (pool_ == nullptr) return {};
  if (openers_ > 1) {
    --openers_;
    return {};
  }
  return close_last();
}

Status EmbeddedPool::close_last() {
  {
    std::lock_guard lock(files_mutex_);
    if (!files_.empty()) {
      return Error{ErrorCode::kBusy, files_.begin()->first +
                                         " is still open; let go of its files "
                                         "before closing the pool"};
    }
  }
  const int error = iz_pool_close(pool_);
  if (error != 0) return make_error(error, "cannot close the pool " + name_);
  pool_ = nullptr;
  lock_.release();
  return {};
}

Result<PoolStatus> EmbeddedPool::status() {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  const Nvlist stats(iz_pool_stats(pool_));
  PoolStatus status = parse_status(name_, stats.get(), iz_pool_suspended(pool_) != 0);
  status.txg = iz_pool_synced_txg(pool_);
  return status;
}

Status EmbeddedPool::clear_errors() {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  return status_of(iz_pool_clear(pool_), name_);
}

Status EmbeddedPool::create_dataset(const std::string& name, const Properties& properties,
                                    const Key32& key) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, name, false);
  if (!named) return named;
  const PropertyArrays arrays(properties);
  std::array<char, 512> problem{};
  int error = iz_properties_check(arrays.names.data(), arrays.values.data(), arrays.names.size(),
                                  problem.data(), problem.size());
  if (error != 0) return property_error(error, problem.data(), name);
  if (!key.empty() && key.size() != kKeyBytes) return bad_key_size();
  error = iz_dataset_create(pool_, name.c_str(), key.empty() ? nullptr : key.data());
  if (error == ENOENT) {
    return Error{ErrorCode::kNotFound, "the parent of '" + name +
                                           "' does not exist; create it "
                                           "first"};
  }
  if (error != 0) return make_error(error, "cannot create '" + name + "'");
  if (properties.empty()) return {};
  error = iz_properties_set(pool_, name.c_str(), arrays.names.data(), arrays.values.data(),
                            arrays.names.size(), problem.data(), problem.size());
  if (error == 0) return {};
  (void)iz_dataset_destroy(pool_, name.c_str());
  return property_error(error, problem.data(), name);
}

Status EmbeddedPool::destroy_dataset(const std::string& name) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, name, false);
  if (!named) return named;
  const int error = iz_dataset_destroy(pool_, name.c_str());
  if (error == EEXIST || error == EBUSY) {
    return Error{ErrorCode::kBusy, "'" + name +
                                       "' has children or snapshots, or is open; remove "
                                       "or close those first"};
  }
  return status_of(error, "cannot destroy '" + name + "'");
}

Result<std::vector<DatasetStatus>> EmbeddedPool::list(const std::string& root, bool snapshots) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, root, false);
  if (!named) return named.error();
  std::vector<DatasetStatus> found;
  const int error = iz_dataset_each(pool_, root.c_str(), snapshots ? 1 : 0, add_status, &found);
  if (error != 0) return make_error(error, "cannot list '" + root + "'");
  return found;
}

Result<std::vector<DatasetStatus>> EmbeddedPool::list_datasets(const std::string& root) {
  return list(root, false);
}

Result<std::vector<DatasetStatus>> EmbeddedPool::list_snapshots(const std::string& root) {
  return list(root, true);
}

Status EmbeddedPool::set_properties(const std::string& name, const Properties& properties) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, name, false);
  if (!named) return named;
  if (properties.empty()) return {};
  const PropertyArrays arrays(properties);
  std::array<char, 512> problem{};
  const int error =
      iz_properties_set(pool_, name.c_str(), arrays.names.data(), arrays.values.data(),
                        arrays.names.size(), problem.data(), problem.size());
  if (error != 0) return property_error(error, problem.data(), name);
  return {};
}

Result<Properties> EmbeddedPool::get_properties(const std::string& name) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, name, name.find('@') != std::string::npos);
  if (!named) return named.error();
  Properties properties;
  const int error = iz_properties_each(
      pool_, name.c_str(),
      [](void* context, const char* key, const char* value) {
        (*static_cast<Properties*>(context))[key] = value;
      },
      &properties);
  if (error != 0) return make_error(error, "cannot read the properties of '" + name + "'");
  return properties;
}

Result<std::shared_ptr<DatasetFiles>> EmbeddedPool::open_files(const std::string& name) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, name, name.find('@') != std::string::npos);
  if (!named) return named.error();

  std::unique_lock files_lock(files_mutex_);
  for (auto found = files_.find(name); found != files_.end(); found = files_.find(name)) {
    if (auto open = found->second.lock()) return std::shared_ptr<DatasetFiles>(std::move(open));
    files_changed_.wait(files_lock);  // its last user is letting go of it just now
  }
  iz_dataset_t* dataset = nullptr;
  int error = iz_dataset_open(pool_, name.c_str(), &dataset);
  if (error != 0) return make_error(error, "cannot open '" + name + "'");
  error = iz_drain_unlinked(dataset);
  if (error != 0 && error != ENOSPC) {
    iz_dataset_close(dataset);
    return make_error(error, "cannot finish the deletions of '" + name + "'");
  }
  auto files = std::make_shared<EmbeddedFiles>(shared_from_this(), pool_, dataset, name);
  files_[name] = files;
  return std::shared_ptr<DatasetFiles>(std::move(files));
}

void EmbeddedPool::files_closed(const std::string& name) {
  std::lock_guard lock(files_mutex_);
  files_.erase(name);
  files_changed_.notify_all();
}

Result<Txg> EmbeddedPool::open_txg() {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  return iz_open_txg(pool_);
}

Status EmbeddedPool::wait_durable(Txg txg) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  return status_of(iz_wait_synced(pool_, txg), "waiting for the pool " + name_);
}

Status EmbeddedPool::snapshot(const std::vector<std::string>& names) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  for (const std::string& name : names) {
    Status named = check_name(name_, name, true);
    if (!named) return named;
  }
  if (names.empty()) return {};
  const int error = iz_snapshot(pool_, c_strings(names).data(), names.size());
  if (error == EEXIST) {
    return Error{ErrorCode::kExists, "one of the snapshots exists already; choose another name"};
  }
  return status_of(error, "cannot take the snapshot " + names.front());
}

Status EmbeddedPool::rollback(const std::string& snapshot) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  const int error = iz_rollback(pool_, dataset_of(snapshot).c_str(), snapshot.c_str());
  if (error == EEXIST) {
    return Error{ErrorCode::kBusy, "there are newer snapshots than " + snapshot +
                                       "; destroy them first, or clone it"};
  }
  return status_of(error, "cannot roll back to " + snapshot);
}

Status EmbeddedPool::destroy_snapshots(const std::vector<std::string>& names) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  for (const std::string& name : names) {
    Status named = check_name(name_, name, true);
    if (!named) return named;
  }
  if (names.empty()) return {};
  const int error = iz_snapshots_destroy(pool_, c_strings(names).data(), names.size());
  if (error == EEXIST || error == EBUSY) {
    return Error{ErrorCode::kBusy, "a snapshot has clones or holds; remove those first"};
  }
  return status_of(error, "cannot destroy the snapshot " + names.front());
}

Status EmbeddedPool::clone(const std::string& snapshot, const std::string& name) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (named) named = check_name(name_, name, false);
  if (!named) return named;
  const int error = iz_clone(pool_, snapshot.c_str(), name.c_str());
  return status_of(error, "cannot clone " + snapshot + " to '" + name + "'");
}

Status EmbeddedPool::hold(const std::string& snapshot, const std::string& tag) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  return status_of(iz_hold(pool_, snapshot.c_str(), tag.c_str()), "cannot hold " + snapshot);
}

Status EmbeddedPool::release(const std::string& snapshot, const std::string& tag) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  return status_of(iz_release(pool_, snapshot.c_str(), tag.c_str()),
                   "cannot release the hold " + tag + " of " + snapshot);
}

Status EmbeddedPool::bookmark(const std::string& snapshot, const std::string& name) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (named) named = check_bookmark(name_, name);
  if (!named) return named;
  return status_of(iz_bookmark(pool_, snapshot.c_str(), name.c_str()),
                   "cannot make the bookmark " + name);
}

Status EmbeddedPool::load_key(const std::string& dataset, const Key32& key) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  if (key.size() != kKeyBytes) return bad_key_size();
  const int error = iz_key_load(pool_, dataset.c_str(), key.data());
  return error == 0 ? Status() : Status(key_error(error, dataset));
}

Status EmbeddedPool::unload_key(const std::string& dataset) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  const int error = iz_key_unload(pool_, dataset.c_str());
  return error == 0 ? Status() : Status(key_error(error, dataset));
}

Status EmbeddedPool::change_key(const std::string& dataset, const Key32& key) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  if (key.size() != kKeyBytes) return bad_key_size();
  const int error = iz_key_change(pool_, dataset.c_str(), key.data());
  return error == 0 ? Status() : Status(key_error(error, dataset));
}

Status EmbeddedPool::send(const std::string& snapshot, const SendOptions& options, int fd) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  const Result<StreamPlan> plan = plan_stream(snapshot, options, guid_of);
  if (!plan) return plan.error();
  const iz_stream_t stream = {.from = options.from.empty() ? nullptr : options.from.c_str(),
                              .embedded = plan->embedded,
                              .large_blocks = plan->large_blocks,
                              .compressed = plan->compressed,
                              .raw = plan->raw,
                              .object = plan->object,
                              .offset = plan->offset};
  return status_of(iz_send(pool_, snapshot.c_str(), &stream, fd), "cannot send " + snapshot);
}

Status EmbeddedPool::receive(const std::string& snapshot, const ReceiveOptions& options, int fd) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  const int error =
      iz_receive(pool_, dataset_of(snapshot).c_str(), snapshot.c_str() + snapshot.find('@') + 1,
                 options.force, options.resumable, fd);
  return error == 0 ? Status() : Status(receive_error(error, snapshot));
}

Status EmbeddedPool::abort_receive(const std::string& dataset) {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  const int error = iz_receive_abort(pool_, dataset.c_str());
  return error == ENOENT ? Status(nothing_kept(dataset))
                         : status_of(error, "cannot drop what was received of " + dataset);
}

Status EmbeddedPool::scrub_start() {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  const int error = iz_pool_scrub(pool_, 1);
  if (error == EBUSY) return Error{ErrorCode::kBusy, "a scrub or resilver is running already"};
  return status_of(error, "cannot start a scrub of " + name_);
}

Status EmbeddedPool::scrub_stop() {
  std::shared_lock lock(gate_);
  if (pool_ == nullptr) return pool_closed();
  const int error = iz_pool_scrub(pool_, 0);
  if (error == ENOENT) return Error{ErrorCode::kNotFound, "no scrub is running"};
  return status_of(error, "cannot stop the scrub of " + name_);
}

std::vector<DamagedRecord> EmbeddedPool::damaged_records() {
  std::shared_lock lock(gate_);
  std::vector<DamagedRecord> records;
  if (pool_ == nullptr) return records;
  iz_damage_each(
      pool_,
      [](void* context, const char* dataset, uint64_t object, uint64_t level, uint64_t record) {
        static_cast<std::vector<DamagedRecord>*>(context)->push_back(
            {dataset, object, level, record});
      },
      &records);
  return records;
}

}  // namespace ipfs_zfs::embedded
