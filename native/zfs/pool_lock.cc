#include "pool_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "errors.h"

namespace ipfs_zfs {
namespace {

bool is_device(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
}

std::string owner_of(int fd) {
  char text[32] = "";
  const ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
  const long pid = length > 0 ? std::strtol(text, nullptr, 10) : 0;
  return pid > 0 ? "process " + std::to_string(pid) : "another process";
}

// The owner removes the file when it lets go: a lock on a removed file is worth nothing.
bool still_there(int fd, const std::string& path) {
  struct stat ours, named;
  return fstat(fd, &ours) == 0 && stat(path.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

}  // namespace

Result<PoolLock> PoolLock::take(const std::vector<std::string>& vdevs) {
  PoolLock lock;
  for (const std::string& vdev : vdevs) {
    Status taken = is_device(vdev) ? lock.take_device(vdev) : lock.take_file(vdev);
    if (!taken) return taken.error();
  }
  return lock;
}

Status PoolLock::take_file(const std::string& vdev) {
  const std::string path = vdev + ".lock";
  while (true) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) return make_error(errno, "cannot make the lock file " + path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      Error error = errno == EWOULDBLOCK
                        ? Error{ErrorCode::kInUse, vdev + " is in use by " + owner_of(fd) +
                                                       "; stop it, or use another pool"}
                        : make_error(errno, "cannot lock " + path);
      close(fd);
      return error;
    }
    if (!still_there(fd, path)) {
      close(fd);
      continue;
    }
    const std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
      Error error = make_error(errno, "cannot write the lock file " + path);
      close(fd);
      return error;
    }
    held_.push_back({fd, path});
    return {};
  }
}

Status PoolLock::take_device(const std::string& vdev) {
  const int fd = open(vdev.c_str(), O_RDWR | O_EXCL | O_CLOEXEC);
  if (fd < 0 && errno == EBUSY) {
    return Error{ErrorCode::kInUse, vdev +
                                        " is mounted, or in use by the kernel or another "
                                        "process; unmount or export it first"};
  }
  if (fd < 0) return make_error(errno, "cannot open " + vdev);
  held_.push_back({fd, ""});
  return {};
}

void PoolLock::release() {
  for (const Held& held : held_) {
    if (!held.path.empty()) unlink(held.path.c_str());
    close(held.fd);
  }
  held_.clear();
}

}  // namespace ipfs_zfs
