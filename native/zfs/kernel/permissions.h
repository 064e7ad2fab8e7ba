// Who may do what without being root, and how to be allowed to: zfs-allow(8).
#pragma once

#include <string>

#include "../../result.h"

namespace ipfs_zfs::kernel {

// For a call that the kernel refused. `permissions` are as zfs-allow(8) names them, with commas.
Error not_allowed(const std::string& what, const std::string& permissions,
                  const std::string& dataset);

// For what nobody but root may do.
Error root_only(const std::string& what);

}  // namespace ipfs_zfs::kernel
