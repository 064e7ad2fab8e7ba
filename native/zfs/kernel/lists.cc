#include "lists.h"

#include <libnvpair.h>
#include <sys/fs/zfs.h>

#include <array>
#include <cerrno>

#include "../error_numbers.h"
#include "../errors.h"
#include "../property_text.h"
#include "ioctl.h"

namespace ipfs_zfs::kernel {

Nvlist name_list(const std::vector<std::string>& names) {
  Nvlist list(fnvlist_alloc());
  for (const std::string& name : names) fnvlist_add_boolean(list.get(), name.c_str());
  return list;
}

int first_error(nvlist* errors, int error) {
  nvpair_t* pair = error != 0 && errors != nullptr ? nvlist_next_nvpair(errors, nullptr) : nullptr;
  int32_t value = 0;
  if (pair != nullptr && nvpair_value_int32(pair, &value) == 0 && value != 0) return value;
  return error;
}

Result<Nvlist> property_list(const Properties& properties) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : properties) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  Nvlist list(fnvlist_alloc());
  std::array<char, 512> problem{};
  if (iz_properties_parse(list.get(), names.data(), values.data(), names.size(), problem.data(),
                          problem.size()) != 0) {
    return Error{ErrorCode::kInvalid, problem.data()};
  }
  return list;
}

namespace {

// ZFS keeps where the property was set; below that, the path goes on with the dataset's name.
std::string mountpoint_in(const std::string& dataset, nvlist* stats) {
  nvlist* entry = nullptr;
  const char* value = "/";
  const char* source = "";
  if (nvlist_lookup_nvlist(stats, "mountpoint", &entry) == 0) {
    (void)nvlist_lookup_string(entry, ZPROP_VALUE, &value);
    (void)nvlist_lookup_string(entry, ZPROP_SOURCE, &source);
  }
  std::string path = value;
  if (path[0] != '/' || std::string(source) == ZPROP_SOURCE_VAL_RECVD) return path;
  const std::string set_at = source;
  std::string below = dataset.rfind(set_at, 0) == 0 ? dataset.substr(set_at.size()) : "";
  if (below.empty()) return path;
  if (below[0] != '/') below = "/" + below;
  return path == "/" ? below : path + below;
}

}  // namespace

Result<Nvlist> stats_of(const std::string& dataset) {
  nvlist* raw = nullptr;
  const int error = own_error(kz_dataset_stats(dataset.c_str(), &raw));
  Nvlist stats(raw);
  if (error != 0) return make_error(error, dataset);
  return stats;
}

Properties properties_in(const std::string& dataset, nvlist* stats) {
  Properties properties;
  iz_properties_tell(
      stats,
      [](void* context, const char* name, const char* value) {
        (*static_cast<Properties*>(context))[name] = value;
      },
      &properties);
  if (dataset.find('@') == std::string::npos) {
    properties["mountpoint"] = mountpoint_in(dataset, stats);
  }
  return properties;
}

uint64_t property_number(nvlist* stats, const char* name) {
  nvlist* entry = nullptr;
  uint64_t number = 0;
  if (nvlist_lookup_nvlist(stats, name, &entry) != 0) return 0;
  return nvlist_lookup_uint64(entry, ZPROP_VALUE, &number) == 0 ? number : 0;
}

std::string property_source(nvlist* stats, const char* name) {
  nvlist* entry = nullptr;
  const char* source = "";
  if (nvlist_lookup_nvlist(stats, name, &entry) == 0) {
    (void)nvlist_lookup_string(entry, ZPROP_SOURCE, &source);
  }
  return source;
}

DatasetStatus status_in(const std::string& name, nvlist* stats) {
  DatasetStatus status;
  status.name = name;
  status.is_snapshot = name.find('@') != std::string::npos;
  status.used_bytes = property_number(stats, "used");
  status.referenced_bytes = property_number(stats, "referenced");
  status.logical_referenced_bytes = property_number(stats, "logicalreferenced");
  status.available_bytes = status.is_snapshot ? 0 : property_number(stats, "available");
  status.created_s = property_number(stats, "creation");
  status.created_txg = property_number(stats, "createtxg");
  status.compress_ratio = static_cast<double>(property_number(stats, "compressratio")) / 100.0;
  return status;
}

void add_key_properties(nvlist* properties, bool is_new_dataset) {
  if (is_new_dataset) fnvlist_add_uint64(properties, "encryption", ZIO_CRYPT_ON);
  fnvlist_add_uint64(properties, "keyformat", ZFS_KEYFORMAT_RAW);
  fnvlist_add_string(properties, "keylocation", "prompt");
}

std::string permissions_for(const Properties& properties) {
  std::string permissions;
  bool has_own = false;
  for (const auto& [name, value] : properties) {
    const bool is_own = name.find(':') != std::string::npos;
    if (is_own && has_own) continue;
    has_own = has_own || is_own;
    permissions += (permissions.empty() ? "" : ",") + (is_own ? "userprop" : name);
  }
  return permissions;
}

int own_error(int error) {
  switch (error) {
    case EAGAIN: return IZ_ESUSPENDED;  // what every call of /dev/zfs says of a stopped pool
    case ZFS_ERR_EXPORT_IN_PROGRESS: return EBUSY;
    default: return error;
  }
}

}  // namespace ipfs_zfs::kernel
