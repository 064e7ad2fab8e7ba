#include "labels.h"

#include <fcntl.h>
#include <libnvpair.h>
#include <libzutil.h>
#include <sys/fs/zfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "errors.h"

namespace ipfs_zfs {

void NvlistDeleter::operator()(nvlist* list) const { nvlist_free(list); }

namespace {

Nvlist make_nvlist() { return Nvlist(fnvlist_alloc()); }

uint64_t number_in(nvlist* list, const char* key) {
  uint64_t number = 0;
  (void)nvlist_lookup_uint64(list, key, &number);
  return number;
}

std::string text_in(nvlist* list, const char* key) {
  const char* text = "";
  (void)nvlist_lookup_string(list, key, &text);
  return text;
}

// Leaves are found by their guid: the path in a label is where the vdev once was.
void correct_paths(nvlist* vdev, const std::map<uint64_t, std::string>& paths) {
  nvlist** children = nullptr;
  uint_t count = 0;
  if (nvlist_lookup_nvlist_array(vdev, ZPOOL_CONFIG_CHILDREN, &children, &count) == 0) {
    for (uint_t i = 0; i < count; ++i) correct_paths(children[i], paths);
    return;
  }
  const auto found = paths.find(number_in(vdev, ZPOOL_CONFIG_GUID));
  if (found == paths.end()) return;
  fnvlist_add_string(vdev, ZPOOL_CONFIG_PATH, found->second.c_str());
  (void)nvlist_remove_all(vdev, ZPOOL_CONFIG_DEVID);
  (void)nvlist_remove_all(vdev, ZPOOL_CONFIG_PHYS_PATH);
}

Nvlist missing_vdev(uint64_t id) {
  Nvlist vdev = make_nvlist();
  fnvlist_add_string(vdev.get(), ZPOOL_CONFIG_TYPE, VDEV_TYPE_MISSING);
  fnvlist_add_uint64(vdev.get(), ZPOOL_CONFIG_ID, id);
  fnvlist_add_uint64(vdev.get(), ZPOOL_CONFIG_GUID, 0);
  return vdev;
}

struct Labels {
  Nvlist newest;                    // the pool-wide facts
  std::map<uint64_t, Nvlist> tops;  // by vdev id
  std::map<uint64_t, uint64_t> top_txgs;
  std::map<uint64_t, std::string> paths;  // by leaf guid
};

Status add_label(Labels& labels, Nvlist label, const std::string& path) {
  const uint64_t txg = number_in(label.get(), ZPOOL_CONFIG_POOL_TXG);
  if (labels.newest != nullptr && number_in(label.get(), ZPOOL_CONFIG_POOL_GUID) !=
                                      number_in(labels.newest.get(), ZPOOL_CONFIG_POOL_GUID)) {
    return Error{ErrorCode::kNotAPool,
                 path + " belongs to another pool (" +
                     text_in(label.get(), ZPOOL_CONFIG_POOL_NAME) +
                     ") than the vdevs before it; give the vdevs of one pool"};
  }
  labels.paths[number_in(label.get(), ZPOOL_CONFIG_GUID)] = path;
  nvlist* top = nullptr;
  if (nvlist_lookup_nvlist(label.get(), ZPOOL_CONFIG_VDEV_TREE, &top) == 0) {
    const uint64_t id = number_in(top, ZPOOL_CONFIG_ID);
    if (labels.tops.count(id) == 0 || labels.top_txgs[id] < txg) {
      labels.tops[id] = Nvlist(fnvlist_dup(top));
      labels.top_txgs[id] = txg;
    }
  }
  if (labels.newest == nullptr || number_in(labels.newest.get(), ZPOOL_CONFIG_POOL_TXG) < txg) {
    labels.newest = std::move(label);
  }
  return {};
}

Nvlist build_config(Labels& labels) {
  nvlist* newest = labels.newest.get();
  uint64_t count = number_in(newest, ZPOOL_CONFIG_VDEV_CHILDREN);
  if (!labels.tops.empty()) count = std::max(count, labels.tops.rbegin()->first + 1);

  std::vector<nvlist*> children;
  for (uint64_t id = 0; id < count; ++id) {
    Nvlist& top = labels.tops[id];
    if (top == nullptr) top = missing_vdev(id);
    correct_paths(top.get(), labels.paths);
    children.push_back(top.get());
  }
  Nvlist root = make_nvlist();
  fnvlist_add_string(root.get(), ZPOOL_CONFIG_TYPE, VDEV_TYPE_ROOT);
  fnvlist_add_uint64(root.get(), ZPOOL_CONFIG_ID, 0);
  fnvlist_add_uint64(root.get(), ZPOOL_CONFIG_GUID, number_in(newest, ZPOOL_CONFIG_POOL_GUID));
  fnvlist_add_nvlist_array(root.get(), ZPOOL_CONFIG_CHILDREN, children.data(),
                           static_cast<uint_t>(children.size()));

  Nvlist config(fnvlist_dup(newest));
  for (const char* leaf_fact : {ZPOOL_CONFIG_VDEV_TREE, ZPOOL_CONFIG_TOP_GUID, ZPOOL_CONFIG_GUID}) {
    (void)nvlist_remove_all(config.get(), leaf_fact);
  }
  fnvlist_add_nvlist(config.get(), ZPOOL_CONFIG_VDEV_TREE, root.get());
  return config;
}

}  // namespace

Result<Nvlist> read_label(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return make_error(errno, "cannot open " + path);
  nvlist* label = nullptr;
  int count = 0;
  const int error = zpool_read_label(fd, &label, &count);
  close(fd);
  Nvlist owned(label);
  if (error != 0 || count == 0) return Nvlist();
  // Spares and cache devices carry a label without a pool.
  if (!nvlist_exists(owned.get(), ZPOOL_CONFIG_POOL_GUID)) return Nvlist();
  return owned;
}

Result<Nvlist> pool_config(const std::string& name, const std::vector<std::string>& paths) {
  Labels labels;
  for (const std::string& path : paths) {
    Result<Nvlist> label = read_label(path);
    if (!label) return label.error();
    if (*label == nullptr) continue;
    Status added = add_label(labels, std::move(*label), path);
    if (!added) return added.error();
  }
  if (labels.newest == nullptr) {
    return Error{ErrorCode::kNotAPool, (paths.empty() ? name : paths.front()) +
                                           " holds no ZFS pool, or its labels are damaged; "
                                           "create a pool, or restore the device"};
  }
  const std::string found = text_in(labels.newest.get(), ZPOOL_CONFIG_POOL_NAME);
  if (found != name) {
    return Error{ErrorCode::kNotFound, paths.front() + " holds the pool '" + found + "', not '" +
                                           name + "'; open it under its own name"};
  }
  if (number_in(labels.newest.get(), ZPOOL_CONFIG_POOL_STATE) == POOL_STATE_DESTROYED) {
    return Error{ErrorCode::kNotAPool, "the pool '" + name +
                                           "' was destroyed; `zpool import -D` "
                                           "can bring it back"};
  }
  return build_config(labels);
}

}  // namespace ipfs_zfs
