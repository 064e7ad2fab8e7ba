// What the index does in the background: full tables become runs, runs are merged. Neither ever
// takes the writer's lock, and readers go on with the version they hold.
#include <algorithm>
#include <chrono>
#include <thread>

#include "../checksum.h"
#include "../ensure.h"
#include "cursor.h"
#include "index.h"

namespace ipfs_zfs {

namespace {

// Merges read each input this far ahead: sequential I/O, and eight inputs stay within 2 MiB.
constexpr size_t kMergeAheadPages = 64;
// Records of a table lie in order of arrival: each is fetched this long before its turn.
constexpr size_t kRecordsAhead = 16;
// A merge rests after each step of this size, for as long as the step took: half a core at most.
constexpr uint64_t kPaceBytes = 1u << 20;
constexpr std::chrono::milliseconds kMaxRest{50};
// With more than this many times fan_out runs waiting, the merge is behind and does not rest.
constexpr size_t kBehind = 2;
constexpr size_t kCheckpointWriteBytes = 1u << 20;
constexpr uint32_t kCheckpointRecordBytes = 128u << 10;

}  // namespace

template <typename Change_>
void Index::change_version(Change_&& change) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Version>(*version_);
  next->generation++;
  change(*next);
  fit_memory(*next);
  version_ = std::move(next);
}

// The page cache takes what the rest leaves of the budget. It is not made anew for less than an
// eighth: that would cost what is in it.
void Index::fit_memory(Version& version) const {
  const size_t budget = std::min(memory_left(version.runs), options_.page_cache_bytes);
  const size_t has = version.cache ? version.cache->memory_bytes() : 0;
  if (version.cache && budget >= has && budget - has <= budget / 8) return;
  version.cache = std::make_shared<PageCache>(budget);
}

// What the budget has left beside the tables and what those runs keep in memory.
size_t Index::memory_left(const std::vector<std::shared_ptr<Run>>& beside) const {
  // One table fills, and as many as may wait do.
  size_t taken = Table::memory_bytes_of(options_.table_keys) * (kMaxFrozen + 1);
  for (const auto& run : beside) taken += run->memory_bytes();
  return options_.memory_bytes > taken ? options_.memory_bytes - taken : 0;
}

Result<std::shared_ptr<Run>> Index::open_run(
    const RunInfo& info, const std::vector<std::shared_ptr<Run>>& beside) const {
  return Run::open(files_, path_of(info.id, "run"), info, memory_left(beside));
}

uint64_t Index::take_file_number() {
  const std::lock_guard lock(manifest_mutex_);
  return manifest_.next_file++;
}

Status Index::replace_manifest(const Manifest& manifest) {
  const std::vector<uint8_t> bytes = encode_manifest(manifest);
  const Piece piece{bytes.data(), bytes.size()};
  const auto replaced = files_.replace(manifest_path(), {&piece, 1});
  if (!replaced) return replaced.error();
  return {};
}

void Index::start_flush_locked() {
  if (flushing_ || closing_.load()) return;
  flushing_ = true;
  background_.submit(Background::Lane::kFlush, [this] { flush_job(); });
}

void Index::flush_job() {
  for (;;) {
    std::optional<Frozen> oldest;
    {
      const std::lock_guard lock(mutex_);
      if (closing_.load() || version_->frozen.empty()) {
        flushing_ = false;
        changed_.notify_all();
        return;
      }
      oldest = version_->frozen.back();
    }
    const Status flushed = flush_table(*oldest);
    const std::lock_guard lock(mutex_);
    flush_turns_++;
    flush_error_.reset();
    if (!flushed) {
      // The table stays in memory and in its log; whoever needs room next has it tried again.
      flush_error_ = flushed.error();
      flushing_ = false;
    }
    changed_.notify_all();
    if (!flushed) return;
  }
}

