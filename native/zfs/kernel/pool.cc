#include "pool.h"

#include <fcntl.h>
#include <libnvpair.h>
#include <libzfs_core.h>
#include <sys/file.h>
#include <sys/fs/zfs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "../error_numbers.h"
#include "../errors.h"
#include "../file_limits.h"
#include "../labels.h"
#include "../names.h"
#include "../pool_status.h"
#include "engine.h"
#include "ioctl.h"
#include "lists.h"
#include "mounts.h"
#include "permissions.h"

namespace ipfs_zfs::kernel {
namespace {

std::string parent_of(const std::string& dataset) { return dataset.substr(0, dataset.rfind('/')); }

// Who holds a lock of flock(2) on this folder, from the kernel's own list.
std::string owner_of(int fd) {
  struct stat folder;
  if (fstat(fd, &folder) != 0) return "another process";
  char wanted[64];
  std::snprintf(wanted, sizeof(wanted), "%02x:%02x:%llu", major(folder.st_dev),
                minor(folder.st_dev), static_cast<unsigned long long>(folder.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream fields(line);
    std::string number, kind, mode, type, pid, where;
    fields >> number >> kind >> mode >> type >> pid >> where;
    if (kind == "FLOCK" && where == wanted) return "process " + pid;
  }
  return "another process";
}

// An open folder, closed unless it is released.
class Folder {
 public:
  explicit Folder(int fd) : fd_(fd) {}
  Folder(Folder&& other) noexcept : fd_(other.release()) {}
  Folder& operator=(Folder&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Folder() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<Folder> open_root(const Mount& mounted) {
  const int fd = open(mounted.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return make_error(errno, "cannot open " + mounted.path);
  Folder folder(fd);
  struct stat info;
  if (fstat(fd, &info) != 0) return make_error(errno, "cannot open " + mounted.path);
  if (info.st_dev == mounted.device) return folder;
  return Error{ErrorCode::kInvalid,
               mounted.path + " does not show '" + mounted.dataset +
                   "': another file system is mounted over it, or it was unmounted just now; "
                   "unmount what lies over it, and try again"};
}

Result<Folder> open_snapshot(const Folder& root, const std::string& snapshot,
                             const std::string& path) {
  const std::string below = ".zfs/snapshot/" + snapshot + "/.";
  const int fd = openat(root.fd(), below.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return make_error(errno, "cannot open " + path + "/" + below);
  return Folder(fd);
}

Error readonly_property(const std::string& dataset, nvlist* stats) {
  const std::string source = property_source(stats, "readonly");
  return {ErrorCode::kNotWritable, "'" + dataset + "' is read-only: run `zfs set readonly=off " +
                                       (source.empty() ? dataset : source) + "`"};
}

Error readonly_mount(const std::string& pool, const Mount& mounted) {
  const std::string what = "'" + mounted.dataset + "' is read-only: ";
  if (kz_pool_is_readonly(pool.c_str())) {
    return {ErrorCode::kNotWritable, what + "its pool was imported so; run `zpool export " + pool +
                                         "` and import it without readonly=on"};
  }
  return {ErrorCode::kNotWritable,
          what + "it is mounted so; run `mount -o remount,rw " + mounted.path + "`"};
}

// For this process alone, which must be able to write there.
Status claim(const Folder& root, const Mount& mounted) {
  if (flock(root.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return make_error(errno, "cannot lock " + mounted.path);
    return Error{ErrorCode::kInUse, "'" + mounted.dataset + "' is in use by " +
                                        owner_of(root.fd()) + "; stop it, or use another dataset"};
  }
  if (faccessat(root.fd(), ".", W_OK | X_OK, AT_EACCESS) == 0) return {};
  return Error{ErrorCode::kNotWritable, mounted.path +
                                            " cannot be written; have its owner run `chown -R " +
                                            std::to_string(geteuid()) + " " + mounted.path + "`"};
}

}  // namespace

// What its files ask of a dataset, and the folder they are in.
class KernelPool::Dataset final : public MountedDataset {
 public:
  Dataset(std::shared_ptr<KernelPool> pool, std::string name, uint64_t objset)
      : pool_(std::move(pool)), name_(std::move(name)), objset_(objset) {}
  ~Dataset() override { pool_->files_closed(name_); }

  Status set_record_size(uint32_t bytes) override {
    if (record_bytes_ == bytes) return {};
    Status set = pool_->set_now(name_, {{"recordsize", std::to_string(bytes)}});
    if (set) record_bytes_ = bytes;
    return set;
  }
  Status sync() override { return pool_->sync(); }
  bool is_suspended() override { return pool_->is_suspended(); }
  ChangeClock& clock() override { return pool_->clock_; }

  bool is_damaged(FileId file, uint64_t first_record, uint64_t last_record) override {
    kz_damage_t* damages = nullptr;
    size_t count = 0;
    (void)kz_pool_damage(pool_->name_.c_str(), &damages, &count);
    const bool found = std::any_of(damages, damages + count, [&](const kz_damage_t& damage) {
      return damage.objset == objset_ && damage.object == file &&
             (damage.level != 0 || (damage.record >= first_record && damage.record <= last_record));
    });
    std::free(damages);
    return found;
  }

 private:
  const std::shared_ptr<KernelPool> pool_;
  const std::string name_;
  const uint64_t objset_;
  uint32_t record_bytes_ = 0;  // as last set here; 0: not yet
};

KernelPool::~KernelPool() {
  std::unique_lock lock(gate_);
  if (is_open_) (void)close_last();
}

void KernelPool::add_opener() {
  std::unique_lock lock(gate_);
  ++openers_;
}

bool KernelPool::is_open() {
  std::shared_lock lock(gate_);
  return is_open_;
}

Status KernelPool::close() {
  std::unique_lock lock(gate_);
  if (!is_open_) return {};
  if (openers_ > 1) {
    --openers_;
    return {};
  }
  return close_last();
}

Status KernelPool::close_last() {
  {
    std::lock_guard lock(files_mutex_);
    if (!files_.empty()) {
      return Error{ErrorCode::kBusy, files_.begin()->first +
                                         " is still open; let go of its files "
                                         "before closing the pool"};
    }
  }
  const Status synced = sync();
  // Nothing waits for one that is read-only, or that somebody exported meanwhile.
  const bool had_none = !synced && (synced.error().code == ErrorCode::kNotFound ||
                                    kz_pool_is_readonly(name_.c_str()));
  if (!synced && !had_none) return synced;
  if (export_at_close_) {
    const Status exported = export_pool(name_);
    // All is on disk: somebody who looks into its folders only keeps it imported.
    if (!exported && exported.error().code != ErrorCode::kBusy) return exported;
  }
  is_open_ = false;
  return {};
}

Status KernelPool::usable() const { return is_open_ ? Status() : Status(pool_closed()); }

Status KernelPool::sync() {
  Nvlist options(fnvlist_alloc());
  fnvlist_add_boolean_value(options.get(), "force", B_FALSE);
  const int error = own_error(lzc_sync(name_.c_str(), options.get(), nullptr));
  return status_of(error, "waiting for the pool " + name_);
}

bool KernelPool::is_suspended() {
  const auto now = state();
  return now && now->state == "SUSPENDED";
}

Result<PoolStatus> KernelPool::status() {
  std::shared_lock lock(gate_);
  if (!usable()) return pool_closed();
  return state();
}

Result<PoolStatus> KernelPool::state() {
  nvlist* raw = nullptr;
  const int error = own_error(kz_pool_stats(name_.c_str(), &raw));
  Nvlist stats(raw);
  if (stats == nullptr) return make_error(error, "cannot read the state of " + name_);
  PoolStatus status =
      parse_status(name_, stats.get(), nvlist_exists(stats.get(), ZPOOL_CONFIG_SUSPENDED));
  (void)nvlist_lookup_uint64(stats.get(), ZPOOL_CONFIG_POOL_TXG, &status.txg);
  return status;
}

Status KernelPool::clear_errors() {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  const int error = own_error(kz_pool_clear(name_.c_str()));
  if (error == EPERM) return root_only("clear the errors of " + name_);
  return status_of(error == EIO ? IZ_ESUSPENDED : error, name_);
}

Status KernelPool::create_dataset(const std::string& name, const Properties& properties,
                                  const Key32& key) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, name, false);
  if (!named) return named;
  Result<Nvlist> list = property_list(properties);
  if (!list) return list.error();
  Key32 wrapping = key;
  if (!key.empty()) {
    if (key.size() != kKeyBytes) return bad_key_size();
    add_key_properties(list->get(), true);
  }
  const int error = own_error(lzc_create(name.c_str(), LZC_DATSET_TYPE_ZFS, list->get(),
                                         key.empty() ? nullptr : wrapping.data(),
                                         static_cast<uint_t>(wrapping.size())));
  if (error == EPERM) {
    const std::string more = permissions_for(properties);
    return not_allowed("create '" + name + "'", "create,mount" + (more.empty() ? "" : "," + more),
                       parent_of(name));
  }
  if (error == ENOENT) {
    return Error{ErrorCode::kNotFound,
                 "the parent of '" + name + "' does not exist; create it first"};
  }
  if (error != 0) return make_error(error, "cannot create '" + name + "'");
  (void)ensure_mounted(name);  // as `zfs create`; who opens it hears why not
  return {};
}

Status KernelPool::destroy_dataset(const std::string& name) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, name, false);
  if (!named) return named;
  const Error busy{ErrorCode::kBusy, "'" + name +
                                         "' has children or snapshots, or is open; remove "
                                         "or close those first"};
  if (has_open_files(name)) return busy;
  const auto mounted = mount_of(name);
  if (mounted) {
    const Status unmounted = unmount(*mounted);
    if (!unmounted) return unmounted;
  }
  const int error = own_error(lzc_destroy(name.c_str()));
  if (error == 0) return {};
  if (mounted) (void)ensure_mounted(name);
  if (error == EPERM) return not_allowed("destroy '" + name + "'", "destroy,mount", name);
  if (error == EEXIST || error == EBUSY) return busy;
  return make_error(error, "cannot destroy '" + name + "'");
}

// What is below `parent`, and so on; or its snapshots and theirs.
Status KernelPool::add_below(const std::string& parent, bool snapshots,
                             std::vector<DatasetStatus>& found) {
  char name[ZFS_MAX_DATASET_NAME_LEN];
  for (const bool of_snapshots : {true, false}) {
    if (of_snapshots && !snapshots) continue;
    uint64_t cursor = 0;
    for (;;) {
      nvlist* raw = nullptr;
      const int error = own_error(kz_next(parent.c_str(), of_snapshots, &cursor, name, &raw));
      Nvlist stats(raw);
      if (error == ESRCH) break;
      if (error == ENOENT && cursor != 0) continue;  // destroyed meanwhile
      if (error != 0) return make_error(error, "cannot list '" + parent + "'");
      if (of_snapshots == snapshots && stats != nullptr) {
        found.push_back(status_in(name, stats.get()));
      }
      if (of_snapshots) continue;
      const Status below = add_below(name, snapshots, found);
      if (!below) return below;
    }
  }
  return {};
}

Result<std::vector<DatasetStatus>> KernelPool::list(const std::string& root, bool snapshots) {
  std::shared_lock lock(gate_);
  if (!usable()) return pool_closed();
  Status named = check_name(name_, root, false);
  if (!named) return named.error();
  std::vector<DatasetStatus> found;
  const Result<Nvlist> stats = stats_of(root);
  if (!stats) return stats.error();
  if (!snapshots) found.push_back(status_in(root, stats->get()));
  const Status listed = add_below(root, snapshots, found);
  if (!listed) return listed.error();
  return found;
}

Result<std::vector<DatasetStatus>> KernelPool::list_datasets(const std::string& root) {
  return list(root, false);
}

Result<std::vector<DatasetStatus>> KernelPool::list_snapshots(const std::string& root) {
  return list(root, true);
}

Status KernelPool::set_properties(const std::string& name, const Properties& properties) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, name, false);
  return named ? set_now(name, properties) : named;
}

Status KernelPool::set_now(const std::string& name, const Properties& properties) {
  if (properties.empty()) return {};
  Result<Nvlist> list = property_list(properties);
  if (!list) return list.error();
  const int error = own_error(kz_set_properties(name.c_str(), list->get()));
  const std::string what = permissions_for(properties);
  if (error == EPERM) return not_allowed("set " + what + " of '" + name + "'", what, name);
  return status_of(error, what + " could not be set on " + name);
}

Result<Properties> KernelPool::get_properties(const std::string& name) {
  std::shared_lock lock(gate_);
  if (!usable()) return pool_closed();
  Status named = check_name(name_, name, name.find('@') != std::string::npos);
  if (!named) return named.error();
  const Result<Nvlist> stats = stats_of(name);
  if (!stats) return stats.error();
  return properties_in(name, stats->get());
}

// The ones above first: their mounts would hide those below.
Status KernelPool::ensure_mounted(const std::string& name) {
  for (size_t end = name_.size(); end != std::string::npos; end = name.find('/', end + 1)) {
    const std::string above = name.substr(0, end);
    if (mount_of(above)) continue;
    const Result<Nvlist> stats = stats_of(above);
    if (!stats) return stats.error();
    const Status mounted = mount(above, properties_in(above, stats->get()));
    if (!mounted && above == name) return mounted;
  }
  if (!mount_of(name)) {
    const Result<Nvlist> stats = stats_of(name);
    return stats ? mount(name, properties_in(name, stats->get())) : Status(stats.error());
  }
  return {};
}

// See mounted_files.h: no intent log, and records no larger than each file asks for.
Status KernelPool::prepare(const std::string& name, const Properties& properties) {
  Properties wanted;
  if (properties.at("sync") != "disabled") wanted["sync"] = "disabled";
  // Set anyway by who may be missing the permission: here the refusal says what to grant, while the
  // first new file may be SQLite's, which hands no reasons on.
  const bool is_larger = std::stoull(properties.at("recordsize")) > kRecordMinBytes;
  if (is_larger || geteuid() != 0) {
    wanted["recordsize"] = std::to_string(kRecordMinBytes);
  }
  return set_now(name, wanted);
}

Result<std::shared_ptr<DatasetFiles>> KernelPool::open_mounted(const std::string& name) {
  const std::string snapshot = snapshot_of(name);
  const Result<Nvlist> stats = stats_of(name);
  if (!stats) return stats.error();
  if (snapshot.empty() && property_number(stats->get(), "readonly") != 0) {
    return readonly_property(name, stats->get());
  }
  Status done = ensure_mounted(dataset_of(name));
  if (!done) return done.error();
  const auto mounted = mount_of(dataset_of(name));
  if (!mounted) return make_error(ENOENT, "the mount of '" + dataset_of(name) + "'");
  Result<Folder> folder = open_root(*mounted);
  if (folder && !snapshot.empty()) folder = open_snapshot(*folder, snapshot, mounted->path);
  if (!folder) return folder.error();
  if (snapshot.empty()) {
    if (mounted->readonly) return readonly_mount(name_, *mounted);
    done = claim(*folder, *mounted);
    if (done) done = prepare(name, properties_in(name, stats->get()));
    if (!done) return done.error();
  }
  auto asked = std::make_shared<Dataset>(shared_from_this(), name,
                                         property_number(stats->get(), "objsetid"));
  return std::shared_ptr<DatasetFiles>(
      std::make_shared<MountedFiles>(folder->release(), name, !snapshot.empty(), std::move(asked)));
}

Result<std::shared_ptr<DatasetFiles>> KernelPool::open_files(const std::string& name) {
  std::shared_lock lock(gate_);
  if (!usable()) return pool_closed();
  Status named = check_name(name_, name, name.find('@') != std::string::npos);
  if (!named) return named.error();
  std::lock_guard opening(opening_mutex_);
  std::unique_lock files_lock(files_mutex_);
  for (auto found = files_.find(name); found != files_.end(); found = files_.find(name)) {
    if (auto open = found->second.lock()) return open;
    files_changed_.wait(files_lock);  // its last user is letting go of it just now
  }
  files_lock.unlock();
  auto files = open_mounted(name);
  if (!files) return files;
  files_lock.lock();
  files_[name] = *files;
  return files;
}

bool KernelPool::has_open_files(const std::string& name) {
  std::lock_guard lock(files_mutex_);
  return files_.contains(name);
}

void KernelPool::files_closed(const std::string& name) {
  std::lock_guard lock(files_mutex_);
  files_.erase(name);
  files_changed_.notify_all();
}

Result<Txg> KernelPool::open_txg() {
  std::shared_lock lock(gate_);
  if (!usable()) return pool_closed();
  return clock_.now();
}

Status KernelPool::wait_durable(Txg txg) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  return clock_.wait(txg, [this] { return sync(); });
}

