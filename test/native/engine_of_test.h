// Which engine the tests run on: IPFS_ZFS_ENGINE=kernel runs the same ones on the kernel's ZFS.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "zfs/engine.h"
#include "zfs/kernel/engine.h"

namespace ipfs_zfs::test {

inline EngineOptions test_engine() {
  const char* wanted = std::getenv("IPFS_ZFS_ENGINE");
  const bool kernel = wanted != nullptr && std::string(wanted) == "kernel";
  return {.engine = kernel ? Engine::kKernel : Engine::kEmbedded};
}

inline bool on_kernel() { return test_engine().engine == Engine::kKernel; }

// Closes a pool, and has the kernel let go of it too.
inline Status close_and_export(std::shared_ptr<PoolAdmin> pool, const std::string& name) {
  Status closed = pool->close();
  if (closed && on_kernel() && kernel::has_pool(name)) closed = kernel::export_pool(name);
  return closed;
}

}  // namespace ipfs_zfs::test
