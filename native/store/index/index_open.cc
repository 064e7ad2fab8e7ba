// Opening an index: a new one, or from its manifest, its checkpoint and its logs. Runs are opened,
// never read through.
#include <algorithm>
#include <cstdlib>

#include "../checksum.h"
#include "../ensure.h"
#include "index.h"

namespace ipfs_zfs {

namespace {

constexpr size_t kNameDigits = 16;
constexpr uint64_t kMaxManifestBytes = 16u << 20;  // what DatasetFiles::replace takes

// The number of a file named 0123456789abcdef.<suffix>, else nothing.
std::optional<uint64_t> number_of(const std::string& name, const std::string& suffix) {
  if (name.size() != kNameDigits + 1 + suffix.size() || name[kNameDigits] != '.' ||
      name.substr(kNameDigits + 1) != suffix) {
    return std::nullopt;
  }
  char* end = nullptr;
  const uint64_t number = std::strtoull(name.c_str(), &end, 16);
  if (end != name.c_str() + kNameDigits) return std::nullopt;
  return number;
}

Result<std::vector<uint8_t>> read_file(DatasetFiles& files, FileId file, const std::string& path,
                                       uint64_t bytes) {
  std::vector<uint8_t> content(bytes);
  if (bytes == 0) return content;
  ReadOp op{0, content.size(), content.data()};
  const Status read = files.read(file, {&op, 1});
  if (!read) return read.error();
  if (!op.ok) return Error{op.error, path + " at offset 0: cannot be read"};
  return content;
}

}  // namespace

Result<std::unique_ptr<Index>> Index::open(DatasetFiles& files, Background& background,
                                           IndexOwner& owner, Options options) {
  if (options.table_keys == 0 || options.table_keys > (1u << 28) || options.fan_out < 2) {
    return Error{ErrorCode::kInvalid, "table_keys must be from 1 to 2^28, fan_out 2 or more"};
  }
  std::unique_ptr<Index> index(new Index(files, background, owner, std::move(options)));
  auto manifest = files.lookup(index->manifest_path());
  if (!manifest && manifest.error().code != ErrorCode::kNotFound) return manifest.error();
  const Status ready = manifest ? index->recover() : index->create_new();
  if (!ready) return ready.error();
  {
    const std::lock_guard lock(index->mutex_);
    if (!index->version_->frozen.empty()) index->start_flush_locked();
  }
  index->start_merge();
  return index;
}

Status Index::create_new() {
  const Status made = files_.make_folder(options_.folder);
  if (!made && made.error().code != ErrorCode::kExists) return made;
  auto entries = files_.list(options_.folder);
  if (!entries) return entries.error();
  // A first opening may have been cut short, but never after anything was written.
  for (const DirEntry& entry : *entries) {
    auto info = files_.info(entry.file);
    if (!info) return info.error();
    if (number_of(entry.name, "log") == 1u && info->size_bytes == 0) continue;
    return Error{ErrorCode::kCorrupt,
                 manifest_path() + " at offset 0: missing, beside index files"};
  }
  auto log = files_.create(path_of(1, "log"), kLogRecordBytes);
  if (!log && log.error().code == ErrorCode::kExists) log = files_.lookup(path_of(1, "log"));
  if (!log) return log.error();
  const Status written = replace_manifest(manifest_);
  if (!written) return written;
  const Status restored = owner_.restore({});
  if (!restored) return restored;
  log_file_ = *log;
  auto version = std::make_shared<Version>();
  version->active = tables_.make(1);
  fit_memory(*version);
  version_ = std::move(version);
  return {};
}

Status Index::recover() {
  auto file = files_.lookup(manifest_path());
  if (!file) return file.error();
  auto info = files_.info(*file);
  if (!info) return info.error();
  if (info->size_bytes > kMaxManifestBytes) {
    return Error{ErrorCode::kCorrupt, manifest_path() + " at offset 0: too large for a manifest"};
  }
  auto bytes = read_file(files_, *file, manifest_path(), info->size_bytes);
  if (!bytes) return bytes.error();
  auto manifest = decode_manifest(*bytes, manifest_path());
  if (!manifest) return manifest.error();
  manifest_ = *std::move(manifest);
  keys_.store(manifest_.keys);
  next_sequence_ = manifest_.first_sequence;

  Version version;
  Status done = open_runs(version.runs);
  if (done) done = restore_checkpoint();
  if (!done) return done;
  auto entries = files_.list(options_.folder);
  if (!entries) return entries.error();
  done = replay_logs(*entries, version);
  if (!done) return done;
  unlink_orphans(*entries);
  fit_memory(version);
  version_ = std::make_shared<const Version>(std::move(version));
  return {};
}

Status Index::open_runs(std::vector<std::shared_ptr<Run>>& runs) {
  for (const RunInfo& info : manifest_.runs) {
    auto run = open_run(info, runs);
    if (!run) return run.error();
    runs.push_back(*std::move(run));
  }
  return {};
}

Status Index::restore_checkpoint() {
  if (manifest_.checkpoint == 0) return owner_.restore({});
  const std::string path = path_of(manifest_.checkpoint, "alloc");
  const Error corrupt{ErrorCode::kCorrupt, path + " at offset 0: a damaged checkpoint"};
  auto file = files_.lookup(path);
  if (!file) return file.error().code == ErrorCode::kNotFound ? corrupt : file.error();
  auto info = files_.info(*file);
  if (!info) return info.error();
  if (info->size_bytes < manifest_.checkpoint_bytes) return corrupt;
  auto content = read_file(files_, *file, path, manifest_.checkpoint_bytes);
  if (!content) return content.error();
  if (checksum(*content) != manifest_.checkpoint_checksum) return corrupt;
  const Status restored = owner_.restore(*content);
  if (!restored) return Error{restored.error().code, path + ": " + restored.error().message};
  return {};
}

Status Index::replay_log(const std::string& path, std::shared_ptr<Table>& table) {
  const auto replay = [this, &table](std::span<const Change> changes) -> Status {
    for (const Change& change : changes) {
      const Status owned = owner_.replay(change);
      if (!owned) return owned;
      if (table->size() == table->capacity()) table = table->grown();
      table->upsert(change.key, change.value);
      keys_ += static_cast<uint64_t>((change.old_value == kTombstone)) -
               static_cast<uint64_t>((change.value == kTombstone));
    }
    return {};
  };
  const auto goes_on = [this](const FrameLink& link) { return owner_.goes_on(link); };
  auto end = read_log(files_, path, table->log(), next_sequence_, goes_on, replay);
  if (!end) return end.error();
  auto file = files_.lookup(path);
  if (!file) return file.error();
  if (end->torn) {
    // Cleared, so that what a torn write left can never be taken for a frame later.
    // Where nothing can be written, nothing will be written behind it either.
    const Status cut = files_.truncate(*file, end->end_bytes);
    if (!cut && cut.error().code != ErrorCode::kNotWritable) return cut;
  }
  log_file_ = *file;
  log_end_bytes_ = end->end_bytes;
  log_bytes_ += end->end_bytes;
  next_sequence_ = end->next_sequence;
  former_log_ = end->end_bytes > 0 && end->version < kLogVersion;
  return {};
}

Status Index::replay_logs(const std::vector<DirEntry>& entries, Version& version) {
  std::vector<uint64_t> logs;
  for (const DirEntry& entry : entries) {
    const auto number = number_of(entry.name, "log");
    if (number && *number >= manifest_.first_log) logs.push_back(*number);
  }
  std::sort(logs.begin(), logs.end());
  for (size_t i = 0; i < std::max<size_t>(logs.size(), 1); i++) {
    const uint64_t expected = manifest_.first_log + i;
    if (logs.empty() || logs[i] != expected) {
      return Error{ErrorCode::kCorrupt, path_of(expected, "log") + " at offset 0: missing"};
    }
    if (version.active != nullptr) {
      auto point = std::make_shared<FreezePoint>();
      *point = FreezePoint{expected, next_sequence_, keys_.load(), owner_.checkpoint()};
      version.frozen.insert(version.frozen.begin(), Frozen{version.active, std::move(point)});
    }
    auto table = tables_.make(expected);
    const Status replayed = replay_log(path_of(expected, "log"), table);
    if (!replayed) return replayed;
    version.active = std::move(table);
  }
  return {};
}

// Files of work that a crash cut short, or whose unlinking it did. A failure is no harm.
void Index::unlink_orphans(const std::vector<DirEntry>& entries) {
  for (const DirEntry& entry : entries) {
    const auto log = number_of(entry.name, "log");
    const auto run = number_of(entry.name, "run");
    const auto alloc = number_of(entry.name, "alloc");
    const auto part = number_of(entry.name, "part");
    const bool named = run && std::any_of(manifest_.runs.begin(), manifest_.runs.end(),
                                          [&run](const RunInfo& info) { return info.id == *run; });
    const bool orphan = (log && *log < manifest_.first_log) || (run && !named) ||
                        (alloc && *alloc != manifest_.checkpoint) || part;
    if (orphan) (void)files_.unlink(options_.folder + "/" + entry.name);
  }
}

}  // namespace ipfs_zfs
