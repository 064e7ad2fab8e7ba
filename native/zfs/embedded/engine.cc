#include "engine.h"

#include <libnvpair.h>
#include <sys/fs/zfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

#include "arena.h"
#include "../errors.h"
#include "../import.h"
#include "../labels.h"
#include "memory.h"
#include "pool.h"
#include "../pool_lock.h"
#include "../vdev_tree.h"
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

Status check_kernel(const std::string& name, nvlist* config) {
  uint64_t guid = 0;
  (void)nvlist_lookup_uint64(config, ZPOOL_CONFIG_POOL_GUID, &guid);
  if (guid == 0 || kernels_pool_guid(name) != guid) return {};
  return Error{ErrorCode::kInUse, "the pool '" + name +
                                      "' is imported by this machine's kernel; run `zpool export " +
                                      name + "` first, or use the kernel engine"};
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
