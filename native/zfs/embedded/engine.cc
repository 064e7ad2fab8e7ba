#include "engine.h"

#include <libnvpair.h>
#include <sys/fs/zfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <mutex>

#include "arena.h"
#include "errors.h"
#include "labels.h"
#include "memory.h"
#include "pool.h"
#include "pool_lock.h"
#include "vdev_tree.h"
#include "zfs_calls.h"

namespace ipfs_zfs::embedded {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Opens and closes of pools, one at a time. Never destroyed: OpenZFS's threads live on at exit.
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<EmbeddedPool>> pools;

  std::shared_ptr<EmbeddedPool> find(const std::string& name) {
    const auto found = pools.find(name);
    if (found == pools.end()) return nullptr;
    std::shared_ptr<EmbeddedPool> pool = found->second.lock();
    return pool != nullptr && pool->is_open() ? pool : nullptr;
  }
};

Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

void start_once(const EngineOptions& options) {
  static std::once_flag once;
  std::call_once(once, [&] {
    set_cache_limit(options.arc_max_bytes);
    const uint64_t cache = cache_limit_bytes();
    iz_start_t start;
    // Over a quarter of the cache, OpenZFS's own limit on unwritten data in the cache would act
    // instead, and that one stops writers dead where this one slows them down.
    start.dirty_max_bytes =
        std::clamp(std::min(machine_memory_bytes() / 10, cache / 4), 64 * kMiB, 1024 * kMiB);
    start.arc_min_bytes = std::max(cache / 8, 32 * kMiB);
    set_arena_keep_limit(std::max(cache / 4, 64 * kMiB));
    iz_start(&start);
  });
}

Result<std::shared_ptr<EmbeddedPool>> hold(const std::string& name, PoolLock lock) {
  iz_pool_t* held = nullptr;
  const int error = iz_pool_hold(name.c_str(), &held);
  if (error != 0) return make_error(error, "cannot open the pool " + name);
  auto pool = std::make_shared<EmbeddedPool>(held, name, std::move(lock));
  const int made = iz_dataset_ensure_root(held);
  if (made != 0) return make_error(made, "cannot prepare the root of the pool " + name);
  registry().pools[name] = pool;
  return pool;
}

// A pool file has no exclusive open as a device has; this is how a kernel on this machine shows
// that it imported the pool.
Status check_kernel(const std::string& name, nvlist* config) {
  std::ifstream imported("/proc/spl/kstat/zfs/" + name + "/guid");
  uint64_t guid = 0, kernels_guid = 0;
  (void)nvlist_lookup_uint64(config, ZPOOL_CONFIG_POOL_GUID, &guid);
  if (imported >> kernels_guid && kernels_guid == guid) {
    return Error{ErrorCode::kInUse, "the pool '" + name +
                                        "' is imported by this machine's kernel; "
                                        "run `zpool export " +
                                        name +
                                        "` first, or use the kernel "
                                        "engine"};
  }
  return {};
}

std::string unsupported_features(nvlist* config) {
  nvlist* info = nullptr;
  nvlist* features = nullptr;
  std::string names;
  if (nvlist_lookup_nvlist(config, ZPOOL_CONFIG_LOAD_INFO, &info) != 0 ||
      nvlist_lookup_nvlist(info, ZPOOL_CONFIG_UNSUP_FEAT, &features) != 0) {
    return names;
  }
  for (nvpair_t* pair = nvlist_next_nvpair(features, nullptr); pair != nullptr;
       pair = nvlist_next_nvpair(features, pair)) {
    names += (names.empty() ? "" : ", ") + std::string(nvpair_name(pair));
  }
  return names;
}

