#include "vdev_tree.h"

#include <fcntl.h>
#include <libnvpair.h>
#include <sys/fs/zfs.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zfs_namecheck.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "errors.h"

namespace ipfs_zfs {
namespace {

constexpr uint64_t kSmallestBytes = uint64_t{64} << 20;
constexpr size_t kProbeBytes = 64 << 10;  // where file systems and partition tables start

struct LayoutRule {
  const char* name;
  size_t least_vdevs;
  uint64_t parity;
};

LayoutRule rule_of(Layout layout) {
  switch (layout) {
    case Layout::kStripe: return {"stripe", 1, 0};
    case Layout::kMirror: return {"mirror", 2, 0};
    case Layout::kRaidz1: return {"raidz1", 2, 1};
    case Layout::kRaidz2: return {"raidz2", 3, 2};
    case Layout::kRaidz3: return {"raidz3", 4, 3};
  }
  return {"stripe", 1, 0};
}

bool is_device(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
}

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

Status make_file(const std::string& path, uint64_t size_bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    Error error = make_error(errno, "cannot create " + path);
    if (errno == ENOENT) error.message = "the folder of " + path + " does not exist; make it first";
    return error;
  }
  const int failed = ftruncate(fd, static_cast<off_t>(size_bytes)) != 0 ? errno : 0;
  close(fd);
  if (failed == EFBIG || failed == EINVAL) {
    return Error{ErrorCode::kNoSpace, path + " cannot be that large on its file system"};
  }
  return status_of(failed, "cannot give " + path + " its size");
}

// Anything but zeros where file systems keep their first blocks is somebody's data.
Status check_blank(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return make_error(errno, "cannot write to " + path);
  std::vector<char> start(kProbeBytes);
  const ssize_t length = pread(fd, start.data(), start.size(), 0);
  const int failed = length < 0 ? errno : 0;
  const off_t end = lseek(fd, 0, SEEK_END);
  close(fd);
  if (failed != 0) return make_error(failed, "cannot read " + path);
  if (end >= 0 && static_cast<uint64_t>(end) < kSmallestBytes) {
    return invalid(path + " is smaller than 64 MiB; give it more room");
  }
  if (std::any_of(start.begin(), start.begin() + length, [](char c) { return c != 0; })) {
    return Error{ErrorCode::kExists, path + " holds other data; wipe it first, or take another"};
  }
  return {};
}

Status check_unused(const std::string& path) {
  Result<Nvlist> label = read_label(path);
  if (!label) return label.error();
  if (*label != nullptr) {
    const char* name = "";
    uint64_t state = POOL_STATE_ACTIVE;
    (void)nvlist_lookup_string(label->get(), ZPOOL_CONFIG_POOL_NAME, &name);
    (void)nvlist_lookup_uint64(label->get(), ZPOOL_CONFIG_POOL_STATE, &state);
    if (state != POOL_STATE_DESTROYED) {
      return Error{ErrorCode::kExists, path + " already holds the pool '" + name +
                                           "'; open that, or take another device or file"};
    }
    return {};
  }
  return check_blank(path);
}

Nvlist leaf(const std::string& path, uint32_t ashift) {
  Nvlist vdev(fnvlist_alloc());
  fnvlist_add_string(vdev.get(), ZPOOL_CONFIG_TYPE,
                     is_device(path) ? VDEV_TYPE_DISK : VDEV_TYPE_FILE);
  fnvlist_add_string(vdev.get(), ZPOOL_CONFIG_PATH, path.c_str());
  fnvlist_add_uint64(vdev.get(), ZPOOL_CONFIG_ASHIFT, ashift);
  fnvlist_add_uint64(vdev.get(), ZPOOL_CONFIG_IS_LOG, 0);
  if (is_device(path)) fnvlist_add_uint64(vdev.get(), ZPOOL_CONFIG_WHOLE_DISK, 0);
  return vdev;
}

}  // namespace

Status check_layout(const PoolCreate& pool) {
  namecheck_err_t why;
  char what = 0;
  if (pool_namecheck(pool.name.c_str(), &why, &what) != 0) {
    return invalid("'" + pool.name +
                   "' is no name for a pool; begin with a letter and use "
                   "letters, digits, '-', '_' and '.' (not mirror, raidz, draid, spare or log)");
  }
  const LayoutRule rule = rule_of(pool.layout);
  if (pool.vdevs.size() < rule.least_vdevs) {
    return invalid(std::string("a ") + rule.name + " needs at least " +
                   std::to_string(rule.least_vdevs) + " vdevs, and got " +
                   std::to_string(pool.vdevs.size()));
  }
  if (pool.ashift < 9 || pool.ashift > 16) {
    return invalid("ashift " + std::to_string(pool.ashift) + " is not from 9 to 16");
  }
  std::set<std::string> seen;
  for (const std::string& path : pool.vdevs) {
    if (path.empty() || path[0] != '/') return invalid("'" + path + "' is no absolute path");
    if (!seen.insert(path).second) return invalid(path + " is given twice");
  }
  return {};
}

Status NewFiles::prepare(const PoolCreate& pool) {
  for (const std::string& path : pool.vdevs) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) {
      if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
        return invalid(path + " is neither a file nor a block device");
      }
      Status unused = check_unused(path);
      if (!unused) return unused;
      continue;
    }
    if (pool.size_bytes < kSmallestBytes) {
      return invalid("a pool file needs at least 64 MiB; " + std::to_string(pool.size_bytes) +
                     " bytes were asked for " + path);
    }
    Status made = make_file(path, pool.size_bytes);
    if (!made) return made;
    made_.push_back(path);
  }
  return {};
}

NewFiles::~NewFiles() {
  for (const std::string& path : made_) unlink(path.c_str());
}

Nvlist vdev_tree(const PoolCreate& pool) {
  const LayoutRule rule = rule_of(pool.layout);
  std::vector<Nvlist> leaves;
  std::vector<nvlist*> children;
  for (const std::string& path : pool.vdevs) {
    leaves.push_back(leaf(path, pool.ashift));
    children.push_back(leaves.back().get());
  }
  Nvlist group(fnvlist_alloc());
  if (pool.layout != Layout::kStripe) {
    fnvlist_add_string(group.get(), ZPOOL_CONFIG_TYPE,
                       rule.parity > 0 ? VDEV_TYPE_RAIDZ : VDEV_TYPE_MIRROR);
    if (rule.parity > 0) fnvlist_add_uint64(group.get(), ZPOOL_CONFIG_NPARITY, rule.parity);
    fnvlist_add_uint64(group.get(), ZPOOL_CONFIG_ASHIFT, pool.ashift);
    fnvlist_add_uint64(group.get(), ZPOOL_CONFIG_IS_LOG, 0);
    fnvlist_add_nvlist_array(group.get(), ZPOOL_CONFIG_CHILDREN, children.data(),
                             static_cast<uint_t>(children.size()));
    children.assign(1, group.get());
  }
  Nvlist root(fnvlist_alloc());
  fnvlist_add_string(root.get(), ZPOOL_CONFIG_TYPE, VDEV_TYPE_ROOT);
  fnvlist_add_nvlist_array(root.get(), ZPOOL_CONFIG_CHILDREN, children.data(),
                           static_cast<uint_t>(children.size()));
  return root;
}

}  // namespace ipfs_zfs
