#include "mounts.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>

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

// A line, by proc_pid_mountinfo(5): number parent major:minor root path options … - type source
// options.
std::optional<Mount> parse_line(const std::string& line) {
  std::istringstream fields(line);
  std::string number, parent, root, path, options, field, type, dataset, more;
  unsigned major_number = 0, minor_number = 0;
  char colon = 0;
  fields >> number >> parent >> major_number >> colon >> minor_number >> root >> path >> options;
  while (fields >> field && field != "-") continue;
  if (!(fields >> type >> dataset >> more) || type != "zfs") return std::nullopt;
  const auto is_readonly = [](const std::string& words) {
    return words == "ro" || words.rfind("ro,", 0) == 0;
  };
  return Mount{unescape(dataset), unescape(path), makedev(major_number, minor_number), root == "/",
               is_readonly(options) || is_readonly(more)};
}

}  // namespace

std::vector<Mount> mounts_of(const std::string& pool) {
  std::vector<Mount> mounts;
  std::ifstream list("/proc/self/mountinfo");
  for (std::string line; std::getline(list, line);) {
    std::optional<Mount> found = parse_line(line);
    if (found && is_in(pool, found->dataset)) mounts.push_back(*std::move(found));
  }
  return mounts;
}

std::optional<Mount> mount_of(const std::string& dataset) {
  for (const Mount& mounted : mounts_of(dataset)) {
    if (mounted.dataset == dataset && mounted.is_whole) return mounted;
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

namespace {

// Snapshots come back by themselves when they are looked at.
void mount_again(const Mount& gone) {
  if (!gone.is_whole || gone.dataset.find('@') != std::string::npos) return;
  const unsigned long flags = gone.readonly ? MS_RDONLY : 0;
  (void)::mount(gone.dataset.c_str(), gone.path.c_str(), "zfs", flags, "");
}

}  // namespace

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
  std::vector<Mount> left = mounts_of(dataset);
  std::vector<Mount> gone;
  while (!left.empty()) {
    const Status unmounted = unmount(left.back());
    if (!unmounted) {
      for (auto mounted = gone.rbegin(); mounted != gone.rend(); ++mounted) mount_again(*mounted);
      return unmounted;
    }
    gone.push_back(std::move(left.back()));
    left.pop_back();
  }
  return {};
}

}  // namespace ipfs_zfs::kernel