Status KernelPool::snapshot(const std::vector<std::string>& names) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  for (const std::string& name : names) {
    Status named = check_name(name_, name, true);
    if (!named) return named;
  }
  if (names.empty()) return {};
  nvlist* raw = nullptr;
  const int call = lzc_snapshot(name_list(names).get(), nullptr, &raw);
  Nvlist errors(raw);
  const int error = own_error(first_error(errors.get(), call));
  if (error == EPERM) {
    return not_allowed("take the snapshot " + names.front(), "snapshot", dataset_of(names.front()));
  }
  if (error == EEXIST) {
    return Error{ErrorCode::kExists, "one of the snapshots exists already; choose another name"};
  }
  return status_of(error, "cannot take the snapshot " + names.front());
}

Status KernelPool::rollback(const std::string& snapshot) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  const std::string dataset = dataset_of(snapshot);
  if (has_open_files(dataset)) return make_error(EBUSY, "cannot roll back to " + snapshot);
  const int error = own_error(lzc_rollback_to(dataset.c_str(), snapshot.c_str()));
  if (error == EPERM) return not_allowed("roll back to " + snapshot, "rollback", dataset);
  if (error == EEXIST) {
    return Error{ErrorCode::kBusy, "there are newer snapshots than " + snapshot +
                                       "; destroy them first, or clone it"};
  }
  return status_of(error, "cannot roll back to " + snapshot);
}

