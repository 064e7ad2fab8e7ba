// From OpenZFS's statistics to PoolStatus: what `zpool status` would print.
#pragma once

#include <string>

#include "pool_admin.h"

struct nvlist;

namespace ipfs_zfs {

// Of a pool's statistics, as spa_get_stats() and ZFS_IOC_POOL_STATS give them.
PoolStatus parse_status(const std::string& name, nvlist* stats, bool is_suspended);

}  // namespace ipfs_zfs
