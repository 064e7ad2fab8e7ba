#include "index.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <thread>

#include "../ensure.h"
#include "cursor.h"

namespace ipfs_zfs {

namespace {

// Merges that keep up leave about this many times fan_out runs; with more, writers slow down.
constexpr size_t kUsualRuns = 6;
constexpr std::chrono::nanoseconds kNapPerRun = std::chrono::milliseconds(2);
constexpr std::chrono::nanoseconds kLongestNap = std::chrono::milliseconds(50);
// A table of keys takes a tenth of a second then. Smaller batches are no flood.
constexpr std::chrono::nanoseconds kNapPerKey{400};
constexpr size_t kBatchThatNaps = 256;
// A log is at most as long as if every key of its table had changed this often.
constexpr size_t kLogTurns = 4;
// Enough to hide a cache miss behind other keys' upserts.
constexpr size_t kUpsertsAhead = 8;
// A listing reads at most this many pages of a run at once (128 KiB).
constexpr uint64_t kMaxScanAhead = 32;

// How many pages of a run the next `limit` records of [from, last] probably are in, if the runs
// have `records` together: keys are uniform. To read more than that costs as much as the listing.
size_t pages_ahead(const Run& run, const Key& from, const Key& last, size_t limit,
                   uint64_t records) {
  const auto pages = static_cast<double>(run.pages());
  const double of_limit =
      pages * static_cast<double>(limit) / static_cast<double>(std::max<uint64_t>(records, 1));
  const double range = static_cast<double>(prefix_of(last)) - static_cast<double>(prefix_of(from));
  const double of_range = pages * std::max(range, 0.0) * 0x1p-64;
  // The first is mostly begun and the last not ended.
  const double ahead = std::min(of_limit, of_range) + 2;
  return static_cast<size_t>(std::min(ahead, static_cast<double>(kMaxScanAhead)));
}

}  // namespace

Index::Index(DatasetFiles& files, Background& background, IndexOwner& owner, Options options)
    : files_(files),
      background_(background),
      owner_(owner),
      options_(std::move(options)),
      tables_(options_.table_keys) {}

Index::~Index() { close(); }

void Index::close() {
  closing_.store(true);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !flushing_ && !merging_; });
  }
  graveyard_->unlink_all(files_);
}

std::string Index::path_of(uint64_t number, const char* suffix) const {
  char name[32];
  std::snprintf(name, sizeof(name), "/%016" PRIx64 ".%s", number, suffix);
  return options_.folder + name;
}

std::shared_ptr<const Index::Version> Index::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

uint64_t Index::find_many(std::span<const Key> keys, std::span<Found> found) const {
  ENSURE(keys.size() == found.size());
  const auto version = this->version();
  for (Found& one : found) one = Found{.state = Lookup::kPending};
  for (size_t start = 0; start < keys.size(); start += Lookups::kMax) {
    const size_t count = std::min(Lookups::kMax, keys.size() - start);
    Lookups lookups(keys.subspan(start, count), found.subspan(start, count));
    version->active->find_many(lookups.keys, lookups.found);
    for (const Frozen& frozen : version->frozen) {
      frozen.table->find_many(lookups.keys, lookups.found);
    }
    for (const auto& run : version->runs) run->find_many(lookups, *version->cache);
    for (Found& one : lookups.found) {
      if (one.state == Lookup::kPending) one.state = Lookup::kAbsent;
    }
    counters_.add(lookups.counts);
  }
  return version->generation;
}

std::optional<Found> Index::find_now(const Key& key) const {
  const auto version = this->version();
  Found found{.state = Lookup::kPending};
  version->active->find_many({&key, 1}, {&found, 1});
  for (const Frozen& frozen : version->frozen) frozen.table->find_many({&key, 1}, {&found, 1});
  for (const auto& run : version->runs) {
    if (found.state != Lookup::kPending) return found;
    if (!run->find_now(key, &found, *version->cache)) return std::nullopt;
  }
  if (found.state == Lookup::kPending) found.state = Lookup::kAbsent;
  return found;
}

void Index::find_again(uint64_t generation, std::span<const Key> keys,
                       std::span<Found> found) const {
  const auto version = this->version();
  if (version->generation != generation) {
    find_many(keys, found);
    return;
  }
  for (size_t i = 0; i < keys.size(); i++) {
    const auto value = version->active->find(keys[i]);
    if (!value) continue;
    found[i].value = *value;
    found[i].state = *value == kTombstone ? Lookup::kAbsent : Lookup::kFound;
  }
}

