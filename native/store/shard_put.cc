// Changing a shard: puts in groups, deletes.
#include <algorithm>

#include "ensure.h"
#include "shard.h"

namespace ipfs_zfs {

namespace {

Error unreadable_index(ErrorCode code) {
  return Error{code, "an index page cannot be read, so it is not known whether a block is there"};
}

std::optional<ErrorCode> first_failure(std::span<const Found> found) {
  for (const Found& one : found) {
    if (one.state == Lookup::kFailed) return one.error;
  }
  return std::nullopt;
}

}  // namespace

Result<Txg> Shard::put(std::span<const Key> keys, std::span<const uint32_t> index,
                       std::span<const PutBlock> blocks) {
  ENSURE(keys.size() == index.size());
  for (size_t start = 0; start < keys.size(); start += group_keys_) {
    const size_t count = std::min(group_keys_, keys.size() - start);
    PutRequest request;
    request.keys = keys.subspan(start, count);
    request.index = index.subspan(start, count);
    request.blocks = blocks;
    const Status done = put_slice(request);
    if (!done) return done.error();
  }
  // What was there already may be as young as the newest change.
  return last_txg();
}

Status Shard::put_slice(PutRequest& request) {
  // Most of the looking up happens here, in the caller's thread; the writer only looks again at
  // what may have changed since.
  request.found.resize(request.keys.size());
  request.generation = index_->find_many(request.keys, request.found);
  const bool all_there = std::all_of(request.found.begin(), request.found.end(),
                                     [](const Found& one) { return one.state == Lookup::kFound; });
  if (all_there) return {};
  {
    const std::lock_guard lock(queue_mutex_);
    queue_.push_back(&request);
  }
  const std::lock_guard writer(writer_mutex_);
  while (!request.done) run_group();  // unless another writer took it along
  return request.status;
}

void Shard::run_group() {
  std::vector<PutRequest*> members;
  Status done = fill_group(members);
  if (done && !group_.empty()) done = commit_group();
  for (PutRequest* member : members) {
    if (!done && member->status) member->status = done;
    if (!member->status || member->next == member->keys.size()) member->done = true;
  }
  const std::lock_guard lock(queue_mutex_);
  std::erase_if(queue_, [](const PutRequest* request) { return request->done; });
}

// `members` become the requests that have a part in the group, or whose error is known.
Status Shard::fill_group(std::vector<PutRequest*>& members) {
  group_.reset();
  size_t wanted = 0;
  {
    const std::lock_guard lock(queue_mutex_);
    for (PutRequest* request : queue_) {
      members.push_back(request);
      wanted += request->keys.size() - request->next;
      if (wanted >= group_keys_) break;
    }
  }
  const Status room = index_->make_room(std::min(wanted, group_keys_), Index::Room::kPut);
  if (!room) return room;
  for (size_t i = 0; i < members.size(); i++) {
    PutRequest& request = *members[i];
    index_->find_again(request.generation, request.keys.subspan(request.next),
                       std::span(request.found).subspan(request.next));
    const auto added = add_items(request);
    if (!added) {
      request.status = added.error();  // its own trouble; the others go on
    } else if (*added == Added::kFull) {
      members.resize(i + 1);
    }
  }
  return {};
}

Result<Shard::Added> Shard::add_items(PutRequest& request) {
  for (; request.next < request.keys.size(); request.next++) {
    const Found& found = request.found[request.next];
    const Key& key = request.keys[request.next];
    if (found.state == Lookup::kFailed) return unreadable_index(found.error);
    if (found.state == Lookup::kFound || group_.has(key)) continue;
    if (group_.changes().size() == group_keys_) return Added::kFull;

    const PutBlock& block = request.blocks[request.index[request.next]];
    std::span<const uint8_t> kept;
    if (!is_sha2_256(block.multihash)) kept = block.multihash;
    const auto length = static_cast<uint32_t>(block.bytes.size());
    const uint32_t trailer = kept.empty() ? 0 : trailer_class_of(kept.size());
    const bool small = length < kSmallestClassBytes;
    const Location shape =
        small ? Location::in_pack(length, trailer, 0, 0) : Location::in_slots(length, trailer, 0);
    const uint64_t bytes = group_.data_bytes() + PutGroup::footprint_bytes(shape) +
                           Index::staged_bytes(group_.changes().size() + 1);
    // One op more for the block, one if that opens a pack, one for the log.
    if (bytes > apply_bytes_ || group_.ops() + 3 > kMaxApplyOps) {
      ENSURE(!group_.empty());
      return Added::kFull;
    }
    const auto location = place(length, trailer);
    if (!location) return location.error();
    const auto file = file_of(*location);
    ENSURE(file.ok());
    group_.add(key, kept, block.bytes, *location, *file);
  }
  return Added::kAll;
}

Result<Location> Shard::place(uint32_t length_bytes, uint32_t trailer) {
  if (length_bytes < kSmallestClassBytes) return packs_.take(length_bytes, trailer);
  const Location shape = Location::in_slots(length_bytes, trailer, 0);
  const auto slot = slots_[shape.slot_class()].map().take(shape.slot_count());
  if (!slot) return Error{ErrorCode::kNoSpace, "a slot file is at its largest; add a shard"};
  return Location::in_slots(length_bytes, trailer, *slot);
}

Status Shard::commit_group() {
  // The log op comes last: an engine that cannot make them one transaction does them in this
  // order, and a frame that is whole then has its data.
  std::vector<FileOp>& ops = group_.data_ops();
  ops.push_back(index_->stage(group_.changes()));
  ENSURE(ops.size() <= kMaxApplyOps);
  const Status room = files_->keep_room(group_.data_bytes());
  const auto txg = room ? files_->apply(ops) : room.error();
  if (!txg) {
    roll_back_group();
    return txg.error();
  }
  // Before anybody can find the blocks: who finds them waits for this group.
  last_txg_.store(*txg);
  index_->commit(group_.changes());
  block_bytes_ += group_.block_bytes();
  return {};
}

void Shard::roll_back_group() {
  const auto changes = group_.changes();
  for (size_t i = changes.size(); i-- > 0;) {
    const Location location(changes[i].value);
    if (location.is_pack()) {
      packs_.give_back(location);
    } else {
      release(location);
    }
  }
}

Result<Txg> Shard::remove(std::span<const Key> keys, RemovedBlocks* removed) {
  for (size_t start = 0; start < keys.size(); start += group_keys_) {
    const size_t count = std::min(group_keys_, keys.size() - start);
    const Status done = remove_slice(keys.subspan(start, count), removed);
    if (!done) return done.error();
  }
  return last_txg();
}

Status Shard::remove_slice(std::span<const Key> keys, RemovedBlocks* removed) {
  std::vector<Found> found(keys.size());
  const uint64_t generation = index_->find_many(keys, found);
  const bool none = std::all_of(found.begin(), found.end(),
                                [](const Found& one) { return one.state == Lookup::kAbsent; });
  if (none) return {};
  const std::lock_guard writer(writer_mutex_);
  const Status room = index_->make_room(keys.size(), Index::Room::kDelete);
  if (!room) return room;
  index_->find_again(generation, keys, found);
  if (const auto failed = first_failure(found)) return unreadable_index(*failed);
  std::vector<Change> changes;
  for (size_t i = 0; i < keys.size(); i++) {
    if (found[i].state != Lookup::kFound) continue;
    if (!holds(Location(found[i].value))) {
      return Error{ErrorCode::kCorrupt, "the index names a place that is not in use: run a check"};
    }
    changes.push_back(Change{keys[i], kTombstone, found[i].value});
  }
  // A key that was given twice is deleted once.
  const auto by_key = [](const Change& a, const Change& b) { return less(a.key, b.key); };
  if (!std::ranges::is_sorted(changes, by_key)) std::ranges::sort(changes, by_key);
  const auto twice = std::unique(changes.begin(), changes.end(),
                                 [](const Change& a, const Change& b) { return a.key == b.key; });
  changes.erase(twice, changes.end());
  if (changes.empty()) return {};
  if (removed == nullptr) return commit_deletes(changes);
  RemovedBlocks these;
  name_removed(changes, these);
  const Status done = commit_deletes(changes);
  if (!done) return done;
  std::ranges::copy(these.digests, std::back_inserter(removed->digests));
  std::ranges::move(these.multihashes, std::back_inserter(removed->multihashes));
  return {};
}

// By the writer, before what is to be deleted can be written over.
void Shard::name_removed(std::span<const Change> changes, RemovedBlocks& removed) {
  std::vector<Record> foreign;
  for (const Change& change : changes) {
    if (Location(change.old_value).is_foreign()) {
      foreign.push_back(Record{change.key, change.old_value});
    } else {
      removed.digests.push_back(change.key);
    }
  }
  std::vector<ScannedBlock> blocks(foreign.size());
  read_multihashes(foreign, blocks);
  for (ScannedBlock& block : blocks) removed.multihashes.push_back(std::move(block.multihash));
}

Status Shard::commit_deletes(std::span<const Change> changes) {
  std::vector<FileOp> ops;
  // The log op first: in an engine that does them one by one, a hole then never lies under a block
  // that the log still has.
  ops.push_back(index_->stage(changes));
  ops.push_back(index_->freeing_op(0));
  for (const Change& change : changes) {
    const Location location(change.old_value);
    if (location.is_pack()) continue;
    FileOp punch;
    punch.kind = FileOp::Kind::kPunch;
    punch.file = slots_[location.slot_class()].file();
    punch.offset_bytes = location.data_offset_bytes();
    punch.length_bytes = uint64_t{location.slot_count()} * location.class_bytes();
    ops.push_back(punch);
  }
  ENSURE(ops.size() <= kMaxApplyOps);
  index_->publish(changes);  // nobody finds them from here on,
  epoch_.synchronize();      // and who found them before has the bytes
  const auto txg = files_->apply(ops);
  if (!txg) {
    index_->unpublish(changes);
    return txg.error();
  }
  last_txg_.store(*txg);
  index_->commit(changes);
  for (const Change& change : changes) {
    const Location location(change.old_value);
    release(location);
    block_bytes_ -= location.length_bytes();
  }
  drop_dead_packs(changes);
  return {};
}

// A pack without a live block goes at once: on a full pool that is the space to go on with.
void Shard::drop_dead_packs(std::span<const Change> changes) {
  uint64_t last = 0;
  for (const Change& change : changes) {
    const Location location(change.old_value);
    if (!location.is_pack() || location.pack() == last) continue;
    last = location.pack();
    // A failure is no harm: compaction finds it dead, and tries again.
    if (last != compacting_ && packs_.is_dead(last)) (void)packs_.drop(last);
  }
}

}  // namespace ipfs_zfs