Result<std::optional<RunInfo>> Index::write_table_run(const Table& table, bool drop_tombstones) {
  const auto order = table.order();
  const uint64_t id = take_file_number();
  RunWriter writer(files_, path_of(id, "run"), id, order->size());
  Status done = writer.begin();
  for (size_t i = 0; done && i < order->size(); i++) {
    if (i + kRecordsAhead < order->size()) table.prefetch_at((*order)[i + kRecordsAhead]);
    const Record record = table.at((*order)[i]);
    if (record.value == kTombstone && drop_tombstones) continue;
    done = writer.add(record);
  }
  if (done && writer.records() == 0) {
    writer.abandon();
    return std::optional<RunInfo>();
  }
  if (done) {
    auto info = writer.finish();
    if (info) {
      counters_.add_run(info->size_bytes);
      return std::optional<RunInfo>(*info);
    }
    done = info.error();
  }
  writer.abandon();
  return done.error();
}

Status Index::write_checkpoint(const FreezePoint& point, Manifest& manifest) {
  const uint64_t number = take_file_number();
  const std::string path = path_of(number, "alloc");
  auto file = files_.create(path, kCheckpointRecordBytes);
  if (!file) return file.error();
  const std::vector<uint8_t>& bytes = point.checkpoint;
  for (size_t at = 0; at < bytes.size(); at += kCheckpointWriteBytes) {
    const Piece piece{bytes.data() + at, std::min(kCheckpointWriteBytes, bytes.size() - at)};
    const FileOp op{FileOp::Kind::kWrite, *file, at, {&piece, 1}, 0};
    const auto applied = files_.apply({&op, 1});
    if (!applied) {
      (void)files_.unlink(path);
      return applied.error();
    }
  }
  manifest.checkpoint = number;
  manifest.checkpoint_bytes = bytes.size();
  manifest.checkpoint_checksum = checksum(bytes);
  return {};
}

Status Index::flush_table(const Frozen& frozen) {
  const bool first = version()->runs.empty();  // nothing older for a tombstone to hide
  auto info = write_table_run(*frozen.table, first);
  if (!info) return info.error();
  std::shared_ptr<Run> run;
  if (info->has_value()) {
    auto opened = open_run(**info, version()->runs);
    if (!opened) return opened.error();
    run = *std::move(opened);
  }
  Manifest change;
  const Status checkpointed = write_checkpoint(*frozen.after, change);
  if (!checkpointed) {
    if (run) run->doom(graveyard_);
    return checkpointed;
  }
  uint64_t old_checkpoint = 0;
  {
    const std::lock_guard lock(manifest_mutex_);
    Manifest next = manifest_;
    old_checkpoint = next.checkpoint;
    next.first_log = frozen.after->next_log;
    next.first_sequence = frozen.after->next_sequence;
    next.keys = frozen.after->keys;
    next.checkpoint = change.checkpoint;
    next.checkpoint_bytes = change.checkpoint_bytes;
    next.checkpoint_checksum = change.checkpoint_checksum;
    if (run) next.runs.insert(next.runs.begin(), run->info());
    const Status replaced = replace_manifest(next);
    // On another error than kNoSpace it may be on disk all the same: then its files must stay.
    if (!replaced && replaced.error().code == ErrorCode::kNoSpace) {
      if (run) run->doom(graveyard_);
      (void)files_.unlink(path_of(change.checkpoint, "alloc"));
    }
    if (!replaced) return replaced;
    manifest_ = std::move(next);
    change_version([&run](Version& version) {
      version.frozen.pop_back();
      if (run) version.runs.insert(version.runs.begin(), run);
    });
  }
  const std::string log = path_of(frozen.table->log(), "log");
  auto file = files_.lookup(log);
  if (file) {
    auto log_info = files_.info(*file);
    if (log_info) log_bytes_ -= std::min(log_bytes_.load(), log_info->size_bytes);
  }
  (void)files_.unlink(log);
  if (old_checkpoint != 0) (void)files_.unlink(path_of(old_checkpoint, "alloc"));
  graveyard_->unlink_all(files_);
  start_merge();
  return {};
}

