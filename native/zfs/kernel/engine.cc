#include "engine.h"

#include <libnvpair.h>
#include <sys/fs/zfs.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>

#include "../errors.h"
#include "../import.h"
#include "../labels.h"
#include "../pool_lock.h"
#include "../vdev_tree.h"
#include "ioctl.h"
#include "lists.h"
#include "mounts.h"
#include "permissions.h"
#include "pool.h"

namespace ipfs_zfs::kernel {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<KernelPool>> pools;

  std::shared_ptr<KernelPool> find(const std::string& name) {
    const auto found = pools.find(name);
    if (found == pools.end()) return nullptr;
    std::shared_ptr<KernelPool> pool = found->second.lock();
    return pool != nullptr && pool->is_open() ? pool : nullptr;
  }
};

Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

Status start() {
  const int error = kz_start();
  if (error == 0) return {};
  if (error == EACCES || error == EPERM) {
    return Error{ErrorCode::kNotWritable,
                 "/dev/zfs cannot be opened; have root run `chmod 666 /dev/zfs`, or use the "
                 "embedded engine"};
  }
  return Error{ErrorCode::kNotFound,
               "this machine's kernel has no ZFS (no /dev/zfs); load it with `sudo modprobe zfs`, "
               "or use the embedded engine"};
}

uint64_t guid_in(nvlist* config) {
  uint64_t guid = 0;
  (void)nvlist_lookup_uint64(config, ZPOOL_CONFIG_POOL_GUID, &guid);
  return guid;
}

// The guid of an imported pool; 0 when there is none of the name.
uint64_t imported_guid(const std::string& name) {
  nvlist* raw = nullptr;
  (void)kz_pool_stats(name.c_str(), &raw);
  const Nvlist stats(raw);
  return stats == nullptr ? 0 : guid_in(stats.get());
}

// Where this user may read the vdevs: are they the ones of the imported pool?
Status check_same(const std::string& name, const std::vector<std::string>& vdevs, uint64_t guid) {
  for (const std::string& path : vdevs) {
    if (access(path.c_str(), R_OK) != 0) continue;
    const Result<Nvlist> label = read_label(path);
    if (!label || *label == nullptr || guid_in(label->get()) == guid) continue;
    return Error{ErrorCode::kInvalid, "the kernel has another pool named '" + name +
                                          "' than the one on " + path + "; export or rename that"};
  }
  return {};
}

Status import_from(const std::string& name, const std::vector<std::string>& vdevs, bool stays) {
  Result<PathCheck> paths = check_paths(vdevs);
  if (!paths) return paths.error();
  if (geteuid() != 0) return root_only("import the pool '" + name + "'");
  // Not while another process has it open in the embedded engine.
  Result<PoolLock> held = PoolLock::take(paths->present);
  if (!held) return held.error();
  Result<Nvlist> config = pool_config(name, paths->present);
  if (!config) return config.error();
  nvlist* raw = nullptr;
  int error = own_error(kz_pool_import(name.c_str(), config->get(), stays ? 1 : 0, &raw));
  if (error == EBUSY) {
    // A device that we hold ourselves.
    held->release();
    error = own_error(kz_pool_import(name.c_str(), config->get(), stays ? 1 : 0, &raw));
  }
  const Nvlist result(raw);
  if (error == 0) return {};
  if (error == EPERM) return root_only("import the pool '" + name + "'");
  nvlist* why = result != nullptr ? result.get() : config->get();
  return import_error(error, name, why, paths->missing);
}

std::shared_ptr<KernelPool> hold(const std::string& name, bool export_at_close) {
  auto pool = std::make_shared<KernelPool>(name, export_at_close);
  registry().pools[name] = pool;
  return pool;
}

}  // namespace

bool has_pool(const std::string& name, const std::vector<std::string>& vdevs) {
  uint64_t guid = kernels_pool_guid(name);
  if (guid == 0 && kz_start() == 0) guid = imported_guid(name);
  return guid != 0 && check_same(name, vdevs, guid).ok();
}

Result<std::shared_ptr<PoolAdmin>> create_pool(const PoolCreate& create) {
  std::lock_guard lock(registry().mutex);
  Status done = start();
  if (done) done = check_layout(create);
  if (!done) return done.error();
  if (imported_guid(create.name) != 0) {
    return Error{ErrorCode::kExists, "the kernel has a pool '" + create.name + "' already"};
  }
  if (geteuid() != 0) return root_only("create the pool '" + create.name + "'");
  Result<PoolLock> held = PoolLock::take(create.vdevs);
  if (!held) return held.error();
  NewFiles files;
  done = files.prepare(create);
  if (!done) return done.error();
  held->release();  // the kernel opens devices for itself alone
  const int error = own_error(kz_pool_create(create.name.c_str(), vdev_tree(create).get()));
  if (error == EPERM) return root_only("create the pool '" + create.name + "'");
  if (error != 0) return make_error(error, "cannot create the pool '" + create.name + "'");
  std::shared_ptr<KernelPool> pool = hold(create.name, true);
  Status set = pool->set_properties(create.name, create.root_properties);
  if (!set) {
    (void)pool->close();
    return set.error();
  }
  files.keep();
  return std::shared_ptr<PoolAdmin>(std::move(pool));
}

Result<std::shared_ptr<PoolAdmin>> open_pool(const std::string& name,
                                             const std::vector<std::string>& vdevs) {
  std::lock_guard lock(registry().mutex);
  if (std::shared_ptr<KernelPool> open = registry().find(name)) {
    open->add_opener();
    return std::shared_ptr<PoolAdmin>(std::move(open));
  }
  Status done = start();
  if (!done) return done.error();
  const uint64_t guid = imported_guid(name);
  done = guid != 0 ? check_same(name, vdevs, guid) : import_from(name, vdevs, false);
  if (!done) return done.error();
  return std::shared_ptr<PoolAdmin>(hold(name, guid == 0));
}

Status import_pool(const std::string& name, const std::vector<std::string>& vdevs) {
  std::lock_guard lock(registry().mutex);
  Status done = start();
  if (!done) return done;
  const uint64_t guid = imported_guid(name);
  done = guid != 0 ? check_same(name, vdevs, guid) : import_from(name, vdevs, true);
  if (!done) return done;
  const auto pool = std::make_shared<KernelPool>(name, false);
  const auto datasets = pool->list_datasets(name);
  if (!datasets) return datasets.error();
  for (const DatasetStatus& dataset : *datasets) {
    if (mount_of(dataset.name)) continue;
    const auto properties = pool->get_properties(dataset.name);
    // One that cannot be mounted (no key, no place) is said to be so when it is used.
    if (properties) (void)mount(dataset.name, *properties);
  }
  return {};
}

std::shared_ptr<PoolAdmin> find_open_pool(const std::string& name) {
  std::lock_guard lock(registry().mutex);
  return registry().find(name);
}

}  // namespace ipfs_zfs::kernel