Status KernelPool::destroy_snapshots(const std::vector<std::string>& names) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  for (const std::string& name : names) {
    Status named = check_name(name_, name, true);
    if (!named) return named;
    // ZFS takes missing ones for destroyed.
    if (!lzc_exists(name.c_str())) return make_error(ENOENT, "the snapshot " + name);
    if (has_open_files(name)) return make_error(EBUSY, "the snapshot " + name);
  }
  if (names.empty()) return {};
  nvlist* raw = nullptr;
  const int call = lzc_destroy_snaps(name_list(names).get(), B_FALSE, &raw);
  Nvlist errors(raw);
  const int error = own_error(first_error(errors.get(), call));
  if (error == EPERM) {
    return not_allowed("destroy the snapshot " + names.front(), "destroy,mount",
                       dataset_of(names.front()));
  }
  if (error == EEXIST || error == EBUSY) {
    return Error{ErrorCode::kBusy, "a snapshot has clones or holds; remove those first"};
  }
  return status_of(error, "cannot destroy the snapshot " + names.front());
}

Status KernelPool::clone(const std::string& snapshot, const std::string& name) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (named) named = check_name(name_, name, false);
  if (!named) return named;
  const int error = own_error(lzc_clone(name.c_str(), snapshot.c_str(), nullptr));
  if (error == EPERM) {
    return not_allowed("clone " + snapshot + " to '" + name + "'", "clone,create,mount", name_);
  }
  if (error != 0) return make_error(error, "cannot clone " + snapshot + " to '" + name + "'");
  (void)ensure_mounted(name);
  return {};
}