// A run that a bulk load has written, while the table and its log are empty.
Status Index::install_loaded(RunInfo info, uint64_t new_keys) {
  ENSURE(version()->active->size() == 0 && version()->frozen.empty());
  for (uint64_t keys = options_.table_keys; keys < info.records; keys *= options_.fan_out) {
    info.level++;
  }
  auto run = open_run(info, version()->runs);
  if (!run) return run.error();
  const uint64_t keys = keys_.load() + new_keys;
  Manifest change;
  const FreezePoint point{version()->active->log(), next_sequence_, keys, owner_.checkpoint()};
  const Status checkpointed = write_checkpoint(point, change);
  if (!checkpointed) return checkpointed;
  uint64_t old_checkpoint = 0;
  {
    const std::lock_guard lock(manifest_mutex_);
    Manifest next = manifest_;
    old_checkpoint = next.checkpoint;
    next.keys = keys;
    next.checkpoint = change.checkpoint;
    next.checkpoint_bytes = change.checkpoint_bytes;
    next.checkpoint_checksum = change.checkpoint_checksum;
    next.runs.insert(next.runs.begin(), info);
    const Status replaced = replace_manifest(next);
    if (!replaced) return replaced;
    manifest_ = std::move(next);
    change_version(
        [&](Version& version) { version.runs.insert(version.runs.begin(), *std::move(run)); });
    keys_.store(keys);
  }
  counters_.add_run(info.size_bytes);
  if (old_checkpoint != 0) (void)files_.unlink(path_of(old_checkpoint, "alloc"));
  start_merge();
  return {};
}

void Index::start_merge() {
  std::vector<std::shared_ptr<Run>> inputs;
  bool oldest = false;
  const std::lock_guard lock(mutex_);
  if (merging_ || closing_.load() || !pick_merge(inputs, oldest)) return;
  merging_ = true;
  background_.submit(Background::Lane::kMerge, [this] { merge_job(); });
}

// The oldest runs of the lowest level that is full. With mutex_ held.
bool Index::pick_merge(std::vector<std::shared_ptr<Run>>& inputs, bool& oldest) const {
  const auto& runs = version_->runs;
  oldest = true;
  if (compacting_ && runs.size() > 1) {
    inputs = runs;
    return true;
  }
  for (size_t begin = 0; begin < runs.size();) {
    size_t end = begin;
    while (end < runs.size() && runs[end]->info().level == runs[begin]->info().level) end++;
    if (end - begin >= options_.fan_out) {
      inputs.assign(runs.begin() + static_cast<ptrdiff_t>(end - options_.fan_out),
                    runs.begin() + static_cast<ptrdiff_t>(end));
      oldest = end == runs.size();
      return true;
    }
    begin = end;
  }
  return false;
}

void Index::merge_job() {
  for (;;) {
    std::vector<std::shared_ptr<Run>> inputs;
    bool oldest = false;
    {
      const std::lock_guard lock(mutex_);
      if (closing_.load() || !pick_merge(inputs, oldest)) {
        merging_ = false;
        changed_.notify_all();
        return;
      }
      compacting_ = false;
    }
    const Status merged = merge(inputs, oldest);
    inputs.clear();
    graveyard_->unlink_all(files_);
    const std::lock_guard lock(mutex_);
    merge_error_.reset();
    if (!merged) {
      // The inputs stay as they are; the next table that becomes a run has it tried again.
      merge_error_ = merged.error();
      merging_ = false;
      changed_.notify_all();
      return;
    }
  }
}

void Index::pace(std::chrono::steady_clock::time_point step_began) const {
  const auto took = std::chrono::steady_clock::now() - step_began;
  const auto version = this->version();
  const auto waiting = std::count_if(version->runs.begin(), version->runs.end(),
                                     [](const auto& run) { return run->info().level == 0; });
  if (hurrying_.load() > 0) return;
  if (static_cast<size_t>(waiting) > kBehind * options_.fan_out) return;
  std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(took, kMaxRest));
}

