// ZFS inside this process: creating and opening pools with OpenZFS's own code (libzpool).
//
// There is one libzpool a process: the first open starts it, and it stays until the process ends.
// Opening a pool that this process already holds gives the same PoolAdmin. No fork after the first
// open; the host's /etc/zfs is never touched.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../pool_admin.h"

namespace ipfs_zfs::embedded {

struct EngineOptions {
  // Upper bound of ZFS's cache. Default: a quarter of the machine's memory, at most 2 GiB. The
  // first open of a process decides.
  uint64_t arc_max_bytes = 0;
};

// Makes the pool and its vdev files. kExists when a vdev already holds a pool, kInvalid for fewer
// vdevs than the layout needs or a size under 64 MiB, kNotWritable, kNoSpace.
Result<std::shared_ptr<PoolAdmin>> create_pool(const PoolCreate& pool,
                                               const EngineOptions& options);

// Opens the pool whose vdevs are these paths. kNotFound (a path is missing), kNotAPool, kInUse
// (with the owner's pid), kNewerVersion (with the features it lacks).
Result<std::shared_ptr<PoolAdmin>> open_pool(const std::string& name,
                                             const std::vector<std::string>& vdevs,
                                             const EngineOptions& options);

// The pool of this name if this process holds it, else null: how the SQLite files find theirs.
std::shared_ptr<PoolAdmin> find_open_pool(const std::string& name);

}  // namespace ipfs_zfs::embedded