Result<Index::ScanEnd> Index::scan(const Key& from, const Key& last, size_t limit,
                                   std::vector<Record>& records) const {
  const auto version = this->version();
  uint64_t in_runs = 0;
  for (const auto& run : version->runs) in_runs += run->info().records;
  std::vector<std::unique_ptr<Cursor>> sources;
  sources.push_back(table_cursor(version->active, from));
  for (const Frozen& frozen : version->frozen) {
    sources.push_back(table_cursor(frozen.table, from));
  }
  for (const auto& run : version->runs) {
    auto cursor = run_cursor(run, from, pages_ahead(*run, from, last, limit, in_runs));
    if (!cursor) return cursor.error();
    sources.push_back(*std::move(cursor));
  }
  MergeCursor merged(std::move(sources));
  ScanEnd end{false, from};
  size_t taken = 0;
  for (const Record* record = merged.record(); record != nullptr; record = merged.record()) {
    if (less(last, record->key)) break;
    if (taken == limit) {
      end.next = record->key;
      return end;
    }
    if (record->value != kTombstone) {
      records.push_back(*record);
      taken++;
    }
    const Status stepped = merged.next();
    if (!stepped) return stepped.error();
  }
  end.done = true;
  return end;
}

IndexStats Index::stats() const {
  const auto version = this->version();
  IndexStats stats;
  counters_.fill(stats);
  stats.keys = keys_.load();
  stats.runs = version->runs.size();
  stats.table_keys = version->active->size();
  stats.memory_bytes = version->active->memory_bytes() + tables_.spare_bytes();
  for (const Frozen& frozen : version->frozen) {
    stats.table_keys += frozen.table->size();
    stats.memory_bytes += frozen.table->memory_bytes();
  }
  for (const auto& run : version->runs) {
    stats.run_bytes += run->info().size_bytes;
    stats.filter_bytes += run->memory_bytes();
    stats.unfiltered_runs += run->has_filter() ? 0 : 1;
  }
  stats.log_bytes = log_bytes_.load();
  stats.disk_bytes = stats.log_bytes + stats.run_bytes;
  stats.cache_bytes = version->cache->memory_bytes();
  stats.memory_bytes += stats.filter_bytes + stats.cache_bytes;
  return stats;
}

std::vector<std::string> Index::check() const {
  std::vector<std::string> faults;
  const auto version = this->version();
  for (const auto& run : version->runs) {
    std::shared_ptr<const Run> whole = run;
    if (!run->has_filter()) {
      auto opened = Run::open(files_, run->path(), run->info());
      if (!opened) {
        faults.push_back(opened.error().message);
        continue;
      }
      whole = *std::move(opened);
    }
    for (std::string& fault : whole->check()) faults.push_back(std::move(fault));
  }
  return faults;
}

Status Index::make_room(size_t keys, Room room) {
  const auto version = this->version();
  // While tables wait for the disk each batch waits a little, or the one that fills the last table
  // would wait for all of it.
  if (room == Room::kPut && version->frozen.size() >= kMaxFrozen && keys >= kBatchThatNaps) {
    std::this_thread::sleep_for(kNapPerKey * static_cast<int64_t>(keys));
  }
  const size_t used = version->active->size();
  // Keys that change again and again fill the log and not the table.
  const bool log_full = log_end_bytes_ > kLogTurns * staged_bytes(options_.table_keys);
  if (used + keys <= options_.table_keys && !log_full && !former_log_) return {};
  Status made;
  if (room == Room::kPut) slow_down();
  if (version->frozen.size() >= kMaxFrozen) {
    made = room == Room::kPut ? wait_for_flush()
                              : Status(Error{ErrorCode::kNoSpace, "tables wait to be written"});
  }
  if (made && used > 0) made = freeze();
  if (!made && room == Room::kPut) return made;
  grow_active(keys);
  return {};
}

// Only deletes on a full pool, and batches larger than a table, get here with anything to do.
void Index::grow_active(size_t keys) {
  for (;;) {
    const auto version = this->version();
    if (version->active->size() + keys <= version->active->capacity()) return;
    auto grown = version->active->grown();
    const std::lock_guard lock(mutex_);
    auto next = std::make_shared<Version>(*version_);
    next->generation++;
    next->active = std::move(grown);
    version_ = std::move(next);
  }
}

// When merges are behind, each new table waits a little: the further behind, the longer, but never
// so long that anybody notices.
void Index::slow_down() {
  const size_t runs = version()->runs.size();
  const size_t usual = kUsualRuns * options_.fan_out;
  if (runs <= usual) return;
  const auto nap = std::min(kNapPerRun * static_cast<int64_t>(runs - usual), kLongestNap);
  const auto began = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(nap);
  counters_.add_stall(std::chrono::steady_clock::now() - began);
}

Status Index::wait_for_flush() {
  const auto began = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (version_->frozen.size() >= kMaxFrozen) {
    const uint64_t turn = flush_turns_;
    // One that began before this call may fail for a reason that is over: it does not count.
    const bool joined = flushing_;
    start_flush_locked();
    changed_.wait(lock, [this, turn] { return flush_turns_ != turn || !flushing_; });
    if (version_->frozen.size() < kMaxFrozen) break;
    if (flush_error_ && !joined) return *flush_error_;
  }
  counters_.add_stall(std::chrono::steady_clock::now() - began);
  return {};
}

