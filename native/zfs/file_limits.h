// The bounds of DatasetFiles, the same in both engines.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "../result.h"

namespace ipfs_zfs {

inline constexpr size_t kApplyLimitBytes = 32 << 20;
inline constexpr size_t kApplyLimitOps = 4096;
inline constexpr size_t kReplaceLimitBytes = 16 << 20;
inline constexpr uint32_t kRecordMinBytes = 4096;
inline constexpr uint32_t kRecordMaxBytes = 16 << 20;
inline constexpr uint64_t kFileMaxBytes = uint64_t{1} << 62;

inline bool is_record_size(uint32_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kRecordMinBytes && bytes <= kRecordMaxBytes;
}

inline bool is_out_of_range(uint64_t offset_bytes, uint64_t length_bytes) {
  return length_bytes > kFileMaxBytes || offset_bytes > kFileMaxBytes - length_bytes;
}

inline Error invalid_record_size(uint32_t bytes) {
  return {ErrorCode::kInvalid, "a record size of " + std::to_string(bytes) +
                                   " is not a power of two from 4096 to 16777216"};
}

inline Error too_many_ops(size_t ops) {
  return {ErrorCode::kTooLarge, std::to_string(ops) + " changes in one batch; split it at 4096"};
}

inline Error too_many_bytes(uint64_t bytes) {
  return {ErrorCode::kTooLarge, std::to_string(bytes) + " bytes in one batch; the limit is " +
                                    std::to_string(kApplyLimitBytes)};
}

}  // namespace ipfs_zfs
