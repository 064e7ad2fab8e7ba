// The vdevs of a pool to be: checked, made where they are missing, and described to OpenZFS.
#pragma once

#include <string>
#include <vector>

#include "pool_admin.h"
#include "labels.h"

namespace ipfs_zfs {

Status check_layout(const PoolCreate& pool);

// Files that a failed creation must not leave behind.
class NewFiles {
 public:
  Status prepare(const PoolCreate& pool);
  void keep() { made_.clear(); }
  ~NewFiles();

 private:
  std::vector<std::string> made_;
};

Nvlist vdev_tree(const PoolCreate& pool);

}  // namespace ipfs_zfs
