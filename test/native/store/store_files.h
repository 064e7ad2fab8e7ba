// The files that the tests of the store work on: in memory, or, when IPFS_ZFS_ENGINE names an
// engine, a new dataset each in one pool of that engine. Tests that need what only files in memory
// can do (fail on request, go back to any moment) make those themselves: memory_files.h.
#pragma once

#include <memory>

#include "native/zfs/dataset_files.h"

namespace ipfs_zfs::test {

std::shared_ptr<DatasetFiles> new_files();

// Lets go of the files, which nobody else may hold, and finds them as another process would. Those
// in memory stay what they are.
void open_again(std::shared_ptr<DatasetFiles>& files);

}  // namespace ipfs_zfs::test