Status Index::freeze() {
  const auto version = this->version();
  const uint64_t next_log = version->active->log() + 1;
  auto file = files_.create(path_of(next_log, "log"), kLogRecordBytes);
  if (!file && file.error().code == ErrorCode::kExists) {
    // Left by an attempt whose outcome was not known; nothing was ever written to it.
    file = files_.lookup(path_of(next_log, "log"));
  }
  if (!file) return file.error();
  auto point = std::make_shared<FreezePoint>();
  point->next_log = next_log;
  point->next_sequence = next_sequence_;
  point->keys = keys_.load();
  point->checkpoint = owner_.checkpoint();
  log_file_ = *file;
  log_end_bytes_ = 0;
  former_log_ = false;

  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Version>(*version_);
  next->generation++;
  next->frozen.insert(next->frozen.begin(), Frozen{next->active, std::move(point)});
  next->active = tables_.make(next_log);
  version_ = std::move(next);
  start_flush_locked();
  return {};
}

Status Index::write_out() {
  const auto version = this->version();
  if (version->frozen.size() < kMaxFrozen && log_end_bytes_ > 0) {
    const Status frozen = freeze();
    if (!frozen) return frozen;
  }
  {
    const std::lock_guard lock(mutex_);
    start_flush_locked();
  }
  return settle(false);
}

size_t Index::staged_bytes(size_t changes) {
  return sizeof(LogHeader) + sizeof(FrameHeader) + kLinkBytes + changes * kMoveBytes;
}

FileOp Index::stage(std::span<const Change> changes, const std::optional<FrameLink>& link) {
  staged_.clear();
  if (log_end_bytes_ == 0) {
    encode_log_header(version()->active->log(), next_sequence_, staged_);
  }
  encode_frame(changes, next_sequence_, link, staged_);
  staged_piece_ = Piece{staged_.data(), staged_.size()};
  return FileOp{FileOp::Kind::kWrite, log_file_, log_end_bytes_, {&staged_piece_, 1}, 0};
}

// What a failed batch wrote to this log before it failed in another one: a later batch could make
// it look whole.
Status Index::cut_back() {
  const auto info = files_.info(log_file_);
  if (!info) return info.error();
  return info->size_bytes > log_end_bytes_ ? files_.truncate(log_file_, log_end_bytes_) : Status();
}

FileOp Index::freeing_op(uint64_t written_bytes) const {
  const auto round_up = [](uint64_t bytes) {
    return (bytes + kLogRecordBytes - 1) / kLogRecordBytes * kLogRecordBytes;
  };
  FileOp op;
  op.kind = FileOp::Kind::kPunch;
  op.file = log_file_;
  op.offset_bytes = round_up(log_end_bytes_ + staged_.size());
  op.length_bytes = round_up(written_bytes + staged_.size());
  return op;
}

void Index::publish(std::span<const Change> changes) {
  const auto version = this->version();
  Table& table = *version->active;
  for (size_t i = 0; i < changes.size(); i++) {
    if (i + kUpsertsAhead < changes.size()) table.prefetch(changes[i + kUpsertsAhead].key);
    table.upsert(changes[i].key, changes[i].value);
  }
}

void Index::unpublish(std::span<const Change> changes) {
  const auto version = this->version();
  for (const Change& change : changes) version->active->upsert(change.key, change.old_value);
}

void Index::commit(std::span<const Change> changes) {
  publish(changes);
  counters_.add_batch(changes.size(), staged_.size());
  log_end_bytes_ += staged_.size();
  log_bytes_ += staged_.size();
  next_sequence_++;
  int64_t more = 0;
  for (const Change& change : changes) {
    more += (change.old_value == kTombstone) - (change.value == kTombstone);
  }
  keys_ += static_cast<uint64_t>(more);
}

Result<Txg> Index::apply(std::span<const Change> changes) {
  const Status room = make_room(changes.size(), Room::kPut);
  if (!room) return room.error();
  const FileOp op = stage(changes);
  auto txg = files_.apply({&op, 1});
  if (txg) commit(changes);
  return txg;
}

Status Index::compact() {
  Status done = settle(true);
  if (!done || version()->runs.size() < 2) return done;
  {
    const std::lock_guard lock(mutex_);
    compacting_ = true;
  }
  start_merge();
  return settle(true);
}

Status Index::settle(bool merges) {
  const auto hurry = [this](uint32_t by) { hurrying_ += by; };
  std::unique_lock lock(mutex_);
  if (merges) hurry(1);
  changed_.wait(lock, [this, merges] { return !flushing_ && !(merges && merging_); });
  if (merges) hurry(UINT32_MAX);
  if (flush_error_) return *flush_error_;
  if (merges && merge_error_) return *merge_error_;
  return {};
}

}  // namespace ipfs_zfs
