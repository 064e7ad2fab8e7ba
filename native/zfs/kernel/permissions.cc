#include "permissions.h"

#include <pwd.h>
#include <unistd.h>

namespace ipfs_zfs::kernel {
namespace {

std::string user() {
  passwd entry;
  passwd* found = nullptr;
  char names[4096];
  if (getpwuid_r(geteuid(), &entry, names, sizeof(names), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return std::to_string(geteuid());
}

}  // namespace

Error not_allowed(const std::string& what, const std::string& permissions,
                  const std::string& dataset) {
  return {ErrorCode::kNotWritable, "cannot " + what +
                                       ": no permission; have root run `zfs allow -u " + user() +
                                       " " + permissions + " " + dataset + "`"};
}

Error root_only(const std::string& what) {
  return {ErrorCode::kNotWritable,
          "cannot " + what + ": only root may, and `zfs allow` cannot change that; run it as root"};
}

}  // namespace ipfs_zfs::kernel
