#include "mounted_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "../error_numbers.h"
#include "../errors.h"
#include "../file_limits.h"

namespace ipfs_zfs::kernel {
namespace {

// Packs and runs can be many; those that nobody uses are closed when more than this are open.
constexpr size_t kMaxOpenFiles = 512;
constexpr int kOpenFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;

// Log frames of deletes, and what the index writes in the background.
constexpr uint64_t kRoomForDeletesBytes = 8 << 20;
// What a byte may become in ZFS: up to three copies, and metadata.
constexpr uint64_t kMostSpread = 4;

uint64_t total_bytes(std::span<const Piece> pieces) {
  uint64_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.size_bytes;
  return bytes;
}

uint64_t end_of(const FileOp& op) { return op.offset_bytes + total_bytes(op.pieces); }

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

// Does it name something inside its dataset? Slashes too many are taken out of it.
bool is_inside(std::string& path) {
  std::string tidy;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part == "." || part == "..") return false;
    if (!part.empty()) tidy += (tidy.empty() ? "" : "/") + part;
    at = end + 1;
  }
  path = std::move(tidy);
  return !path.empty() && path.find('\0') == std::string::npos;
}

// The whole of `parts`, in as many calls as it takes.
int write_all(int fd, std::vector<iovec>& parts, uint64_t offset) {
  size_t first = 0;
  while (first < parts.size()) {
    const auto count = static_cast<int>(std::min<size_t>(parts.size() - first, IOV_MAX));
    const ssize_t wrote = pwritev(fd, &parts[first], count, static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    offset += static_cast<uint64_t>(wrote);
    auto left = static_cast<size_t>(wrote);
    while (first < parts.size() && left >= parts[first].iov_len) left -= parts[first++].iov_len;
    if (left > 0) {
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + left;
      parts[first].iov_len -= left;
    }
  }
  return 0;
}

void add_parts(std::vector<iovec>& parts, std::span<const Piece> pieces) {
  for (const Piece& piece : pieces) {
    if (piece.size_bytes > 0) parts.push_back({const_cast<void*>(piece.data), piece.size_bytes});
  }
}

// What lies past the end reads as zeros.
int read_all(int fd, const ReadOp& op) {
  auto* into = static_cast<char*>(op.into);
  size_t done = 0;
  while (done < op.length_bytes) {
    const ssize_t got =
        pread(fd, into + done, op.length_bytes - done, static_cast<off_t>(op.offset_bytes + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  std::fill(into + done, into + op.length_bytes, 0);
  return 0;
}

}  // namespace

MountedFiles::OpenFile::~OpenFile() { close(fd); }

MountedFiles::~MountedFiles() {
  files_.clear();
  close(root_);
}

Error MountedFiles::cannot(int error, const char* what, std::string_view path) const {
  if (error == EIO && dataset_->is_suspended()) error = IZ_ESUSPENDED;
  return make_error(error, std::string(what) + name_ + "/" + std::string(path));
}

Status MountedFiles::may_change() const {
  if (!readonly_) return {};
  return make_error(IZ_EREADONLY, "cannot change " + name_);
}

void MountedFiles::know(FileId file, std::string path) {
  std::unique_lock lock(files_mutex_);
  Known& known = files_[file];
  if (known.path == path) return;
  known.path = std::move(path);
}

void MountedFiles::forget(FileId file) {
  std::unique_lock lock(files_mutex_);
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  if (found->second.open != nullptr) open_files_--;
  files_.erase(found);
}

// With files_mutex_ held alone.
void MountedFiles::close_unused() {
  for (auto& [file, known] : files_) {
    if (known.open == nullptr || known.open.use_count() > 1) continue;
    known.open.reset();
    open_files_--;
  }
}

// A number from an earlier open: it is found where all names are.
Status MountedFiles::search(const std::string& folder, FileId file) {
  const auto entries = list(folder);
  if (!entries) return entries.error();
  for (const DirEntry& entry : *entries) {
    if (!entry.is_directory && entry.file == file) return {};
  }
  for (const DirEntry& entry : *entries) {
    if (!entry.is_directory) continue;
    const Status found = search(folder.empty() ? entry.name : folder + "/" + entry.name, file);
    if (found) return found;
  }
  return cannot(ENOENT, "", "file " + std::to_string(file));
}

Result<std::shared_ptr<MountedFiles::OpenFile>> MountedFiles::use(FileId file, Use what) {
  bool is_known = false;
  {
    std::shared_lock lock(files_mutex_);
    const auto found = files_.find(file);
    is_known = found != files_.end();
    if (is_known && found->second.open != nullptr) return found->second.open;
  }
  if (!is_known) {
    const Status found = search("", file);
    if (!found) return found.error();
  }
  std::unique_lock lock(files_mutex_);
  const auto found = files_.find(file);
  if (found == files_.end()) return cannot(ENOENT, "", "file " + std::to_string(file));
  Known& known = found->second;
  if (known.open != nullptr) return known.open;
  if (open_files_ >= kMaxOpenFiles) close_unused();
  int fd = openat(root_, known.path.c_str(), kOpenFlags | (readonly_ ? O_RDONLY : O_RDWR));
  // It became read-only: what is there can be read, and nothing of that is kept for later.
  const bool is_passing = fd < 0 && errno == EROFS && what == Use::kRead;
  if (is_passing) fd = openat(root_, known.path.c_str(), kOpenFlags | O_RDONLY);
  if (fd < 0) return cannot(errno, "cannot open ", known.path);
  auto open = std::make_shared<OpenFile>(fd);
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_ino != file) {
    return cannot(ENOENT, "", known.path);  // somebody put another one in its place
  }
  if (is_passing) return open;
  known.open = open;
  open_files_++;
  return open;
}

Status MountedFiles::make_parents(const std::string& path) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string folder = path.substr(0, at);
    if (mkdirat(root_, folder.c_str(), kFolderMode) != 0 && errno != EEXIST) {
      return cannot(errno, "cannot make the folder ", folder);
    }
  }
  return {};
}

