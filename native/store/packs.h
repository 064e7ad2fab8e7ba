// Packs: blocks below 64 KiB, appended back to back.
//
// Each entry carries its key, so that compaction can ask the index which entries are still live.
// Live bytes are counted per pack; dead ones are the rest.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../zfs/dataset_files.h"
#include "bytes.h"
#include "key.h"
#include "location.h"

namespace ipfs_zfs {

// 128 KiB: 128 blocks of 1 KiB share the CPU that ZFS spends on a record, and reading one block
// cold still costs one small I/O.
inline constexpr uint32_t kPackRecordBytes = 128u << 10;

inline constexpr uint8_t kPackEntryMagic = 0xB1;

struct PackEntryHeader {
  uint16_t length_bytes;
  uint8_t trailer;
  uint8_t magic;
};
static_assert(sizeof(PackEntryHeader) == kPackHeaderBytes);

struct Pack {
  FileId file = 0;
  uint32_t size_bytes = 0;  // where the next entry goes
  uint32_t live_bytes = 0;
  bool set_aside = false;  // its walk met damage: not tried again until the store is reopened
};

class Packs {
 public:
  explicit Packs(DatasetFiles& files) : files_(files) {}

  // By the writer, under the shard's writer lock, as all that changes packs.

  // A place for an entry, in the open pack or a new one. give_back() is for a batch that failed,
  // in reverse order.
  Result<Location> take(uint32_t length_bytes, uint32_t trailer);
  void give_back(Location location);
  void release(Location location);
  void seal() { open_ = 0; }
  uint64_t open_pack() const { return open_; }
  // The pack most worth compacting: below half live, or nothing live at all.
  std::optional<uint64_t> pick_sparse() const;
  bool is_dead(uint64_t id) const;  // nothing live in it, and it is not the open one
  void set_aside(uint64_t id);
  // The file goes. No reader may have a location in it.
  Status drop(uint64_t id);

  // Recovery.
  bool claim(Location location);
  void save(std::vector<uint8_t>& bytes) const;
  bool load(Reader& reader);
  // Pairs packs with their files; unlinks files of packs that nothing ever went to.
  Status find_files();

  // Any thread.
  std::optional<FileId> file_of(uint64_t id) const;
  Pack pack(uint64_t id) const;  // all zeros when there is none
  struct Totals {
    uint64_t packs = 0;
    uint64_t live_bytes = 0;
    uint64_t dead_bytes = 0;
  };
  Totals totals() const;
  std::map<uint64_t, Pack> all() const;

 private:
  DatasetFiles& files_;
  mutable std::mutex mutex_;  // of the map: readers look up files while the writer adds packs
  std::map<uint64_t, Pack> packs_;
  uint64_t open_ = 0;  // 0 = none
  uint64_t next_id_ = 1;
};

std::string pack_path(uint64_t id);

}  // namespace ipfs_zfs
