#include "file.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <utility>

#include "../zfs/engine.h"

namespace ipfs_zfs::sqlite {

namespace {

std::mutex open_files_mutex;
std::map<std::string, std::weak_ptr<SharedFile>, std::less<>> open_files;

Result<std::shared_ptr<SharedFile>> share(const std::string& path, DatasetFiles& files, FileId id) {
  std::lock_guard guard(open_files_mutex);
  std::weak_ptr<SharedFile>& known = open_files[path];
  std::shared_ptr<SharedFile> shared = known.lock();
  if (shared == nullptr) {
    Result<FileInfo> info = files.info(id);
    if (!info) {
      return info.error();
    }
    shared = std::make_shared<SharedFile>();
    shared->size_bytes = info->size_bytes;
    known = shared;
    std::erase_if(open_files, [](const auto& entry) { return entry.second.expired(); });
  }
  return shared;
}

}  // namespace

Result<Place> parse_place(std::string_view path) {
  size_t last = path.rfind('/');
  size_t second = path.find('/', 1);
  bool is_absolute = !path.empty() && path.front() == '/';
  if (!is_absolute || second == std::string_view::npos || second < 2 || last + 1 == path.size()) {
    return Error{ErrorCode::kInvalid, "not /<dataset>/<file>: " + std::string(path)};
  }
  return Place{.pool = std::string(path.substr(1, second - 1)),
               .dataset = std::string(path.substr(1, last - 1)),
               .file = std::string(path.substr(last + 1))};
}

Result<std::shared_ptr<DatasetFiles>> open_place(const Place& place) {
  std::shared_ptr<PoolAdmin> pool = find_open_pool(place.pool);
  if (pool == nullptr) {
    return Error{ErrorCode::kNotFound, "this process has no pool " + place.pool + " open"};
  }
  return pool->open_files(place.dataset);
}

Result<std::unique_ptr<OpenFile>> OpenFile::open(const std::string& path,
                                                 uint32_t record_size_bytes) {
  Result<Place> place = parse_place(path);
  if (!place) {
    return place.error();
  }
  Result<std::shared_ptr<DatasetFiles>> files = open_place(*place);
  if (!files) {
    return files.error();
  }
  Result<FileId> id = (*files)->lookup(place->file);
  if (!id && id.error().code == ErrorCode::kNotFound && record_size_bytes != 0) {
    id = (*files)->create(place->file, record_size_bytes);
  }
  if (!id) {
    return id.error();
  }
  Result<std::shared_ptr<SharedFile>> shared = share(path, **files, *id);
  if (!shared) {
    return shared.error();
  }
  return std::unique_ptr<OpenFile>(new OpenFile(*files, *id, *shared));
}

OpenFile::~OpenFile() { unlock(LockLevel::kNone); }

Result<size_t> OpenFile::read(void* into, size_t length_bytes, uint64_t offset_bytes) {
  uint64_t size = size_bytes();
  size_t there = offset_bytes >= size ? 0 : std::min<uint64_t>(length_bytes, size - offset_bytes);
  std::memset(static_cast<char*>(into) + there, 0, length_bytes - there);
  if (there == 0) {
    return there;
  }
  ReadOp op{.offset_bytes = offset_bytes, .length_bytes = there, .into = into};
  Status read = files_->read(id_, std::span(&op, 1));
  if (!read) {
    return read.error();
  }
  if (!op.ok) {
    return Error{op.error, "a record of the database cannot be read"};
  }
  return there;
}

Status OpenFile::write(const void* from, size_t length_bytes, uint64_t offset_bytes) {
  const char* bytes = static_cast<const char*>(from);
  while (length_bytes > 0) {
    // A page is far below the limit, and so one transaction.
    size_t part = std::min(length_bytes, files_->apply_limit_bytes());
    Piece piece{.data = bytes, .size_bytes = part};
    FileOp op{.kind = FileOp::Kind::kWrite,
              .file = id_,
              .offset_bytes = offset_bytes,
              .pieces = std::span(&piece, 1)};
    Result<Txg> applied = files_->apply(std::span(&op, 1));
    if (!applied) {
      return applied.error();
    }
    bytes += part;
    offset_bytes += part;
    length_bytes -= part;
    std::lock_guard guard(shared_->mutex);
    shared_->size_bytes = std::max(shared_->size_bytes, offset_bytes);
  }
  return {};
}

Status OpenFile::truncate(uint64_t size_bytes) {
  Status truncated = files_->truncate(id_, size_bytes);
  if (truncated) {
    std::lock_guard guard(shared_->mutex);
    shared_->size_bytes = size_bytes;
  }
  return truncated;
}

Status OpenFile::sync() { return files_->wait_durable(files_->open_txg()); }

uint64_t OpenFile::size_bytes() {
  std::lock_guard guard(shared_->mutex);
  return shared_->size_bytes;
}

bool OpenFile::lock(LockLevel level) {
  std::lock_guard guard(shared_->mutex);
  if (level <= level_) {
    return true;
  }
  if (level == LockLevel::kShared) {
    if (shared_->pending != nullptr || shared_->exclusive != nullptr) {
      return false;
    }
    shared_->shared_locks++;
  } else if (level == LockLevel::kReserved) {
    if (shared_->reserved != nullptr) {
      return false;
    }
    shared_->reserved = this;
  } else {
    return lock_exclusive();
  }
  level_ = level;
  return true;
}

// Called with the lock of `shared_`. Readers that are left keep it at pending, which lets no new
// ones in.
bool OpenFile::lock_exclusive() {
  bool reserved_by_other = shared_->reserved != nullptr && shared_->reserved != this;
  bool pending_by_other = shared_->pending != nullptr && shared_->pending != this;
  if (reserved_by_other || pending_by_other) {
    return false;
  }
  shared_->pending = this;
  level_ = LockLevel::kPending;
  if (shared_->shared_locks > 1) {
    return false;
  }
  shared_->exclusive = this;
  level_ = LockLevel::kExclusive;
  return true;
}

void OpenFile::unlock(LockLevel level) {
  std::lock_guard guard(shared_->mutex);
  if (level >= level_) {
    return;
  }
  for (const void** owner : {&shared_->reserved, &shared_->pending, &shared_->exclusive}) {
    if (*owner == this) {
      *owner = nullptr;
    }
  }
  if (level == LockLevel::kNone) {
    shared_->shared_locks--;
  }
  level_ = level;
}

bool OpenFile::is_reserved() {
  std::lock_guard guard(shared_->mutex);
  return shared_->reserved != nullptr || shared_->pending != nullptr;
}

}  // namespace ipfs_zfs::sqlite
