// What a stream is to hold and where it is to begin, from the caller's options or from the token
// that a receiver keeps of a stream that was cut (its property receive_resume_token).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "pool_admin.h"

namespace ipfs_zfs {

struct StreamPlan {
  bool embedded = true;      // data that ZFS keeps in block pointers, as it is
  bool large_blocks = true;  // records over 128K stay whole
  bool compressed = false;
  bool raw = false;
  uint64_t object = 0;  // with `offset` where to go on; 0, 0 is the start
  uint64_t offset = 0;
};

// The GUID of a snapshot or bookmark.
using GuidOf = std::function<Result<uint64_t>(const std::string&)>;

// kResumeToken when the options' token is none, or not one of these two snapshots.
Result<StreamPlan> plan_stream(const std::string& snapshot, const SendOptions& options,
                               const GuidOf& guid_of);

}  // namespace ipfs_zfs
