// ZFS in this machine's kernel: finding, importing and creating its pools through /dev/zfs.
//
// Opening a pool that this process has open gives the same PoolAdmin.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../pool_admin.h"

namespace ipfs_zfs::kernel {

// True when the kernel has a pool of this name imported, and it is the one on `vdevs`, where they
// can be read.
bool has_pool(const std::string& name, const std::vector<std::string>& vdevs);

// kExists when a vdev already holds a pool, kInvalid, kNotWritable (who is not root), kNotFound
// (this kernel has no ZFS). The pool is exported when it is closed, as one that was imported here.
Result<std::shared_ptr<PoolAdmin>> create_pool(const PoolCreate& pool);

// A pool that is imported stays so when it is closed; one that is not is imported from these paths,
// and exported when it is closed, if nobody else uses its mounts. kNotFound, kNotAPool, kInUse (by
// the embedded engine), kInvalid (the imported pool is another one of the same name),
// kNewerVersion, kNotWritable.
Result<std::shared_ptr<PoolAdmin>> open_pool(const std::string& name,
                                             const std::vector<std::string>& vdevs);

// Imports it, to stay, and mounts what its properties say. Fine when it is imported already.
Status import_pool(const std::string& name, const std::vector<std::string>& vdevs);

// Unmounts what is mounted of a pool, and exports it. kBusy while anybody uses it.
Status export_pool(const std::string& name);

// The pool of this name if this process has it open, else null.
std::shared_ptr<PoolAdmin> find_open_pool(const std::string& name);

}  // namespace ipfs_zfs::kernel
