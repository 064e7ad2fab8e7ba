// One process holds a pool at a time: locks on its vdevs that die with the process.
#pragma once

#include <string>
#include <vector>

#include "../result.h"

namespace ipfs_zfs {

// A file vdev has `<vdev>.lock` beside it, locked with flock(2) and holding the owner's process
// id. A block device is opened exclusively instead, which also keeps the kernel's ZFS away.
class PoolLock {
 public:
  static Result<PoolLock> take(const std::vector<std::string>& vdevs);

  PoolLock() = default;
  PoolLock(PoolLock&& other) noexcept : held_(std::move(other.held_)) { other.held_.clear(); }
  PoolLock& operator=(PoolLock&& other) noexcept {
    held_.swap(other.held_);
    return *this;
  }
  ~PoolLock() { release(); }

  void release();

 private:
  struct Held {
    int fd;
    std::string path;  // of the lock file; empty for a device
  };
  Status take_file(const std::string& vdev);
  Status take_device(const std::string& vdev);

  std::vector<Held> held_;
};

}  // namespace ipfs_zfs
