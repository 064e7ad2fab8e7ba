#include "manifest.h"

#include "../bytes.h"
#include "../checksum.h"

namespace ipfs_zfs {

namespace {
// Far above what tiers of eight can leave behind (about 8 for each power of eight tables).
constexpr uint32_t kMaxRuns = 1u << 16;
constexpr size_t kChecksumBytes = sizeof(uint64_t);
}  // namespace

std::vector<uint8_t> encode_manifest(const Manifest& manifest) {
  std::vector<uint8_t> bytes;
  append_le(bytes, kManifestMagic);
  append_le(bytes, kManifestVersion);
  append_le(bytes, static_cast<uint32_t>(sizeof(Value)));
  append_le(bytes, manifest.first_log);
  append_le(bytes, manifest.first_sequence);
  append_le(bytes, manifest.next_file);
  append_le(bytes, manifest.keys);
  append_le(bytes, manifest.checkpoint);
  append_le(bytes, manifest.checkpoint_bytes);
  append_le(bytes, manifest.checkpoint_checksum);
  append_le(bytes, static_cast<uint64_t>(manifest.runs.size()));
  for (const RunInfo& run : manifest.runs) {
    append_le(bytes, run.id);
    append_le(bytes, uint64_t{run.level});
    append_le(bytes, run.records);
    append_le(bytes, run.size_bytes);
    append_le(bytes, run.footer_checksum);
  }
  append_le(bytes, checksum(bytes));
  return bytes;
}

Result<Manifest> decode_manifest(std::span<const uint8_t> bytes, const std::string& path) {
  const Error corrupt{ErrorCode::kCorrupt, path + " at offset 0: a damaged manifest"};
  Reader reader(bytes);
  if (reader.take<uint64_t>() != kManifestMagic) return corrupt;
  if (reader.take<uint32_t>() > kManifestVersion) {
    return Error{ErrorCode::kNewerVersion, path + ": written by a newer version"};
  }
  if (reader.failed() || bytes.size() < kChecksumBytes) return corrupt;
  const size_t covered = bytes.size() - kChecksumBytes;
  if (checksum(bytes.first(covered)) != load_le<uint64_t>(bytes.data() + covered)) return corrupt;
  if (reader.take<uint32_t>() != sizeof(Value)) return corrupt;
  Manifest manifest;
  manifest.first_log = reader.take<uint64_t>();
  manifest.first_sequence = reader.take<uint64_t>();
  manifest.next_file = reader.take<uint64_t>();
  manifest.keys = reader.take<uint64_t>();
  manifest.checkpoint = reader.take<uint64_t>();
  manifest.checkpoint_bytes = reader.take<uint64_t>();
  manifest.checkpoint_checksum = reader.take<uint64_t>();
  const auto runs = reader.take<uint64_t>();
  if (reader.failed() || runs > kMaxRuns) return corrupt;
  for (uint64_t i = 0; i < runs; i++) {
    RunInfo run;
    run.id = reader.take<uint64_t>();
    run.level = static_cast<uint32_t>(reader.take<uint64_t>());
    run.records = reader.take<uint64_t>();
    run.size_bytes = reader.take<uint64_t>();
    run.footer_checksum = reader.take<uint64_t>();
    if (run.id >= manifest.next_file) return corrupt;
    manifest.runs.push_back(run);
  }
  if (reader.failed() || reader.left() != kChecksumBytes) return corrupt;
  return manifest;
}

}  // namespace ipfs_zfs