Status Index::write_merged(RunWriter& writer, const std::vector<std::shared_ptr<Run>>& inputs,
                           bool drop_tombstones) {
  std::vector<std::unique_ptr<Cursor>> sources;
  for (const auto& input : inputs) {
    auto cursor = run_cursor(input, Key{}, kMergeAheadPages);
    if (!cursor) return cursor.error();
    sources.push_back(*std::move(cursor));
  }
  MergeCursor merged(std::move(sources));
  Status done = writer.begin();
  auto began = std::chrono::steady_clock::now();
  uint64_t paced_bytes = 0;
  for (const Record* record = merged.record(); done && record != nullptr;
       record = merged.record()) {
    if (record->value != kTombstone || !drop_tombstones) done = writer.add(*record);
    if (done) done = merged.next();
    if (writer.written_bytes() - paced_bytes < kPaceBytes) continue;
    if (closing_.load()) return Error{ErrorCode::kClosed, "the index is closing"};
    pace(began);
    paced_bytes = writer.written_bytes();
    began = std::chrono::steady_clock::now();
  }
  return done;
}

Status Index::merge(const std::vector<std::shared_ptr<Run>>& inputs, bool oldest) {
  uint64_t records = 0;
  for (const auto& input : inputs) records += input->info().records;
  const uint64_t id = take_file_number();
  RunWriter writer(files_, path_of(id, "run"), id, records);
  Status done = write_merged(writer, inputs, oldest);
  if (!done || writer.records() == 0) {
    writer.abandon();
    return done ? install_merged(inputs, nullptr) : done;
  }
  auto info = writer.finish();
  if (!info) {
    writer.abandon();
    return info.error();
  }
  counters_.add_run(info->size_bytes);
  counters_.add_merge();
  // Of different levels, as compact() merges them, it takes the place of the oldest.
  const uint32_t oldest_level = inputs.back()->info().level;
  info->level = oldest_level + (inputs.front()->info().level == oldest_level ? 1 : 0);
  std::vector<std::shared_ptr<Run>> beside = version()->runs;
  std::erase_if(beside, [&inputs](const auto& one) {
    return std::find(inputs.begin(), inputs.end(), one) != inputs.end();
  });
  auto run = open_run(*info, beside);
  if (!run) {
    writer.abandon();
    return run.error();
  }
  return install_merged(inputs, *std::move(run));
}

Status Index::install_merged(const std::vector<std::shared_ptr<Run>>& inputs,
                             std::shared_ptr<Run> merged) {
  const std::lock_guard lock(manifest_mutex_);
  Manifest next = manifest_;
  const auto first = std::find_if(next.runs.begin(), next.runs.end(), [&](const RunInfo& info) {
    return info.id == inputs.front()->info().id;
  });
  ENSURE(next.runs.end() - first >= static_cast<ptrdiff_t>(inputs.size()));
  const auto place = next.runs.erase(first, first + static_cast<ptrdiff_t>(inputs.size()));
  if (merged) next.runs.insert(place, merged->info());
  const Status replaced = replace_manifest(next);
  if (!replaced) {
    if (merged && replaced.error().code == ErrorCode::kNoSpace) merged->doom(graveyard_);
    return replaced;
  }
  manifest_ = std::move(next);
  change_version([&](Version& version) {
    const auto at = std::find(version.runs.begin(), version.runs.end(), inputs.front());
    ENSURE(version.runs.end() - at >= static_cast<ptrdiff_t>(inputs.size()));
    const auto hole = version.runs.erase(at, at + static_cast<ptrdiff_t>(inputs.size()));
    if (merged) version.runs.insert(hole, merged);
  });
  for (const auto& input : inputs) input->doom(graveyard_);
  return {};
}

}  // namespace ipfs_zfs
