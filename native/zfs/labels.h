// What the labels on a pool's vdevs say: is there a pool, and how it is put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../result.h"

struct nvlist;

namespace ipfs_zfs {

struct NvlistDeleter {
  void operator()(nvlist* list) const;
};
using Nvlist = std::unique_ptr<nvlist, NvlistDeleter>;

// The label of one vdev; null when it holds none.
Result<Nvlist> read_label(const std::string& path);

// The configuration to import the pool by. Paths that were moved or renamed are put right; vdevs
// that are not among `paths` are left where the labels say.
Result<Nvlist> pool_config(const std::string& name, const std::vector<std::string>& paths);

}  // namespace ipfs_zfs
