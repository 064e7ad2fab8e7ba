// The invariants between index, slot maps and packs. Writers wait meanwhile.
#include <algorithm>

#include "ensure.h"
#include "shard.h"

namespace ipfs_zfs {

namespace {

constexpr size_t kScanRecords = 4096;

Key highest_key() {
  Key key;
  key.fill(0xff);
  return key;
}

}  // namespace

Status Shard::check(std::vector<std::string>& faults) {
  const std::lock_guard writer(writer_mutex_);
  for (std::string& fault : index_->check()) faults.push_back(std::move(fault));
  std::vector<SlotMap> seen(kSlotClasses);
  std::vector<Location> entries;
  uint64_t keys = 0;
  uint64_t bytes = 0;
  Index::ScanEnd end;
  while (!end.done) {
    std::vector<Record> records;
    const auto scanned = index_->scan(end.next, highest_key(), kScanRecords, records);
    if (!scanned) return scanned.error();
    end = *scanned;
    for (const Record& record : records) {
      const Location location(record.value);
      keys++;
      bytes += location.length_bytes();
      if (!holds(location)) {
        faults.push_back("block " + hex_of(record.key) + " lies where nothing is in use");
      } else if (location.is_pack()) {
        entries.push_back(location);
      } else if (!seen[location.slot_class()].claim(location.slot(), location.slot_count())) {
        faults.push_back("block " + hex_of(record.key) + " shares a slot with another");
      }
    }
  }
  if (keys != index_->keys()) {
    faults.push_back("the index holds " + std::to_string(keys) + " keys and counts " +
                     std::to_string(index_->keys()));
  }
  if (bytes != block_bytes_.load()) {
    faults.push_back("the blocks have " + std::to_string(bytes) + " bytes and are counted as " +
                     std::to_string(block_bytes_.load()));
  }
  check_slots(seen, faults);
  check_packs(entries, faults);
  return {};
}

// Slots in use that no block has are leaked; the opposite was found above.
void Shard::check_slots(const std::vector<SlotMap>& seen, std::vector<std::string>& faults) {
  for (size_t i = 0; i < kSlotClasses; i++) {
    const SlotMap& map = slots_[i].map();
    uint64_t leaked = 0;
    uint64_t first = 0;
    for (uint64_t slot = 0; slot < map.end(); slot++) {
      if (!map.is_used(slot) || seen[i].is_used(slot)) continue;
      if (leaked++ == 0) first = slot;
    }
    if (leaked > 0) {
      faults.push_back(slots_path(i) + ": " + std::to_string(leaked) +
                       " slots in use by no block, the first is " + std::to_string(first));
    }
  }
}

void Shard::check_packs(std::vector<Location>& entries, std::vector<std::string>& faults) {
  std::sort(entries.begin(), entries.end(), [](Location a, Location b) {
    return a.pack() != b.pack() ? a.pack() < b.pack() : a.offset_bytes() < b.offset_bytes();
  });
  std::map<uint64_t, uint64_t> live;
  for (size_t i = 0; i < entries.size(); i++) {
    live[entries[i].pack()] += entries[i].entry_bytes();
    if (i == 0 || entries[i].pack() != entries[i - 1].pack()) continue;
    if (entries[i - 1].offset_bytes() + entries[i - 1].entry_bytes() > entries[i].offset_bytes()) {
      faults.push_back(pack_path(entries[i].pack()) + ": two blocks overlap at offset " +
                       std::to_string(entries[i].offset_bytes()));
    }
  }
  for (const auto& [id, pack] : packs_.all()) {
    if (live[id] == pack.live_bytes) continue;
    faults.push_back(pack_path(id) + ": counts " + std::to_string(pack.live_bytes) +
                     " live bytes and holds " + std::to_string(live[id]));
  }
}

}  // namespace ipfs_zfs
