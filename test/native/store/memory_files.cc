#include "memory_files.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

namespace ipfs_zfs::test {

namespace {

Error not_found(std::string_view path) {
  return Error{ErrorCode::kNotFound, std::string(path) + ": not found"};
}

}  // namespace

Status MemoryFiles::may_change(const char* call) {
  if (fault_) return fault_(call);
  return {};
}

void MemoryFiles::changed() {
  state_.txg++;
  if (keep_history_) history_.push_back(state_);
}

void MemoryFiles::make_parents(const std::string& path) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    state_.names.emplace(path.substr(0, at), 0);
  }
}

FileId MemoryFiles::make_file(const std::string& path, uint32_t record_size_bytes) {
  make_parents(path);
  auto file = std::make_shared<File>();
  file->record_size_bytes = record_size_bytes;
  const FileId id = state_.next_file++;
  state_.names[path] = id;
  state_.files[id] = std::move(file);
  return id;
}

Result<FileId> MemoryFiles::create(std::string_view path, uint32_t record_size_bytes) {
  const std::unique_lock lock(mutex_);
  const Status may = may_change("create");
  if (!may) return may.error();
  const bool power_of_two = (record_size_bytes & (record_size_bytes - 1)) == 0;
  if (!power_of_two || record_size_bytes < (4u << 10) || record_size_bytes > (16u << 20)) {
    return Error{ErrorCode::kInvalid, "record size"};
  }
  if (state_.names.contains(std::string(path))) {
    return Error{ErrorCode::kExists, std::string(path) + ": exists"};
  }
  const FileId id = make_file(std::string(path), record_size_bytes);
  changed();
  return id;
}

Result<FileId> MemoryFiles::lookup(std::string_view path) {
  const std::shared_lock lock(mutex_);
  const auto found = state_.names.find(std::string(path));
  if (found == state_.names.end() || found->second == 0) return not_found(path);
  return found->second;
}

Result<FileInfo> MemoryFiles::info(FileId file) {
  const std::shared_lock lock(mutex_);
  const auto found = state_.files.find(file);
  if (found == state_.files.end()) return not_found("file id");
  const File& one = *found->second;
  return FileInfo{one.size_bytes, one.records.size() * one.record_size_bytes,
                  one.record_size_bytes};
}

Result<std::vector<DirEntry>> MemoryFiles::list(std::string_view folder) {
  const std::shared_lock lock(mutex_);
  const std::string prefix = std::string(folder) + "/";
  if (!state_.names.contains(std::string(folder))) return not_found(folder);
  std::vector<DirEntry> entries;
  for (const auto& [path, id] : state_.names) {
    if (!path.starts_with(prefix) || path.find('/', prefix.size()) != std::string::npos) continue;
    entries.push_back(DirEntry{path.substr(prefix.size()), id, id == 0});
  }
  return entries;
}

Status MemoryFiles::make_folder(std::string_view path) {
  const std::unique_lock lock(mutex_);
  const Status may = may_change("make_folder");
  if (!may) return may;
  make_parents(std::string(path));
  if (!state_.names.emplace(std::string(path), 0).second) {
    return Error{ErrorCode::kExists, std::string(path) + ": exists"};
  }
  changed();
  return {};
}

Status MemoryFiles::rename(std::string_view from, std::string_view to) {
  const std::unique_lock lock(mutex_);
  const auto found = state_.names.find(std::string(from));
  if (found == state_.names.end()) return not_found(from);
  state_.names[std::string(to)] = found->second;
  state_.names.erase(found);
  changed();
  return {};
}

Status MemoryFiles::unlink(std::string_view path) {
  const std::unique_lock lock(mutex_);
  const Status may = may_change("unlink");
  if (!may) return may;
  const auto found = state_.names.find(std::string(path));
  if (found == state_.names.end()) return not_found(path);
  state_.files.erase(found->second);
  state_.names.erase(found);
  changed();
  return {};
}

MemoryFiles::File& MemoryFiles::writable(FileId file) {
  std::shared_ptr<File>& one = state_.files.at(file);
  if (keep_history_ || one.use_count() > 1) one = std::make_shared<File>(*one);
  return *one;
}

std::vector<uint8_t>& MemoryFiles::writable_record(File& file, uint64_t record) {
  RecordBytes& bytes = file.records[record];
  if (!bytes) {
    bytes = std::make_shared<std::vector<uint8_t>>(file.record_size_bytes);
  } else if (bytes.use_count() > 1) {
    bytes = std::make_shared<std::vector<uint8_t>>(*bytes);
  }
  return *bytes;
}

void MemoryFiles::write(File& file, uint64_t offset, std::span<const Piece> pieces) {
  for (const Piece& piece : pieces) {
    const auto* from = static_cast<const uint8_t*>(piece.data);
    for (size_t left = piece.size_bytes; left > 0;) {
      std::vector<uint8_t>& record = writable_record(file, offset / file.record_size_bytes);
      const size_t at = offset % file.record_size_bytes;
      const size_t some = std::min<size_t>(left, file.record_size_bytes - at);
      std::memcpy(record.data() + at, from, some);
      from += some;
      offset += some;
      left -= some;
    }
  }
  file.size_bytes = std::max(file.size_bytes, offset);
}