Status KernelPool::scrub_start() {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  const int error = own_error(kz_pool_scrub(name_.c_str(), 1));
  if (error == EPERM) return root_only("scrub " + name_);
  if (error == EBUSY) return Error{ErrorCode::kBusy, "a scrub or resilver is running already"};
  return status_of(error, "cannot start a scrub of " + name_);
}

Status KernelPool::scrub_stop() {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  const int error = own_error(kz_pool_scrub(name_.c_str(), 0));
  if (error == EPERM) return root_only("stop the scrub of " + name_);
  if (error == ENOENT) return Error{ErrorCode::kNotFound, "no scrub is running"};
  return status_of(error, "cannot stop the scrub of " + name_);
}

std::vector<DamagedRecord> KernelPool::damaged_records() {
  std::shared_lock lock(gate_);
  std::vector<DamagedRecord> records;
  if (!usable()) return records;
  kz_damage_t* damages = nullptr;
  size_t count = 0;
  (void)kz_pool_damage(name_.c_str(), &damages, &count);
  for (size_t i = 0; i < count; ++i) {
    char dataset[ZFS_MAX_DATASET_NAME_LEN] = "";
    if (damages[i].objset != 0) {
      (void)kz_dataset_of(name_.c_str(), damages[i].objset, dataset, sizeof(dataset));
    }
    const int64_t level = std::max<int64_t>(damages[i].level, 0);
    records.push_back(
        {dataset, damages[i].object, static_cast<uint64_t>(level), damages[i].record});
  }
  std::free(damages);
  return records;
}

Status export_pool(const std::string& name) {
  const Status unmounted = unmount_all(name);
  if (!unmounted) return unmounted;
  const int error = own_error(kz_pool_export(name.c_str()));
  if (error == EPERM) return root_only("export the pool " + name);
  if (error == ENOENT) {
    return Error{ErrorCode::kNotFound,
                 "the pool '" + name + "' is not imported by this machine's kernel"};
  }
  return status_of(error, "cannot export the pool " + name);
}

}  // namespace ipfs_zfs::kernel
