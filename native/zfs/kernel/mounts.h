// Where the datasets of this machine are mounted: what the kernel's own list says, and mount(2).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "../../result.h"
#include "../pool_admin.h"

namespace ipfs_zfs::kernel {

struct Mount {
  std::string dataset;
  std::string path;
  dev_t device = 0;       // st_dev of what lies in it
  bool is_whole = true;   // from its root folder: a bind mount may show a part
  bool readonly = false;  // by its property, by the mount, or because the pool is
};

// Of the pool's datasets and snapshots, in the order in which they were mounted.
std::vector<Mount> mounts_of(const std::string& pool);
// The whole dataset's.
std::optional<Mount> mount_of(const std::string& dataset);

// Mounts a dataset where its properties say. kInvalid when they say nowhere (mountpoint=none or
// legacy, canmount=off), kNotWritable when this user may not mount.
Status mount(const std::string& dataset, const Properties& properties);
Status unmount(const Mount& mounted);
// A dataset, what is below it and its snapshots; the last one mounted first. All of them or, when
// one is in use, none.
Status unmount_all(const std::string& dataset);

}  // namespace ipfs_zfs::kernel
