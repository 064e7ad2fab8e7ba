// The one file that says which others count: the runs, the log to begin with, the checkpoint of
// allocation state, exact counts. Replaced as a whole.
#pragma once

#include <string>
#include <vector>

#include "../../zfs/dataset_files.h"
#include "run.h"

namespace ipfs_zfs {

inline constexpr uint32_t kManifestVersion = 1;
inline constexpr uint64_t kManifestMagic = 0x0000'6E61'6D5A'4649ull;  // "IFZman"

struct Manifest {
  uint64_t first_log = 1;       // the oldest log whose changes are in no run
  uint64_t first_sequence = 1;  // of that log
  uint64_t next_file = 1;       // no run or checkpoint has had this number yet
  uint64_t keys = 0;            // live ones, at the beginning of first_log
  uint64_t checkpoint = 0;      // number of the checkpoint file of that moment; 0 = none yet
  uint64_t checkpoint_bytes = 0;
  uint64_t checkpoint_checksum = 0;
  std::vector<RunInfo> runs;  // newest first
};

std::vector<uint8_t> encode_manifest(const Manifest& manifest);
Result<Manifest> decode_manifest(std::span<const uint8_t> bytes, const std::string& path);

}  // namespace ipfs_zfs
