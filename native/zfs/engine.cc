#include "engine.h"

#include "embedded/engine.h"
#include "kernel/engine.h"

namespace ipfs_zfs {
namespace {

bool is_kernels(const std::string& pool, const std::vector<std::string>& vdevs,
                const EngineOptions& options) {
  if (options.engine == Engine::kAuto) return kernel::has_pool(pool, vdevs);
  return options.engine == Engine::kKernel;
}

}  // namespace

Result<std::shared_ptr<PoolAdmin>> create_pool(const PoolCreate& pool,
                                               const EngineOptions& options) {
  if (is_kernels(pool.name, {}, options)) return kernel::create_pool(pool);
  return embedded::create_pool(pool, {.arc_max_bytes = options.arc_max_bytes});
}

Result<std::shared_ptr<PoolAdmin>> open_pool(const std::string& name,
                                             const std::vector<std::string>& vdevs,
                                             const EngineOptions& options) {
  if (is_kernels(name, vdevs, options)) return kernel::open_pool(name, vdevs);
  return embedded::open_pool(name, vdevs, {.arc_max_bytes = options.arc_max_bytes});
}

std::shared_ptr<PoolAdmin> find_open_pool(const std::string& name) {
  if (auto pool = embedded::find_open_pool(name)) return pool;
  return kernel::find_open_pool(name);
}

}  // namespace ipfs_zfs