void MemoryFiles::punch(File& file, uint64_t offset, uint64_t length) {
  static const std::vector<uint8_t> kZeros(16u << 20);
  const uint64_t end = std::min(offset + length, file.size_bytes);
  while (offset < end) {
    const uint64_t record = offset / file.record_size_bytes;
    const uint64_t at = offset % file.record_size_bytes;
    const uint64_t some = std::min<uint64_t>(end - offset, file.record_size_bytes - at);
    if (some == file.record_size_bytes) {
      file.records.erase(record);
    } else if (file.records.contains(record)) {
      std::memset(writable_record(file, record).data() + at, 0, some);
    }
    offset += some;
  }
}

Status MemoryFiles::truncate(FileId file, uint64_t size_bytes) {
  const std::unique_lock lock(mutex_);
  const Status may = may_change("truncate");
  if (!may) return may;
  File& one = writable(file);
  if (size_bytes < one.size_bytes) punch(one, size_bytes, one.size_bytes - size_bytes);
  one.size_bytes = size_bytes;
  changed();
  return {};
}

Status MemoryFiles::check_op(const FileOp& op, uint64_t* bytes) const {
  if (!state_.files.contains(op.file)) return not_found("file id of an op");
  for (const Piece& piece : op.pieces) *bytes += piece.size_bytes;
  return {};
}

// The first part of a write, another one each time.
void MemoryFiles::write_part(const FileOp& op) {
  if (op.kind != FileOp::Kind::kWrite) return;
  std::vector<uint8_t> bytes;
  for (const Piece& piece : op.pieces) {
    const auto* from = static_cast<const uint8_t*>(piece.data);
    bytes.insert(bytes.end(), from, from + piece.size_bytes);
  }
  const size_t part = bytes.empty() ? 0 : ++parts_written_ * 2654435761u % bytes.size();
  const Piece piece{bytes.data(), part};
  write(writable(op.file), op.offset_bytes, {&piece, 1});
}

// The moment before the op, and one in the middle of its write.
void MemoryFiles::keep_torn(const FileOp& op) {
  history_.push_back(state_);
  write_part(op);
  if (op.kind == FileOp::Kind::kWrite) history_.push_back(state_);
}

Result<Txg> MemoryFiles::apply(std::span<const FileOp> ops) {
  const std::unique_lock lock(mutex_);
  Status may = may_change("apply");
  if (!may) return may.error();
  if (ops.size() > 4096) return Error{ErrorCode::kTooLarge, "more than 4096 ops"};
  uint64_t bytes = 0;
  for (const FileOp& op : ops) {
    may = check_op(op, &bytes);
    if (!may) return may.error();
  }
  if (bytes > apply_limit_bytes_) return Error{ErrorCode::kTooLarge, "over the apply limit"};
  // Like ZFS: what frees space may use the reserve.
  const auto punches = [](const FileOp& op) { return op.kind == FileOp::Kind::kPunch; };
  const bool frees = kept_room_bytes_ == 0 && std::any_of(ops.begin(), ops.end(), punches);
  if (space_bytes_ != UINT64_MAX && !frees && used_bytes() + bytes > space_bytes_) {
    return Error{ErrorCode::kNoSpace, "the pool is full"};
  }
  const auto fail_at = std::exchange(fail_apply_at_, std::nullopt);
  for (size_t i = 0; i < ops.size(); i++) {
    const FileOp& op = ops[i];
    if (fail_at == i && op.kind == FileOp::Kind::kWrite) {
      write_part(op);
      changed();
      return Error{ErrorCode::kNoSpace, "injected in an apply"};
    }
    if (keep_torn_moments_) keep_torn(op);
    File& file = writable(op.file);
    if (op.kind == FileOp::Kind::kWrite) {
      write(file, op.offset_bytes, op.pieces);
    } else {
      punch(file, op.offset_bytes, op.length_bytes);
    }
  }
  applies++;
  const Txg txg = state_.txg;
  changed();
  return txg;
}

Status MemoryFiles::keep_room(uint64_t bytes) {
  const std::shared_lock lock(mutex_);
  if (kept_room_bytes_ == 0 || used_bytes() + bytes + kept_room_bytes_ <= space_bytes_) return {};
  return Error{ErrorCode::kNoSpace, "the rest is kept for deletes"};
}

Result<Txg> MemoryFiles::replace(std::string_view path, std::span<const Piece> content) {
  const std::unique_lock lock(mutex_);
  const Status may = may_change("replace");
  if (!may) return may.error();
  const auto old = state_.names.find(std::string(path));
  if (old != state_.names.end()) state_.files.erase(old->second);
  const FileId id = make_file(std::string(path), 128u << 10);
  write(writable(id), 0, content);
  const Txg txg = state_.txg;
  changed();
  return txg;
}

