#include "pool_status.h"

#include <libnvpair.h>
#include <sys/fs/zfs.h>

#include <algorithm>
#include <cstring>

namespace ipfs_zfs {
namespace {

uint64_t number_in(nvlist* list, const char* key) {
  uint64_t number = 0;
  (void)nvlist_lookup_uint64(list, key, &number);
  return number;
}

const char* state_name(uint64_t state, uint64_t reason) {
  switch (state) {
    case VDEV_STATE_CLOSED:
    case VDEV_STATE_OFFLINE: return "OFFLINE";
    case VDEV_STATE_REMOVED: return "REMOVED";
    case VDEV_STATE_CANT_OPEN:
      if (reason == VDEV_AUX_CORRUPT_DATA || reason == VDEV_AUX_BAD_LOG) return "FAULTED";
      return reason == VDEV_AUX_SPLIT_POOL ? "SPLIT" : "UNAVAIL";
    case VDEV_STATE_FAULTED: return "FAULTED";
    case VDEV_STATE_DEGRADED: return "DEGRADED";
    case VDEV_STATE_HEALTHY: return "ONLINE";
    default: return "UNKNOWN";
  }
}

// An array of numbers read as the structure it was written from; shorter ones leave zeros.
template <typename Structure>
Structure structure_in(nvlist* list, const char* key) {
  Structure result{};
  uint64_t* numbers = nullptr;
  uint_t count = 0;
  if (nvlist_lookup_uint64_array(list, key, &numbers, &count) == 0) {
    std::memcpy(&result, numbers, std::min(sizeof(result), count * sizeof(uint64_t)));
  }
  return result;
}

std::string vdev_name(nvlist* vdev) {
  const char* text = "";
  if (nvlist_lookup_string(vdev, ZPOOL_CONFIG_PATH, &text) == 0) return text;
  (void)nvlist_lookup_string(vdev, ZPOOL_CONFIG_TYPE, &text);
  std::string name = text;
  if (name == VDEV_TYPE_RAIDZ) name += std::to_string(number_in(vdev, ZPOOL_CONFIG_NPARITY));
  return name + "-" + std::to_string(number_in(vdev, ZPOOL_CONFIG_ID));
}

VdevStatus parse_vdev(nvlist* vdev) {
  VdevStatus status;
  const auto stat = structure_in<vdev_stat_t>(vdev, ZPOOL_CONFIG_VDEV_STATS);
  status.name = vdev_name(vdev);
  status.state = state_name(stat.vs_state, stat.vs_aux);
  status.read_errors = stat.vs_read_errors;
  status.write_errors = stat.vs_write_errors;
  status.checksum_errors = stat.vs_checksum_errors;
  nvlist** children = nullptr;
  uint_t count = 0;
  if (nvlist_lookup_nvlist_array(vdev, ZPOOL_CONFIG_CHILDREN, &children, &count) == 0) {
    for (uint_t i = 0; i < count; ++i) status.children.push_back(parse_vdev(children[i]));
  }
  // A disk that fails at work is faulted at once, but OpenZFS leaves it to a daemon (zed) to tell
  // the vdevs above it.
  const bool all_online =
      std::all_of(status.children.begin(), status.children.end(),
                  [](const VdevStatus& child) { return child.state == "ONLINE"; });
  if (status.state == "ONLINE" && !all_online) status.state = "DEGRADED";
  return status;
}

ScrubStatus parse_scrub(nvlist* root) {
  const auto scan = structure_in<pool_scan_stat_t>(root, ZPOOL_CONFIG_SCAN_STATS);
  ScrubStatus status;
  switch (scan.pss_state) {
    case DSS_SCANNING: status.state = "scanning"; break;
    case DSS_FINISHED: status.state = "finished"; break;
    case DSS_CANCELED: status.state = "canceled"; break;
    default: status.state = "none"; return status;
  }
  status.examined_bytes = scan.pss_issued != 0 ? scan.pss_issued : scan.pss_examined;
  status.to_examine_bytes = scan.pss_to_examine - std::min(scan.pss_to_examine, scan.pss_skipped);
  if (scan.pss_state == DSS_FINISHED) status.examined_bytes = status.to_examine_bytes;
  status.repaired_bytes = scan.pss_processed;
  status.errors = scan.pss_errors;
  status.start_s = scan.pss_start_time;
  status.end_s = scan.pss_state == DSS_SCANNING ? 0 : scan.pss_end_time;
  return status;
}

}  // namespace

PoolStatus parse_status(const std::string& name, nvlist* stats, bool is_suspended) {
  PoolStatus status;
  status.name = name;
  status.guid = std::to_string(number_in(stats, ZPOOL_CONFIG_POOL_GUID));
  nvlist* root = nullptr;
  if (nvlist_lookup_nvlist(stats, ZPOOL_CONFIG_VDEV_TREE, &root) != 0) return status;
  const auto stat = structure_in<vdev_stat_t>(root, ZPOOL_CONFIG_VDEV_STATS);
  status.root = parse_vdev(root);
  status.root.name = name;
  status.state = is_suspended ? "SUSPENDED" : status.root.state;
  status.size_bytes = stat.vs_space;
  status.allocated_bytes = stat.vs_alloc;
  status.free_bytes = stat.vs_space - std::min(stat.vs_space, stat.vs_alloc);
  status.scrub = parse_scrub(root);
  return status;
}

}  // namespace ipfs_zfs
