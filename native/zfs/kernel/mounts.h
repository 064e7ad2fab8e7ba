// Where the datasets of this machine are mounted: what the kernel's own list says, and mount(2).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "../../result.h"
#include "../pool_admin.h"

namespace ipfs_zfs::kernel {

struct Mount {
  std::string dataset;
  std::string path;
  bool readonly = false;
};

// Of the pool's datasets and snapshots, in the order in which they were mounted.
std::vector<Mount> mounts_of(const std::string& pool);
std::optional<Mount> mount_of(const std::string& dataset);

// Mounts a dataset where its properties say. kInvalid when they say nowhere (mountpoint=none or
// legacy, canmount=off), kNotWritable when this user may not mount.
Status mount(const std::string& dataset, const Properties& properties);
Status unmount(const Mount& mounted);
// A dataset, what is below it and its snapshots; the last one mounted first.
Status unmount_all(const std::string& dataset);

}  // namespace ipfs_zfs::kernel