// A file without a name, whose records have their size. ZFS gives a file its record size when it
// first grows: to the size asked for, at most to the dataset's record size. Once the file is larger
// than the record, it keeps it. Until then a larger record size of the dataset would make it grow
// further, so that the dataset's is the smallest that there is, but for this moment.
Result<int> MountedFiles::open_new(uint32_t record_size_bytes) {
  const std::lock_guard lock(create_mutex_);
  Status sized = dataset_->set_record_size(record_size_bytes);
  if (!sized) return sized.error();
  int error = 0;
  const int fd = openat(root_, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode);
  if (fd < 0 || ftruncate(fd, record_size_bytes) != 0 || ftruncate(fd, 0) != 0) error = errno;
  if (error == 0) sized = dataset_->set_record_size(kRecordMinBytes);
  if (error == 0 && sized) return fd;
  if (fd >= 0) close(fd);
  if (error == 0) return sized.error();
  (void)dataset_->set_record_size(kRecordMinBytes);
  return cannot(error, "cannot make a file in ", "");
}

Result<FileId> MountedFiles::create(std::string_view path, uint32_t record_size_bytes) {
  if (!is_record_size(record_size_bytes)) return invalid_record_size(record_size_bytes);
  const Status may = may_change();
  if (!may) return may.error();
  std::string name(path);
  if (!is_inside(name)) return invalid("'" + name + "' is no path of a file");
  const Status parents = make_parents(name);
  if (!parents) return parents.error();
  struct stat info;
  if (fstatat(root_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    return cannot(EEXIST, "cannot create ", path);
  }
  const Result<int> made = open_new(record_size_bytes);
  if (!made) return made.error();
  auto open = std::make_shared<OpenFile>(*made);
  // It gets its name when it is whole: a crash leaves no file with other records.
  char source[32];
  std::snprintf(source, sizeof(source), "/proc/self/fd/%d", open->fd);
  if (fstat(open->fd, &info) != 0 ||
      linkat(AT_FDCWD, source, root_, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return cannot(errno, "cannot create ", path);
  }
  (void)dataset_->clock().tick();
  std::unique_lock lock(files_mutex_);
  if (open_files_ >= kMaxOpenFiles) close_unused();
  Known& known = files_[info.st_ino];
  if (known.open == nullptr) open_files_++;
  known = Known{name, std::move(open)};
  return FileId{info.st_ino};
}

Result<FileId> MountedFiles::lookup(std::string_view path) {
  std::string name(path);
  if (!is_inside(name)) return invalid("'" + name + "' is no path of a file");
  struct stat info;
  if (fstatat(root_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return cannot(errno, "", path);
  }
  if (S_ISDIR(info.st_mode)) return cannot(EISDIR, "", path);
  if (!S_ISREG(info.st_mode)) return invalid(name_ + "/" + name + " is no ordinary file");
  know(info.st_ino, name);
  return FileId{info.st_ino};
}

Result<FileInfo> MountedFiles::info(FileId file) {
  const auto open = use(file, Use::kRead);
  if (!open) return open.error();
  struct stat info;
  if (fstat((*open)->fd, &info) != 0) return cannot(errno, "", "file " + std::to_string(file));
  return FileInfo{static_cast<uint64_t>(info.st_size), static_cast<uint64_t>(info.st_blocks) * 512,
                  static_cast<uint32_t>(info.st_blksize)};
}

Result<std::vector<DirEntry>> MountedFiles::list(std::string_view folder) {
  std::string name(folder);
  if (!is_inside(name) && !name.empty()) return invalid("'" + name + "' is no path of a folder");
  const int fd = openat(root_, name.empty() ? "." : name.c_str(),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return cannot(errno, "cannot list ", folder);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd), closedir);
  if (directory == nullptr) {
    const int error = errno;
    close(fd);
    return cannot(error, "cannot list ", folder);
  }
  std::vector<DirEntry> entries;
  errno = 0;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string child = entry->d_name;
    if (child == "." || child == "..") continue;
    const bool is_directory = entry->d_type == DT_DIR;
    if (!is_directory) know(entry->d_ino, name.empty() ? child : name + "/" + child);
    entries.push_back({child, entry->d_ino, is_directory});
  }
  if (errno != 0) return cannot(errno, "cannot list ", folder);
  return entries;
}

Status MountedFiles::make_folder(std::string_view path) {
  const Status may = may_change();
  if (!may) return may;
  std::string name(path);
  if (!is_inside(name)) return invalid("'" + name + "' is no path of a folder");
  const Status parents = make_parents(name);
  if (!parents) return parents;
  if (mkdirat(root_, name.c_str(), kFolderMode) != 0) {
    return cannot(errno, "cannot make the folder ", path);
  }
  (void)dataset_->clock().tick();
  return {};
}

Status MountedFiles::rename(std::string_view from, std::string_view to) {
  const Status may = may_change();
  if (!may) return may;
  std::string old_name(from), new_name(to);
  if (!is_inside(old_name) || !is_inside(new_name)) {
    return invalid("'" + old_name + "' or '" + new_name + "' is no path of a file");
  }
  struct stat moved, replaced;
  const std::lock_guard rename_lock(rename_mutex_);
  if (fstatat(root_, old_name.c_str(), &moved, AT_SYMLINK_NOFOLLOW) != 0) {
    return cannot(errno, "cannot rename ", from);
  }
  const Status parents = make_parents(new_name);
  if (!parents) return parents;
  const bool replaces = fstatat(root_, new_name.c_str(), &replaced, AT_SYMLINK_NOFOLLOW) == 0;
  if (renameat(root_, old_name.c_str(), root_, new_name.c_str()) != 0) {
    return cannot(errno, "cannot rename ", from);
  }
  if (replaces && replaced.st_ino != moved.st_ino) forget(replaced.st_ino);
  (void)dataset_->clock().tick();
  std::unique_lock lock(files_mutex_);
  for (auto& [file, known] : files_) {
    if (known.path == old_name) {
      known.path = new_name;
    } else if (known.path.rfind(old_name + "/", 0) == 0) {
      known.path = new_name + known.path.substr(old_name.size());
    }
  }
  return {};
}

Status MountedFiles::unlink(std::string_view path) {
  const Status may = may_change();
  if (!may) return may;
  std::string name(path);
  if (!is_inside(name)) return invalid("'" + name + "' is no path of a file");
  struct stat info;
  const std::lock_guard rename_lock(rename_mutex_);
  if (fstatat(root_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
      unlinkat(root_, name.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) != 0) {
    return cannot(errno, "cannot remove ", path);
  }
  forget(info.st_ino);
  (void)dataset_->clock().tick();
  return {};
}

Status MountedFiles::truncate(FileId file, uint64_t size_bytes) {
  const Status may = may_change();
  if (!may) return may;
  if (size_bytes > kFileMaxBytes) return invalid("the size is over 2^62 bytes");
  const auto open = use(file, Use::kWrite);
  if (!open) return open.error();
  if (ftruncate((*open)->fd, static_cast<off_t>(size_bytes)) != 0) {
    return cannot(errno, "cannot truncate ", "file " + std::to_string(file));
  }
  (void)dataset_->clock().tick();
  return {};
}

size_t MountedFiles::apply_limit_bytes() const { return kApplyLimitBytes; }

Status MountedFiles::check_ops(std::span<const FileOp> ops) const {
  if (ops.size() > kApplyLimitOps) return too_many_ops(ops.size());
  uint64_t written_bytes = 0;
  for (const FileOp& op : ops) {
    const bool is_punch = op.kind == FileOp::Kind::kPunch;
    const uint64_t length_bytes = is_punch ? op.length_bytes : total_bytes(op.pieces);
    if (is_out_of_range(op.offset_bytes, length_bytes)) {
      return invalid("a change lies beyond 2^62 bytes");
    }
    if (!is_punch) written_bytes += length_bytes;
  }
  if (written_bytes > kApplyLimitBytes) return too_many_bytes(written_bytes);
  return {};
}

// The first of `ops` and those that go on where it ends, in one call; `*used` counts them.
Status MountedFiles::write_run(int fd, std::span<const FileOp> ops, size_t* used) {
  std::vector<iovec> parts;
  const FileOp& first = ops.front();
  uint64_t end = first.offset_bytes;
  *used = 0;
  while (*used < ops.size()) {
    const FileOp& op = ops[*used];
    if (op.kind != FileOp::Kind::kWrite || op.file != first.file || op.offset_bytes != end) break;
    add_parts(parts, op.pieces);
    end = end_of(op);
    ++*used;
  }
  const int error = write_all(fd, parts, first.offset_bytes);
  if (error == 0) return {};
  return cannot(error, "cannot write to ", "file " + std::to_string(first.file));
}

Status MountedFiles::punch(int fd, const FileOp& op) const {
  if (op.length_bytes == 0) return {};
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  while (fallocate(fd, mode, static_cast<off_t>(op.offset_bytes),
                   static_cast<off_t>(op.length_bytes)) != 0) {
    if (errno != EINTR) return cannot(errno, "cannot free a part of ", std::to_string(op.file));
  }
  return {};
}

Result<Txg> MountedFiles::apply(std::span<const FileOp> ops) {
  Status done = may_change();
  if (done) done = check_ops(ops);
  if (!done) return done.error();
  std::unordered_map<FileId, std::shared_ptr<OpenFile>> opened;
  for (const FileOp& op : ops) {
    if (opened.contains(op.file)) continue;
    auto open = use(op.file, Use::kWrite);
    if (!open) return open.error();
    opened.emplace(op.file, *std::move(open));
  }
  bool wrote = false;
  for (size_t at = 0; at < ops.size();) {
    const FileOp& op = ops[at];
    const int fd = opened.at(op.file)->fd;
    if (op.kind == FileOp::Kind::kPunch) {
      // Behind a write, which is the batch's commit, a punch only gives space back. What it leaves
      // is given back when the place is used again.
      const Status punched = punch(fd, op);
      if (!punched && !wrote) return punched.error();
      at++;
      continue;
    }
    size_t used = 0;
    const auto run = ops.subspan(at);
    done = write_run(fd, run, &used);
    for (const FileOp& one : run.first(used)) unsynced_bytes_ += total_bytes(one.pieces);
    if (!done) return done.error();
    wrote = true;
    at += used;
  }
  return ops.empty() ? open_txg() : dataset_->clock().tick();
}

// ZFS lets nothing be written once a quota is reached, and a delete writes its log frame before its
// holes give room back. It is reached by what is on disk: what is on its way there may go far past
// it, and is counted here.
Status MountedFiles::has_room(uint64_t bytes) const {
  struct statvfs space;
  if (fstatvfs(root_, &space) != 0) return cannot(errno, "cannot see the room in ", "");
  const uint64_t left_bytes = space.f_bavail * space.f_frsize;
  const uint64_t coming_bytes = kMostSpread * (unsynced_bytes_.load() + bytes);
  if (left_bytes >= coming_bytes + kRoomForDeletesBytes) return {};
  return Error{ErrorCode::kNoSpace,
               "cannot write to " + name_ + ": the last " + std::to_string(left_bytes >> 20) +
                   " MiB that the pool or a quota lets in are for deleting; delete something, add "
                   "space or raise the quota"};
}

Status MountedFiles::keep_room(uint64_t bytes) {
  Status kept = has_room(bytes);
  if (kept || kept.error().code != ErrorCode::kNoSpace) return kept;
  if (unsynced_bytes_.exchange(0) == 0) return kept;
  kept = dataset_->sync();
  return kept ? has_room(bytes) : kept;
}

// A new file takes the old one's name: whoever opens it finds one of the two, whole.
Result<Txg> MountedFiles::replace(std::string_view path, std::span<const Piece> content) {
  const Status may = may_change();
  if (!may) return may.error();
  if (total_bytes(content) > kReplaceLimitBytes) {
    return Error{ErrorCode::kTooLarge,
                 "the content of " + name_ + "/" + std::string(path) + " is over 16 MiB"};
  }
  std::string name(path);
  if (!is_inside(name)) return invalid("'" + name + "' is no path of a file");
  const Status parents = make_parents(name);
  if (!parents) return parents.error();
  const std::string fresh = name + ".new";
  (void)unlinkat(root_, fresh.c_str(), 0);  // left by a crash
  const int fd = openat(root_, fresh.c_str(), kOpenFlags | O_RDWR | O_CREAT | O_EXCL, kFileMode);
  if (fd < 0) return cannot(errno, "cannot replace ", path);
  const OpenFile open(fd);
  std::vector<iovec> parts;
  add_parts(parts, content);
  const int error = write_all(fd, parts, 0);
  Status done = error == 0 ? rename(fresh, name) : Status(cannot(error, "cannot replace ", path));
  if (!done) {
    (void)unlinkat(root_, fresh.c_str(), 0);
    return done.error();
  }
  return dataset_->clock().now();
}

// ZFS tells a reader no more than EIO, be it a bad checksum or a bad device.
ErrorCode MountedFiles::read_error(int error, FileId file, const OpenFile& open, const ReadOp& op) {
  struct stat info;
  if (error != EIO || op.length_bytes == 0 || fstat(open.fd, &info) != 0) return error_code(error);
  const auto record_bytes = static_cast<uint64_t>(std::max<blksize_t>(info.st_blksize, 1));
  const uint64_t first = op.offset_bytes / record_bytes;
  const uint64_t last = (op.offset_bytes + op.length_bytes - 1) / record_bytes;
  return dataset_->is_damaged(file, first, last) ? ErrorCode::kCorrupt : ErrorCode::kIo;
}

Status MountedFiles::read(FileId file, std::span<ReadOp> ops) {
  const auto open = use(file, Use::kRead);
  if (!open) return open.error();
  for (const ReadOp& op : ops) {
    if (is_out_of_range(op.offset_bytes, op.length_bytes)) {
      return invalid("a read lies beyond 2^62 bytes");
    }
  }
  // ZFS begins to read all of them; the reads below then find them, or wait for them.
  for (size_t i = 0; ops.size() > 1 && i < ops.size(); ++i) {
    (void)posix_fadvise((*open)->fd, static_cast<off_t>(ops[i].offset_bytes),
                        static_cast<off_t>(ops[i].length_bytes), POSIX_FADV_WILLNEED);
  }
  for (ReadOp& op : ops) {
    int error = read_all((*open)->fd, op);
    // One that failed as it was read ahead is in no error log; one that is read for itself is.
    if (error == EIO) error = read_all((*open)->fd, op);
    op.ok = error == 0;
    if (error != 0) op.error = read_error(error, file, **open, op);
  }
  return {};
}

Status MountedFiles::wait_durable(Txg txg) {
  if (txg > open_txg()) return invalid("there is no change " + std::to_string(txg) + " yet");
  return dataset_->clock().wait(txg, [this] { return dataset_->sync(); });
}

// No call of the kernel gives a block pointer away; whoever asks reads the record instead.
Result<RecordPointer> MountedFiles::record_pointer(FileId file, uint64_t) {
  const auto open = use(file, Use::kRead);
  if (!open) return open.error();
  return invalid("the kernel engine cannot see block pointers");
}

}  // namespace ipfs_zfs::kernel
