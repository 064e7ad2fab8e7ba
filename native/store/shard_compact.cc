// Compaction: the live blocks of a sparse pack move to the open pack, and its file goes.
//
// A move is an ordinary logged change, in one apply with the bytes it moves: a crash leaves each
// block in one of the two places, and the pack's live count right.
#include <algorithm>
#include <cstring>

#include "ensure.h"
#include "shard.h"

namespace ipfs_zfs {

namespace {

// A pack is walked in steps of this size: one apply moves what lives in one of them.
constexpr uint32_t kChunkBytes = 1u << 20;

}  // namespace

Result<uint64_t> Shard::compact_step() {
  const std::lock_guard one(compact_mutex_);
  uint64_t pack = 0;
  {
    const std::lock_guard writer(writer_mutex_);
    const auto sparse = packs_.pick_sparse();
    if (!sparse) return uint64_t{0};
    pack = *sparse;
    if (pack == packs_.open_pack()) packs_.seal();
    compacting_ = pack;
  }
  auto given_back = compact(pack);
  const std::lock_guard writer(writer_mutex_);
  compacting_ = 0;
  if (!given_back && given_back.error().code == ErrorCode::kCorrupt) packs_.set_aside(pack);
  return given_back;
}

Result<uint64_t> Shard::compact(uint64_t id) {
  const Pack pack = packs_.pack(id);
  uint64_t moved_bytes = 0;
  std::vector<uint8_t> bytes;
  for (uint32_t at = 0; at < pack.size_bytes && !packs_.is_dead(id);) {
    bytes.resize(std::min(kChunkBytes, pack.size_bytes - at));
    ReadOp op{at, bytes.size(), bytes.data()};
    const Status read = files_->read(pack.file, {&op, 1});
    if (!read) return read.error();
    if (!op.ok) {
      return Error{op.error, pack_path(id) + " at offset " + std::to_string(at) +
                                 ": cannot be read, so the pack is not compacted"};
    }
    const uint32_t live_before = packs_.pack(id).live_bytes;
    const auto walked = move_chunk(id, bytes, at);
    if (!walked) return walked.error();
    moved_bytes += live_before - std::min(live_before, packs_.pack(id).live_bytes);
    at += *walked;
  }
  const std::lock_guard writer(writer_mutex_);
  if (!packs_.is_dead(id)) {
    return Error{ErrorCode::kCorrupt, pack_path(id) + ": counts live bytes that are not in it"};
  }
  epoch_.synchronize();  // readers that found a block here before it moved
  const Status dropped = packs_.drop(id);
  if (!dropped) return dropped.error();
  return pack.size_bytes - std::min<uint64_t>(moved_bytes, pack.size_bytes);
}

// Moves what lives among the whole entries in `bytes`, which lie at `base` of the pack. Returns how
// far the entries reach.
Result<uint32_t> Shard::move_chunk(uint64_t id, const std::vector<uint8_t>& bytes, uint32_t base) {
  std::vector<Key> keys;
  std::vector<Value> places;
  uint32_t at = 0;
  while (at + kPackPrefixBytes <= bytes.size()) {
    PackEntryHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.magic != kPackEntryMagic || header.trailer >= kTrailerBytes.size()) {
      return Error{ErrorCode::kCorrupt,
                   pack_path(id) + " at offset " + std::to_string(base + at) + ": not an entry"};
    }
    const Location location = Location::in_pack(header.length_bytes, header.trailer, id, base + at);
    if (at + location.entry_bytes() > bytes.size()) break;
    Key& key = keys.emplace_back();
    std::memcpy(key.data(), bytes.data() + at + sizeof(header), key.size());
    places.push_back(location.value());
    at += location.entry_bytes();
  }
  if (at == 0) {
    return Error{ErrorCode::kCorrupt,
                 pack_path(id) + " at offset " + std::to_string(base) + ": an entry cut short"};
  }
  std::vector<Found> found(keys.size());
  index_->find_many(keys, found);
  std::vector<Record> live;
  for (size_t i = 0; i < keys.size(); i++) {
    if (found[i].state == Lookup::kFailed) {
      return Error{found[i].error, "an index page cannot be read, so a pack is not compacted"};
    }
    if (found[i].state == Lookup::kFound && found[i].value == places[i]) {
      live.push_back(Record{keys[i], places[i]});
    }
  }
  for (size_t start = 0; start < live.size(); start += group_keys_) {
    const size_t count = std::min(group_keys_, live.size() - start);
    const Status moved = move_live(std::span(live).subspan(start, count), bytes.data(), base);
    if (!moved) return moved.error();
  }
  return at;
}

Status Shard::move_live(std::span<const Record> entries, const uint8_t* bytes, uint32_t base) {
  const std::lock_guard writer(writer_mutex_);
  const Status room = index_->make_room(entries.size(), Index::Room::kPut);
  if (!room) return room;
  group_.reset();
  Status done = add_moves(entries, bytes, base);
  if (done && group_.empty()) return {};
  std::vector<FileOp>& ops = group_.data_ops();
  if (done) {
    ops.push_back(index_->stage(group_.changes()));
    // What the pack gives back in the end is more than what is written now.
    ops.push_back(index_->freeing_op(group_.data_bytes()));
    const auto txg = files_->apply(ops);
    if (txg) {
      last_txg_.store(*txg);
    } else {
      done = txg.error();
    }
  }
  if (!done) {
    roll_back_group();
    return done;
  }
  index_->commit(group_.changes());
  for (const Change& change : group_.changes()) packs_.release(Location(change.old_value));
  return {};
}

Status Shard::add_moves(std::span<const Record> entries, const uint8_t* bytes, uint32_t base) {
  std::vector<Key> keys;
  std::vector<Found> found(entries.size());
  for (const Record& entry : entries) keys.push_back(entry.key);
  index_->find_many(keys, found);
  for (size_t i = 0; i < entries.size(); i++) {
    // Deleted meanwhile, perhaps put again elsewhere.
    if (found[i].state != Lookup::kFound || found[i].value != entries[i].value) continue;
    const Location from(entries[i].value);
    const auto to = packs_.take(from.length_bytes(), from.trailer());
    if (!to) return to.error();
    const auto file = packs_.file_of(to->pack());
    ENSURE(file.has_value() && to->pack() != from.pack());
    group_.add_move(entries[i].key, from, *to, *file, bytes + (from.offset_bytes() - base));
  }
  return {};
}

}  // namespace ipfs_zfs
