#include "mounts.h"

#include <sys/mount.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "../errors.h"

namespace ipfs_zfs::kernel {
namespace {

// The list writes blanks and backslashes as three octal digits.
std::string unescape(const std::string& text) {
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(at + 1, 3), nullptr, 8));
      at += 3;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

bool is_in(const std::string& pool, const std::string& dataset) {
  if (dataset.rfind(pool, 0) != 0) return false;
  return dataset.size() == pool.size() || dataset[pool.size()] == '/' ||
         dataset[pool.size()] == '@';
}

std::string value_of(const Properties& properties, const char* name) {
  const auto found = properties.find(name);
  return found == properties.end() ? "" : found->second;
}

}  // namespace

std::vector<Mount> mounts_of(const std::string& pool) {
  std::vector<Mount> mounts;
  std::ifstream list("/proc/self/mounts");
  for (std::string line; std::getline(list, line);) {
    std::istringstream fields(line);
    std::string dataset, path, type, options;
    fields >> dataset >> path >> type >> options;
    if (type != "zfs" || !is_in(pool, unescape(dataset))) continue;
    const bool readonly = options == "ro" || options.rfind("ro,", 0) == 0;
    mounts.push_back({unescape(dataset), unescape(path), readonly});
  }
  return mounts;
}

std::optional<Mount> mount_of(const std::string& dataset) {
  for (const Mount& mounted : mounts_of(dataset)) {
    if (mounted.dataset == dataset) return mounted;
  }
  return std::nullopt;
}

Status mount(const std::string& dataset, const Properties& properties) {
  const std::string path = value_of(properties, "mountpoint");
  if (path.size() < 2 || path[0] != '/' || value_of(properties, "canmount") == "off") {
    return Error{ErrorCode::kInvalid,
                 "'" + dataset +
                     "' is not mounted, and its properties do not say where (mountpoint=" + path +
                     ", canmount=" + value_of(properties, "canmount") +
                     "); mount it, or run `zfs set mountpoint=/PATH canmount=on " + dataset + "`"};
  }
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) return make_error(failed.value(), "cannot make the folder " + path);
  const unsigned long flags = value_of(properties, "readonly") == "on" ? MS_RDONLY : 0;
  if (::mount(dataset.c_str(), path.c_str(), "zfs", flags, "") == 0) return {};
  switch (errno) {
    case EPERM:
      return Error{ErrorCode::kNotWritable, "'" + dataset +
                                                "' is not mounted, and only root may mount; run "
                                                "`sudo zfs mount " +
                                                dataset + "` first"};
    case EACCES:
      return Error{
          ErrorCode::kNotWritable,
          "the key of '" + dataset + "' is not loaded; load it before the dataset is used"};
    default: return make_error(errno, "cannot mount '" + dataset + "' at " + path);
  }
}

Status unmount(const Mount& mounted) {
  if (umount2(mounted.path.c_str(), 0) == 0) return {};
  if (errno == EPERM) {
    return Error{ErrorCode::kNotWritable, "only root may unmount " + mounted.path +
                                              "; run `sudo zfs unmount " + mounted.dataset + "`"};
  }
  if (errno == EBUSY) {
    return Error{ErrorCode::kBusy, mounted.path +
                                       " is in use; close what has files open there (`fuser -vm " +
                                       mounted.path + "` names it)"};
  }
  return make_error(errno, "cannot unmount " + mounted.path);
}

Status unmount_all(const std::string& dataset) {
  std::vector<Mount> mounts = mounts_of(dataset);
  for (auto mounted = mounts.rbegin(); mounted != mounts.rend(); ++mounted) {
    const Status unmounted = unmount(*mounted);
    if (!unmounted) return unmounted;
  }
  return {};
}

}  // namespace ipfs_zfs::kernel