Error import_error(int error, const std::string& name, nvlist* config,
                   const std::vector<std::string>& missing) {
  if (error == ENOTSUP) {
    const std::string features = unsupported_features(config);
    return {ErrorCode::kNewerVersion, "the pool '" + name +
                                          "' uses features that this version "
                                          "does not have" +
                                          (features.empty() ? "" : " (" + features + ")") +
                                          "; open it with a newer one"};
  }
  if (error == EBADF || error == EREMOTEIO) {
    return {ErrorCode::kInUse,
            "the pool '" + name +
                "' was last used by another machine and not "
                "closed there; close it there, or `zpool import -f` and export it once"};
  }
  if (!missing.empty()) {
    return {ErrorCode::kNotFound, missing.front() + " does not exist, and the pool '" + name +
                                      "' cannot be opened without it; bring it back"};
  }
  if (error == ENOSPC || error == EROFS || error == EACCES) {
    return make_error(error, "cannot open the pool '" + name + "'");
  }
  return {ErrorCode::kNotAPool, "the pool '" + name + "' is damaged or lacks devices (" +
                                    make_error(error, "import").message +
                                    "); restore them, or try `zpool import -F`"};
}

struct PathCheck {
  std::vector<std::string> present;
  std::vector<std::string> missing;
};

Result<PathCheck> check_paths(const std::vector<std::string>& vdevs) {
  PathCheck check;
  for (const std::string& path : vdevs) {
    if (path.empty() || path[0] != '/') {
      return Error{ErrorCode::kInvalid, "'" + path + "' is no absolute path"};
    }
    if (access(path.c_str(), F_OK) != 0) {
      check.missing.push_back(path);
    } else if (access(path.c_str(), R_OK | W_OK) != 0) {
      return Error{ErrorCode::kNotWritable, path +
                                                " cannot be written; run as its owner, or "
                                                "change its permissions"};
    } else {
      check.present.push_back(path);
    }
  }
  if (vdevs.empty()) return Error{ErrorCode::kInvalid, "no vdev was given"};
  if (check.present.empty()) {
    return Error{ErrorCode::kNotFound,
                 vdevs.front() + " does not exist; create a pool there first"};
  }
  return check;
}

}  // namespace

Result<std::shared_ptr<PoolAdmin>> create_pool(const PoolCreate& create,
                                               const EngineOptions& options) {
  std::lock_guard lock(registry().mutex);
  start_once(options);
  Status checked = check_layout(create);
  if (!checked) return checked.error();
  if (registry().find(create.name) != nullptr) {
    return Error{ErrorCode::kExists, "a pool '" + create.name + "' is open in this process"};
  }
  Result<PoolLock> held = PoolLock::take(create.vdevs);
  if (!held) return held.error();
  NewFiles files;
  Status prepared = files.prepare(create);
  if (!prepared) return prepared.error();

  const int error = iz_pool_create(create.name.c_str(), vdev_tree(create).get());
  if (error != 0) return make_error(error, "cannot create the pool '" + create.name + "'");
  Result<std::shared_ptr<EmbeddedPool>> pool = hold(create.name, std::move(*held));
  if (!pool) return pool.error();
  Status set = (*pool)->set_properties(create.name, create.root_properties);
  if (!set) {
    (void)(*pool)->close();
    return set.error();
  }
  files.keep();
  return std::shared_ptr<PoolAdmin>(std::move(*pool));
}

Result<std::shared_ptr<PoolAdmin>> open_pool(const std::string& name,
                                             const std::vector<std::string>& vdevs,
                                             const EngineOptions& options) {
  std::lock_guard lock(registry().mutex);
  if (std::shared_ptr<EmbeddedPool> open = registry().find(name)) {
    open->add_opener();
    return std::shared_ptr<PoolAdmin>(std::move(open));
  }
  Result<PathCheck> paths = check_paths(vdevs);
  if (!paths) return paths.error();
  Result<PoolLock> held = PoolLock::take(paths->present);
  if (!held) return held.error();
  start_once(options);
  Result<Nvlist> config = pool_config(name, paths->present);
  if (!config) return config.error();
  Status unused = check_kernel(name, config->get());
  if (!unused) return unused.error();

  const int error = iz_pool_import(name.c_str(), config->get());
  if (error != 0) return import_error(error, name, config->get(), paths->missing);
  Result<std::shared_ptr<EmbeddedPool>> pool = hold(name, std::move(*held));
  if (!pool) return pool.error();
  return std::shared_ptr<PoolAdmin>(std::move(*pool));
}

std::shared_ptr<PoolAdmin> find_open_pool(const std::string& name) {
  std::lock_guard lock(registry().mutex);
  return registry().find(name);
}

}  // namespace ipfs_zfs::embedded
