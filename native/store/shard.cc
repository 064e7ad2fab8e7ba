#include "shard.h"

#include <algorithm>

#include "ensure.h"

namespace ipfs_zfs {

namespace {

constexpr uint32_t kCheckpointVersion = 1;
// One block of 4 MiB with a trailer takes two slots, and its log frame must fit beside it.
constexpr size_t kLeastApplyBytes = 2 * size_t{kMaxLengthBytes} + (64u << 10);
constexpr char kIndexFolder[] = "index/blocks";

size_t group_keys_for(size_t table_keys) {
  // Room for the log op and two pack ops among the ops of an apply; and a group never takes more
  // than a quarter of a table, so that tables fill up before they are frozen.
  return std::clamp<size_t>(table_keys / 4, 1, kMaxApplyOps - 3);
}

}  // namespace

Shard::Shard(std::shared_ptr<DatasetFiles> files, size_t table_keys)
    : files_(std::move(files)),
      group_keys_(group_keys_for(table_keys)),
      apply_bytes_(files_->apply_limit_bytes()),
      packs_(*files_),
      group_(group_keys_) {}

Shard::~Shard() {
  if (index_) index_->close();
}

Result<std::unique_ptr<Shard>> Shard::open(std::shared_ptr<DatasetFiles> files,
                                           Background& background, size_t table_keys,
                                           std::optional<size_t> index_memory_bytes) {
  if (files->apply_limit_bytes() < kLeastApplyBytes) {
    return Error{ErrorCode::kInvalid,
                 "an apply must take at least " + std::to_string(kLeastApplyBytes) + " bytes"};
  }
  std::unique_ptr<Shard> shard(new Shard(std::move(files), table_keys));
  for (size_t i = 0; i < kSlotClasses; i++) {
    const Status opened = shard->slots_[i].open(*shard->files_, i);
    if (!opened) return opened.error();
  }
  Index::Options options{kIndexFolder, table_keys};
  if (index_memory_bytes) {
    options.memory_bytes = *index_memory_bytes;
    options.page_cache_bytes = *index_memory_bytes;
  }
  auto index = Index::open(*shard->files_, background, *shard, std::move(options));
  if (!index) return index.error();
  shard->index_ = *std::move(index);
  const Status found = shard->packs_.find_files();
  if (!found) return found.error();
  shard->last_txg_.store(shard->files_->open_txg());
  return shard;
}

Status Shard::close() {
  index_->close();
  return files_->wait_durable(files_->open_txg());
}

bool Shard::holds(Location location) const {
  if (!location.is_valid()) return false;
  if (location.is_pack()) {
    const Pack pack = packs_.pack(location.pack());
    return pack.live_bytes >= location.entry_bytes() &&
           uint64_t{location.offset_bytes()} + location.entry_bytes() <= pack.size_bytes;
  }
  return slots_[location.slot_class()].map().all_used(location.slot(), location.slot_count());
}

bool Shard::claim(Location location) {
  if (!location.is_valid()) return false;
  if (location.is_pack()) return packs_.claim(location);
  return slots_[location.slot_class()].map().claim(location.slot(), location.slot_count());
}

void Shard::release(Location location) {
  if (location.is_pack()) {
    packs_.release(location);
  } else {
    slots_[location.slot_class()].map().release(location.slot(), location.slot_count());
  }
}

Result<FileId> Shard::file_of(Location location) const {
  if (!location.is_valid()) return Error{ErrorCode::kCorrupt, "an index record of no place"};
  if (!location.is_pack()) return slots_[location.slot_class()].file();
  const auto file = packs_.file_of(location.pack());
  if (!file) return Error{ErrorCode::kCorrupt, "an index record of no pack"};
  return *file;
}

Status Shard::compact_index() {
  {
    const std::lock_guard writer(writer_mutex_);
    const Status frozen = index_->stats().table_keys > 0 ? index_->freeze() : Status();
    if (!frozen) return frozen;
  }
  return index_->compact();
}

void Shard::add_stats(StoreStats& stats) const {
  stats.blocks += index_->keys();
  stats.block_bytes += block_bytes_.load();
  for (const Slots& slots : slots_) stats.slot_records_used += slots.map().used();
  const Packs::Totals packs = packs_.totals();
  stats.packs += packs.packs;
  stats.pack_live_bytes += packs.live_bytes;
  stats.pack_dead_bytes += packs.dead_bytes;
  const Index::Stats index = index_->stats();
  stats.index_runs += index.runs;
  stats.index_table_keys += index.table_keys;
  stats.index_disk_bytes += index.disk_bytes;
  stats.index_memory_bytes += index.memory_bytes;
}

std::vector<uint8_t> Shard::checkpoint() {
  std::vector<uint8_t> bytes;
  append_le(bytes, kCheckpointVersion);
  append_le(bytes, static_cast<uint32_t>(kSlotClasses));
  append_le(bytes, block_bytes_.load());
  for (const Slots& slots : slots_) slots.map().save(bytes);
  packs_.save(bytes);
  return bytes;
}

Status Shard::restore(std::span<const uint8_t> checkpoint) {
  if (checkpoint.empty()) return {};
  const Error corrupt{ErrorCode::kCorrupt, "a checkpoint that makes no sense"};
  Reader reader(checkpoint);
  if (reader.take<uint32_t>() > kCheckpointVersion) {
    return Error{ErrorCode::kNewerVersion, "a checkpoint written by a newer version"};
  }
  if (reader.take<uint32_t>() != kSlotClasses) return corrupt;
  block_bytes_.store(reader.take<uint64_t>());
  for (Slots& slots : slots_) {
    if (!slots.map().load(reader)) return corrupt;
  }
  if (!packs_.load(reader) || reader.failed() || reader.left() != 0) return corrupt;
  return {};
}

Status Shard::replay(const Change& change) {
  if (change.old_value != kTombstone) {
    const Location old(change.old_value);
    if (!holds(old)) return Error{ErrorCode::kCorrupt, "a logged change frees what is not in use"};
    release(old);
    block_bytes_ -= old.length_bytes();
  }
  if (change.value != kTombstone) {
    const Location location(change.value);
    if (!claim(location)) {
      return Error{ErrorCode::kCorrupt, "a logged change takes what is in use already"};
    }
    block_bytes_ += location.length_bytes();
  }
  return {};
}

}  // namespace ipfs_zfs
