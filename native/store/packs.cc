#include "packs.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace ipfs_zfs {

namespace {

constexpr char kFolder[] = "packs";
constexpr char kSuffix[] = ".pack";
constexpr size_t kIdDigits = 8;

// Below this size even a pack that is all dead is not worth a compaction of its own.
constexpr uint32_t kMinCompactBytes = kPackRecordBytes;

std::optional<uint64_t> id_of(const std::string& name) {
  if (name.size() != kIdDigits + sizeof(kSuffix) - 1 || name.substr(kIdDigits) != kSuffix) {
    return std::nullopt;
  }
  char* end = nullptr;
  const uint64_t id = std::strtoull(name.c_str(), &end, 16);
  if (end != name.c_str() + kIdDigits) return std::nullopt;
  return id;
}

}  // namespace

std::string pack_path(uint64_t id) {
  char name[32];
  std::snprintf(name, sizeof(name), "%s/%08" PRIx64 "%s", kFolder, id, kSuffix);
  return name;
}

Result<Location> Packs::take(uint32_t length_bytes, uint32_t trailer) {
  const uint32_t entry = Location::in_pack(length_bytes, trailer, 0, 0).entry_bytes();
  const std::lock_guard lock(mutex_);
  auto open = packs_.find(open_);
  if (open_ == 0 || uint64_t{open->second.size_bytes} + entry > kPackBytes) {
    if (next_id_ > kMaxPackId) {
      return Error{ErrorCode::kNoSpace, "this shard has used up its pack numbers; add a shard"};
    }
    auto file = files_.create(pack_path(next_id_), kPackRecordBytes);
    if (!file && file.error().code == ErrorCode::kExists) {
      file = files_.lookup(pack_path(next_id_));  // made for a batch that then failed
    }
    if (!file) return file.error();
    open_ = next_id_++;
    open = packs_.emplace(open_, Pack{.file = *file}).first;
  }
  Pack& pack = open->second;
  const Location location = Location::in_pack(length_bytes, trailer, open_, pack.size_bytes);
  pack.size_bytes += entry;
  pack.live_bytes += entry;
  return location;
}

void Packs::give_back(Location location) {
  const std::lock_guard lock(mutex_);
  Pack& pack = packs_.at(location.pack());
  ENSURE(pack.size_bytes == location.offset_bytes() + location.entry_bytes());
  ENSURE(pack.live_bytes >= location.entry_bytes());
  pack.size_bytes = location.offset_bytes();
  pack.live_bytes -= location.entry_bytes();
}

void Packs::release(Location location) {
  const std::lock_guard lock(mutex_);
  Pack& pack = packs_.at(location.pack());
  ENSURE(pack.live_bytes >= location.entry_bytes());
  pack.live_bytes -= location.entry_bytes();
}

std::optional<uint64_t> Packs::pick_sparse() const {
  const std::lock_guard lock(mutex_);
  std::optional<uint64_t> sparsest;
  double best = 0.5;
  for (const auto& [id, pack] : packs_) {
    if (pack.set_aside || pack.size_bytes == 0) continue;
    if (id == open_ && pack.size_bytes < kMinCompactBytes) continue;
    const double live = static_cast<double>(pack.live_bytes) / pack.size_bytes;
    if (live >= best) continue;
    best = live;
    sparsest = id;
  }
  return sparsest;
}

bool Packs::is_dead(uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(id);
  return found != packs_.end() && found->second.live_bytes == 0 && id != open_;
}

void Packs::set_aside(uint64_t id) {
  const std::lock_guard lock(mutex_);
  packs_.at(id).set_aside = true;
}

Status Packs::drop(uint64_t id) {
  ENSURE(is_dead(id));
  const Status gone = files_.unlink(pack_path(id));
  if (!gone && gone.error().code != ErrorCode::kNotFound) return gone;
  const std::lock_guard lock(mutex_);
  packs_.erase(id);
  return {};
}

bool Packs::claim(Location location) {
  const std::lock_guard lock(mutex_);
  // Never again, even if the pack is gone by the end of the log: its old entries stay in there.
  next_id_ = std::max(next_id_, location.pack() + 1);
  Pack& pack = packs_[location.pack()];
  // Entries come in the order of their batches, each behind the one before.
  if (location.offset_bytes() != pack.size_bytes) return false;
  pack.size_bytes += location.entry_bytes();
  pack.live_bytes += location.entry_bytes();
  return true;
}

void Packs::save(std::vector<uint8_t>& bytes) const {
  const std::lock_guard lock(mutex_);
  append_le(bytes, next_id_);
  append_le(bytes, static_cast<uint64_t>(packs_.size()));
  for (const auto& [id, pack] : packs_) {
    append_le(bytes, id);
    append_le(bytes, pack.size_bytes);
    append_le(bytes, pack.live_bytes);
  }
}

bool Packs::load(Reader& reader) {
  const std::lock_guard lock(mutex_);
  next_id_ = reader.take<uint64_t>();
  const auto count = reader.take<uint64_t>();
  if (reader.failed() || next_id_ > kMaxPackId + 1 || count > next_id_) return false;
  for (uint64_t i = 0; i < count; i++) {
    const auto id = reader.take<uint64_t>();
    Pack pack;
    pack.size_bytes = reader.take<uint32_t>();
    pack.live_bytes = reader.take<uint32_t>();
    if (reader.failed() || id >= next_id_ || pack.size_bytes > kPackBytes) return false;
    if (pack.live_bytes > pack.size_bytes || !packs_.emplace(id, pack).second) return false;
  }
  return true;
}

Status Packs::find_files() {
  auto entries = files_.list(kFolder);
  if (!entries && entries.error().code == ErrorCode::kNotFound) {
    const Status made = files_.make_folder(kFolder);
    if (!made) return made;
    entries = std::vector<DirEntry>();
  }
  if (!entries) return entries.error();
  const std::lock_guard lock(mutex_);
  for (const DirEntry& entry : *entries) {
    const auto id = id_of(entry.name);
    if (!id) continue;
    const auto found = packs_.find(*id);
    if (found != packs_.end()) {
      found->second.file = entry.file;
    } else {
      (void)files_.unlink(pack_path(*id));
    }
  }
  for (auto at = packs_.begin(); at != packs_.end();) {
    if (at->second.file != 0) {
      ++at;
    } else if (at->second.live_bytes == 0) {
      at = packs_.erase(at);  // unlinked after it died; the checkpoint is older
    } else {
      return Error{ErrorCode::kCorrupt, pack_path(at->first) + " at offset 0: missing"};
    }
  }
  if (!packs_.empty()) {
    next_id_ = std::max(next_id_, packs_.rbegin()->first + 1);
    if (packs_.rbegin()->second.size_bytes < kPackBytes) open_ = packs_.rbegin()->first;
  }
  return {};
}

std::optional<FileId> Packs::file_of(uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(id);
  if (found == packs_.end()) return std::nullopt;
  return found->second.file;
}

Pack Packs::pack(uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = packs_.find(id);
  return found == packs_.end() ? Pack{} : found->second;
}

Packs::Totals Packs::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals;
  for (const auto& [id, pack] : packs_) {
    totals.packs++;
    totals.live_bytes += pack.live_bytes;
    totals.dead_bytes += pack.size_bytes - pack.live_bytes;
  }
  return totals;
}

std::map<uint64_t, Pack> Packs::all() const {
  const std::lock_guard lock(mutex_);
  return packs_;
}

}  // namespace ipfs_zfs
