// Importing a pool, whoever does it: its paths checked, its refusal explained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../result.h"

struct nvlist;

namespace ipfs_zfs {

struct PathCheck {
  std::vector<std::string> present;
  std::vector<std::string> missing;
};

// kInvalid, kNotFound (none is there), kNotWritable.
Result<PathCheck> check_paths(const std::vector<std::string>& vdevs);

// Why the pool of `config` could not be imported; `missing` are vdevs that are not there.
Error import_error(int error, const std::string& name, nvlist* config,
                   const std::vector<std::string>& missing);

// The pool of this name that this machine's kernel has imported; 0 when there is none. A pool file
// has no exclusive open as a device has; this is how its use by the kernel shows.
uint64_t kernels_pool_guid(const std::string& name);

}  // namespace ipfs_zfs
