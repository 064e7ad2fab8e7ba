#include "dataset_files.h"

#include <cerrno>
#include <mutex>

#include "../errors.h"
#include "../file_limits.h"

namespace ipfs_zfs::embedded {
namespace {

constexpr uint32_t kReplaceRecordBytes = 128 << 10;

// The two engines share dataset_files.h; the C face has the same layout and no C++.
static_assert(sizeof(Piece) == sizeof(iz_piece_t) &&
              offsetof(Piece, size_bytes) == offsetof(iz_piece_t, size_bytes));

const iz_piece_t* c_pieces(std::span<const Piece> pieces) {
  return reinterpret_cast<const iz_piece_t*>(pieces.data());
}

uint64_t total_bytes(std::span<const Piece> pieces) {
  uint64_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.size_bytes;
  return bytes;
}

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

}  // namespace

EmbeddedFiles::~EmbeddedFiles() {
  files_.clear();
  iz_dataset_close(dataset_);
  owner_->files_closed(name_);
}

Result<std::shared_ptr<EmbeddedFiles::OpenFile>> EmbeddedFiles::find(FileId file) {
  {
    std::shared_lock lock(files_mutex_);
    const auto found = files_.find(file);
    if (found != files_.end()) return found->second;
  }
  std::unique_lock lock(files_mutex_);
  const auto found = files_.find(file);
  if (found != files_.end()) return found->second;
  iz_file_t* opened = nullptr;
  const int error = unlinked_.count(file) > 0 ? ENOENT : iz_file_open(dataset_, file, &opened);
  if (error != 0) return make_error(error, name_ + " file " + std::to_string(file));
  auto open = std::make_shared<OpenFile>(opened);
  files_.emplace(file, open);
  return open;
}

Result<EmbeddedFiles::Use> EmbeddedFiles::use(FileId file) {
  Result<std::shared_ptr<OpenFile>> open = find(file);
  if (!open) return open.error();
  Use using_it{*open, std::shared_lock(open.operator*()->in_use)};
  if (using_it.open->is_gone) return make_error(ENOENT, name_ + " file " + std::to_string(file));
  return using_it;
}

// Waits for the calls that still use the file, then frees its data.
void EmbeddedFiles::let_go_and_free(FileId file) {
  std::shared_ptr<OpenFile> open;
  {
    std::unique_lock lock(files_mutex_);
    unlinked_.insert(file);
    const auto found = files_.find(file);
    if (found != files_.end()) {
      open = std::move(found->second);
      files_.erase(found);
    }
  }
  if (open != nullptr) {
    std::unique_lock lock(open->in_use);
    open->is_gone = true;
  }
  open.reset();
  // The name is gone already; what cannot be freed now is freed when the dataset is next opened.
  if (iz_free_unlinked(dataset_, file) != 0) return;
  std::unique_lock lock(files_mutex_);
  unlinked_.erase(file);
}

Result<FileId> EmbeddedFiles::create(std::string_view path, uint32_t record_size_bytes) {
  if (!is_record_size(record_size_bytes)) return invalid_record_size(record_size_bytes);
  FileId file = 0;
  const int error = iz_create(dataset_, std::string(path).c_str(), record_size_bytes, &file);
  if (error != 0) return make_error(error, "cannot create " + path_of(path));
  return file;
}

// Should the second step fail, the file compresses in vain, which is no harm.
Result<FileId> EmbeddedFiles::create_incompressible(std::string_view path,
                                                    uint32_t record_size_bytes) {
  auto file = create(path, record_size_bytes);
  if (file) (void)iz_stop_compressing(dataset_, *file);
  return file;
}

Result<FileId> EmbeddedFiles::lookup(std::string_view path) {
  FileId file = 0;
  int is_folder = 0;
  const int error = iz_lookup(dataset_, std::string(path).c_str(), &file, &is_folder);
  if (error != 0) return make_error(error, path_of(path));
  if (is_folder) return make_error(EISDIR, path_of(path));
  return file;
}

Result<FileInfo> EmbeddedFiles::info(FileId file) {
  Result<Use> used = use(file);
  if (!used) return used.error();
  iz_file_info_t raw;
  iz_file_info(used->file(), &raw);
  return FileInfo{raw.size_bytes, raw.allocated_bytes, raw.record_size_bytes};
}

Result<std::vector<DirEntry>> EmbeddedFiles::list(std::string_view folder) {
  std::vector<DirEntry> entries;
  const int error = iz_list(
      dataset_, std::string(folder).c_str(),
      [](void* context, const char* name, uint64_t object, int is_folder) {
        static_cast<std::vector<DirEntry>*>(context)->push_back({name, object, is_folder != 0});
      },
      &entries);
  if (error != 0) return make_error(error, "cannot list " + path_of(folder));
  return entries;
}

Status EmbeddedFiles::make_folder(std::string_view path) {
  const int error = iz_make_folder(dataset_, std::string(path).c_str());
  return status_of(error, "cannot make the folder " + path_of(path));
}

Status EmbeddedFiles::rename(std::string_view from, std::string_view to) {
  FileId replaced = 0;
  const int error =
      iz_rename(dataset_, std::string(from).c_str(), std::string(to).c_str(), &replaced);
  if (error != 0) return make_error(error, "cannot rename " + path_of(from));
  if (replaced != 0) let_go_and_free(replaced);
  return {};
}

Status EmbeddedFiles::unlink(std::string_view path) {
  FileId freed = 0;
  const int error = iz_unlink(dataset_, std::string(path).c_str(), &freed);
  if (error != 0) return make_error(error, "cannot remove " + path_of(path));
  let_go_and_free(freed);
  return {};
}

Status EmbeddedFiles::truncate(FileId file, uint64_t size_bytes) {
  if (is_out_of_range(size_bytes, 0)) return invalid("the size is over 2^62 bytes");
  Result<Use> used = use(file);
  if (!used) return used.error();
  return status_of(iz_file_truncate(used->file(), size_bytes),
                   "cannot truncate " + name_ + " file " + std::to_string(file));
}

size_t EmbeddedFiles::apply_limit_bytes() const { return kApplyLimitBytes; }

Result<Txg> EmbeddedFiles::apply(std::span<const FileOp> ops) {
  if (ops.size() > kApplyLimitOps) return too_many_ops(ops.size());
  std::vector<Use> uses;  // few files a batch, so a linear search
  std::vector<FileId> used_ids;
  std::vector<iz_change_t> changes;
  changes.reserve(ops.size());
  uint64_t written_bytes = 0;
  for (const FileOp& op : ops) {
    size_t at = used_ids.size();
    while (at > 0 && used_ids[at - 1] != op.file) --at;
    if (at == 0) {
      Result<Use> used = use(op.file);
      if (!used) return used.error();
      uses.push_back(std::move(*used));
      used_ids.push_back(op.file);
      at = uses.size();
    }
    const bool is_punch = op.kind == FileOp::Kind::kPunch;
    const uint64_t length_bytes = is_punch ? op.length_bytes : total_bytes(op.pieces);
    if (is_out_of_range(op.offset_bytes, length_bytes)) {
      return invalid("a change lies beyond 2^62 bytes");
    }
    if (!is_punch) written_bytes += length_bytes;
    changes.push_back({uses[at - 1].file(), is_punch ? 1 : 0, op.offset_bytes, length_bytes,
                       c_pieces(op.pieces), op.pieces.size()});
  }
  if (written_bytes > kApplyLimitBytes) return too_many_bytes(written_bytes);
  if (changes.empty()) return open_txg();
  Txg txg = 0;
  const int error = iz_apply(dataset_, changes.data(), changes.size(), &txg);
  if (error != 0) return make_error(error, "cannot write to " + name_);
  return txg;
}

Result<Txg> EmbeddedFiles::replace(std::string_view path, std::span<const Piece> content) {
  const uint64_t length_bytes = total_bytes(content);
  if (length_bytes > kReplaceLimitBytes) {
    return Error{ErrorCode::kTooLarge, "the content of " + path_of(path) + " is over 16 MiB"};
  }
  const std::string name(path);
  FileId file = 0;
  int is_folder = 0;
  int error = iz_lookup(dataset_, name.c_str(), &file, &is_folder);
  if (error == ENOENT) {
    is_folder = 0;
    error = iz_create(dataset_, name.c_str(), kReplaceRecordBytes, &file);
  }
  if (error == EEXIST) error = iz_lookup(dataset_, name.c_str(), &file, &is_folder);
  if (error != 0) return make_error(error, "cannot replace " + path_of(path));
  if (is_folder) return make_error(EISDIR, path_of(path));
  Result<Use> used = use(file);
  if (!used) return used.error();
  Txg txg = 0;
  error = iz_file_replace(used->file(), c_pieces(content), content.size(), length_bytes, &txg);
  if (error != 0) return make_error(error, "cannot replace " + path_of(path));
  return txg;
}

Status EmbeddedFiles::read(FileId file, std::span<ReadOp> ops) {
  Result<Use> used = use(file);
  if (!used) return used.error();
  std::vector<iz_read_t> reads;
  reads.reserve(ops.size());
  for (const ReadOp& op : ops) {
    if (is_out_of_range(op.offset_bytes, op.length_bytes)) {
      return invalid("a read lies beyond 2^62 bytes");
    }
    reads.push_back({op.offset_bytes, op.length_bytes, op.into, 0});
  }
  iz_file_read(used->file(), reads.data(), reads.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    ops[i].ok = reads[i].error == 0;
    if (reads[i].error != 0) ops[i].error = error_code(reads[i].error);
  }
  return {};
}

bool EmbeddedFiles::read_now(FileId file, ReadOp& op) {
  if (is_out_of_range(op.offset_bytes, op.length_bytes)) return false;
  const std::shared_lock lock(files_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  const auto found = files_.find(file);
  if (found == files_.end()) return false;
  OpenFile& open = *found->second;
  const std::shared_lock use(open.in_use, std::try_to_lock);
  if (!use.owns_lock() || open.is_gone) return false;
  iz_read_t read{op.offset_bytes, op.length_bytes, op.into, 0};
  op.ok = iz_file_read_now(open.file, &read) != 0;
  return op.ok;
}

Txg EmbeddedFiles::open_txg() { return iz_open_txg(pool_); }

Status EmbeddedFiles::wait_durable(Txg txg) {
  return status_of(iz_wait_synced(pool_, txg), "waiting for the pool of " + name_);
}

Result<RecordPointer> EmbeddedFiles::record_pointer(FileId file, uint64_t record) {
  Result<Use> used = use(file);
  if (!used) return used.error();
  iz_record_pointer_t raw;
  const int error = iz_file_record_pointer(used->file(), record, &raw);
  if (error != 0) {
    return make_error(
        error, name_ + " file " + std::to_string(file) + " record " + std::to_string(record));
  }
  RecordPointer pointer;
  pointer.is_hole = raw.is_hole != 0;
  pointer.is_sha256_of_data = raw.is_sha256_of_data != 0;
  pointer.birth_txg = raw.birth_txg;
  std::copy(std::begin(raw.checksum), std::end(raw.checksum), pointer.checksum.begin());
  return pointer;
}

}  // namespace ipfs_zfs::embedded
