// The two engines behind one door: ZFS inside this process, or the one of this machine's kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pool_admin.h"

namespace ipfs_zfs {

// kAuto: the kernel when it has imported the pool (not another one of its name), else embedded.
enum class Engine : uint8_t { kEmbedded, kKernel, kAuto };

struct EngineOptions {
  Engine engine = Engine::kEmbedded;
  // Upper bound of the embedded engine's cache. Default: a quarter of the machine's memory, at most
  // 2 GiB. The first open of a process decides. The kernel's cache is its administrator's matter.
  uint64_t arc_max_bytes = 0;
};

// See embedded/engine.h and kernel/engine.h for the errors.
Result<std::shared_ptr<PoolAdmin>> create_pool(const PoolCreate& pool,
                                               const EngineOptions& options);
Result<std::shared_ptr<PoolAdmin>> open_pool(const std::string& name,
                                             const std::vector<std::string>& vdevs,
                                             const EngineOptions& options);

// The pool of this name if this process holds it, else null: how the SQLite files find theirs.
std::shared_ptr<PoolAdmin> find_open_pool(const std::string& name);

}  // namespace ipfs_zfs
