#include "import.h"

#include <libnvpair.h>
#include <sys/fs/zfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "errors.h"

namespace ipfs_zfs {
namespace {

std::string unsupported_features(nvlist* config) {
  nvlist* info = nullptr;
  nvlist* features = nullptr;
  std::string names;
  if (nvlist_lookup_nvlist(config, ZPOOL_CONFIG_LOAD_INFO, &info) != 0 ||
      nvlist_lookup_nvlist(info, ZPOOL_CONFIG_UNSUP_FEAT, &features) != 0) {
    return names;
  }
  for (nvpair_t* pair = nvlist_next_nvpair(features, nullptr); pair != nullptr;
       pair = nvlist_next_nvpair(features, pair)) {
    names += (names.empty() ? "" : ", ") + std::string(nvpair_name(pair));
  }
  return names;
}

}  // namespace

Error import_error(int error, const std::string& name, nvlist* config,
                   const std::vector<std::string>& missing) {
  if (error == ENOTSUP) {
    const std::string features = unsupported_features(config);
    return {ErrorCode::kNewerVersion, "the pool '" + name +
                                          "' uses features that this version "
                                          "does not have" +
                                          (features.empty() ? "" : " (" + features + ")") +
                                          "; open it with a newer one"};
  }
  if (error == EBADF || error == EREMOTEIO) {
    return {ErrorCode::kInUse,
            "the pool '" + name +
                "' was last used by another machine and not "
                "closed there; close it there, or `zpool import -f` and export it once"};
  }
  if (!missing.empty()) {
    return {ErrorCode::kNotFound, missing.front() + " does not exist, and the pool '" + name +
                                      "' cannot be opened without it; bring it back"};
  }
  if (error == ENOSPC || error == EROFS || error == EACCES) {
    return make_error(error, "cannot open the pool '" + name + "'");
  }
  return {ErrorCode::kNotAPool, "the pool '" + name + "' is damaged or lacks devices (" +
                                    make_error(error, "import").message +
                                    "); restore them, or try `zpool import -F`"};
}

Result<PathCheck> check_paths(const std::vector<std::string>& vdevs) {
  PathCheck check;
  for (const std::string& path : vdevs) {
    if (path.empty() || path[0] != '/') {
      return Error{ErrorCode::kInvalid, "'" + path + "' is no absolute path"};
    }
    if (access(path.c_str(), F_OK) != 0) {
      check.missing.push_back(path);
    } else if (access(path.c_str(), R_OK | W_OK) != 0) {
      return Error{ErrorCode::kNotWritable, path +
                                                " cannot be written; run as its owner, or "
                                                "change its permissions"};
    } else {
      check.present.push_back(path);
    }
  }
  if (vdevs.empty()) return Error{ErrorCode::kInvalid, "no vdev was given"};
  if (check.present.empty()) {
    return Error{ErrorCode::kNotFound,
                 vdevs.front() + " does not exist; create a pool there first"};
  }
  return check;
}

uint64_t kernels_pool_guid(const std::string& name) {
  std::ifstream imported("/proc/spl/kstat/zfs/" + name + "/guid");
  uint64_t guid = 0;
  return imported >> guid ? guid : 0;
}

}  // namespace ipfs_zfs
