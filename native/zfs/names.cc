#include "names.h"

#include <zfs_namecheck.h>

namespace ipfs_zfs {
namespace {

bool begins_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

}  // namespace

Status check_name(const std::string& pool, const std::string& name, bool is_snapshot) {
  namecheck_err_t why;
  char what = 0;
  if (name != pool && !begins_with(name, pool + "/") && !begins_with(name, pool + "@")) {
    return Error{ErrorCode::kInvalid,
                 "'" + name + "' is not in the pool '" + pool + "'; give the full name"};
  }
  const bool has_at = name.find('@') != std::string::npos;
  if (entity_namecheck(name.c_str(), &why, &what) != 0 || has_at != is_snapshot) {
    return Error{ErrorCode::kInvalid,
                 "'" + name + "' is no name for a " + (is_snapshot ? "snapshot" : "dataset")};
  }
  return {};
}

Status check_bookmark(const std::string& pool, const std::string& name) {
  namecheck_err_t why;
  char what = 0;
  if (begins_with(name, pool + "#") || begins_with(name, pool + "/")) {
    if (bookmark_namecheck(name.c_str(), &why, &what) == 0) return {};
  }
  return Error{ErrorCode::kInvalid, "'" + name + "' is no name for a bookmark of this pool"};
}

std::string dataset_of(const std::string& name) { return name.substr(0, name.find('@')); }

std::string snapshot_of(const std::string& name) {
  const size_t at = name.find('@');
  return at == std::string::npos ? "" : name.substr(at + 1);
}

}  // namespace ipfs_zfs