void MemoryFiles::copy_out(const File& file, ReadOp& op) const {
  auto* into = static_cast<uint8_t*>(op.into);
  for (uint64_t offset = op.offset_bytes, left = op.length_bytes; left > 0;) {
    const uint64_t record = offset / file.record_size_bytes;
    const uint64_t at = offset % file.record_size_bytes;
    const uint64_t some = std::min<uint64_t>(left, file.record_size_bytes - at);
    const auto found = file.records.find(record);
    if (found == file.records.end()) {
      std::memset(into, 0, some);
    } else {
      std::memcpy(into, found->second->data() + at, some);
    }
    into += some;
    offset += some;
    left -= some;
  }
}

Status MemoryFiles::read(FileId file, std::span<ReadOp> ops) {
  if (read_hook_) read_hook_();
  const std::shared_lock lock(mutex_);
  const auto found = state_.files.find(file);
  if (found == state_.files.end()) return not_found("file id of a read");
  const File& one = *found->second;
  for (ReadOp& op : ops) {
    op.ok = true;
    copy_out(one, op);
    if (damaged_.empty() || op.length_bytes == 0) continue;
    const uint64_t last = (op.offset_bytes + op.length_bytes - 1) / one.record_size_bytes;
    for (uint64_t record = op.offset_bytes / one.record_size_bytes; record <= last; record++) {
      const auto bad = damaged_.find({file, record});
      if (bad == damaged_.end()) continue;
      op.ok = false;
      op.error = bad->second;
      std::memset(op.into, 0xEE, op.length_bytes);
    }
  }
  return {};
}

bool MemoryFiles::read_now(FileId file, ReadOp& op) {
  return !cold_ && read(file, {&op, 1}) && op.ok;
}

Txg MemoryFiles::open_txg() {
  const std::shared_lock lock(mutex_);
  return state_.txg;
}

Status MemoryFiles::wait_durable(Txg) { return {}; }

Result<RecordPointer> MemoryFiles::record_pointer(FileId file, uint64_t record) {
  const std::shared_lock lock(mutex_);
  const auto found = state_.files.find(file);
  if (found == state_.files.end()) return not_found("file id of a pointer");
  RecordPointer pointer;
  const auto bytes = found->second->records.find(record);
  pointer.is_hole = bytes == found->second->records.end();
  if (pointer.is_hole) return pointer;
  pointer.is_sha256_of_data = true;
  SHA256(bytes->second->data(), bytes->second->size(), pointer.checksum.data());
  pointer.birth_txg = state_.txg;
  return pointer;
}

MemoryFiles::State MemoryFiles::state() const {
  const std::shared_lock lock(mutex_);
  State copy = state_;
  // Deep enough that later writes do not reach it.
  for (auto& [id, file] : copy.files) file = std::make_shared<File>(*file);
  return copy;
}

size_t MemoryFiles::history_size() const {
  const std::shared_lock lock(mutex_);
  return history_.size();
}

MemoryFiles::State MemoryFiles::history_at(size_t moment) const {
  const std::shared_lock lock(mutex_);
  return history_.at(moment);
}

void MemoryFiles::set_fault(std::function<Status(const char*)> fault) {
  const std::unique_lock lock(mutex_);
  fault_ = std::move(fault);
}

void MemoryFiles::damage(FileId file, uint64_t record, ErrorCode error) {
  const std::unique_lock lock(mutex_);
  damaged_[{file, record}] = error;
}

void MemoryFiles::heal() {
  const std::unique_lock lock(mutex_);
  damaged_.clear();
}

// A record's bytes up to its last one that is not zero, in sectors: what lz4 would leave of a tail.
uint64_t MemoryFiles::used_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, file] : state_.files) {
    for (const auto& [record, content] : file->records) {
      size_t end = content->size();
      while (end > 0 && (*content)[end - 1] == 0) end--;
      bytes += (end + 4095) / 4096 * 4096;
    }
  }
  return bytes;
}

std::vector<uint8_t> MemoryFiles::content(std::string_view path) const {
  const std::shared_lock lock(mutex_);
  const File& file = *state_.files.at(state_.names.at(std::string(path)));
  std::vector<uint8_t> bytes(file.size_bytes);
  ReadOp op{0, bytes.size(), bytes.data()};
  copy_out(file, op);
  return bytes;
}

void MemoryFiles::set_content(std::string_view path, const std::vector<uint8_t>& bytes) {
  const std::unique_lock lock(mutex_);
  File& file = writable(state_.names.at(std::string(path)));
  file.records.clear();
  file.size_bytes = 0;
  const Piece piece{bytes.data(), bytes.size()};
  write(file, 0, {&piece, 1});
}

}  // namespace ipfs_zfs::test
