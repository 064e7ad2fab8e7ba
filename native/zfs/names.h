// Names of datasets, snapshots and bookmarks, as both engines take them.
#pragma once

#include <string>

#include "../result.h"

namespace ipfs_zfs {

// kInvalid: the name is not in that pool, or is none for a snapshot (else a dataset).
Status check_name(const std::string& pool, const std::string& name, bool is_snapshot);
Status check_bookmark(const std::string& pool, const std::string& name);

// Of "dataset@snapshot" what stands before the "@", and what after it; a dataset is its own, and
// has no snapshot's name.
std::string dataset_of(const std::string& name);
std::string snapshot_of(const std::string& name);

}  // namespace ipfs_zfs
