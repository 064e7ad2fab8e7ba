// libzpool's own versions split every write in two at random (a stress test's crash model) and
// abort() the process on EINVAL. These take their place (weaken.txt).
#include "file_io.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/zfs_context.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <new>

extern "C" {
#include <sys/zfs_file.h>
}

namespace ipfs_zfs::embedded {
namespace {

constexpr uint64_t kDirectAlignBytes = 4096;

// What a zfs_file_t points to here. `direct_fd` is -1 where the file system takes no O_DIRECT.
// The page cache and direct I/O on one file stay coherent: the kernel writes back or drops the
// cached range around every direct call.
struct VdevFile {
  zfs_file_t file;  // first: OpenZFS holds a pointer to it
  int direct_fd;
  std::atomic<uint8_t>* fault;
};

VdevFile* vdev_file(zfs_file_t* file) { return reinterpret_cast<VdevFile*>(file); }

// One flag a path, kept for the process's life: open files point to theirs.
std::atomic<uint8_t>* fault_flag(const std::string& path) {
  static std::mutex mutex;
  static auto* flags = new std::map<std::string, std::atomic<uint8_t>>;
  std::lock_guard lock(mutex);
  return &(*flags)[path];
}

struct Counters {
  std::atomic<uint64_t> direct_reads{0};
  std::atomic<uint64_t> buffered_reads{0};
  std::atomic<uint64_t> direct_writes{0};
  std::atomic<uint64_t> buffered_writes{0};
} counters;

bool faulty(const VdevFile& file, FileFault kind) {
  return (file.fault->load(std::memory_order_relaxed) & static_cast<uint8_t>(kind)) != 0;
}

bool is_aligned(const void* buffer, size_t size, loff_t offset) {
  return ((reinterpret_cast<uintptr_t>(buffer) | size | static_cast<uint64_t>(offset)) %
          kDirectAlignBytes) == 0;
}

// Repeats `call` until all is transferred, the end of the file, or an error other than EINTR.
template <typename Call>
int transfer(char* buffer, size_t count, loff_t offset, size_t* done, Call call) {
  *done = 0;
  while (*done < count) {
    const ssize_t moved = call(buffer + *done, count - *done, offset + static_cast<loff_t>(*done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return errno;
    if (moved == 0) return 0;
    *done += static_cast<size_t>(moved);
  }
  return 0;
}

// Direct where the file and the buffer allow it. EINVAL there means an alignment that the device
// wants and we do not know: the same range goes through the page cache.
template <typename Call>
int transfer_best(const VdevFile& file, void* buffer, size_t count, loff_t offset, size_t* done,
                  std::atomic<uint64_t>& direct, std::atomic<uint64_t>& buffered, Call call) {
  auto* bytes = static_cast<char*>(buffer);
  if (file.direct_fd >= 0 && is_aligned(buffer, count, offset)) {
    direct.fetch_add(1, std::memory_order_relaxed);
    const int error = transfer(bytes, count, offset, done, [&](char* b, size_t n, loff_t o) {
      return call(file.direct_fd, b, n, o);
    });
    if (error != EINVAL) return error;
  }
  buffered.fetch_add(1, std::memory_order_relaxed);
  return transfer(bytes, count, offset, done,
                  [&](char* b, size_t n, loff_t o) { return call(file.file.f_fd, b, n, o); });
}

int finish(size_t count, size_t done, ssize_t* resid) {
  if (resid != nullptr) {
    *resid = static_cast<ssize_t>(count - done);
    return 0;
  }
  return done == count ? 0 : EIO;
}

}  // namespace

void set_file_fault(const std::string& path, FileFault fault) {
  fault_flag(path)->store(static_cast<uint8_t>(fault));
}

FileIoStats file_io_stats() {
  return {counters.direct_reads, counters.buffered_reads, counters.direct_writes,
          counters.buffered_writes};
}

}  // namespace ipfs_zfs::embedded

using namespace ipfs_zfs::embedded;

extern "C" {

int zfs_file_open(const char* path, int flags, int mode, zfs_file_t** out) {
  std::atomic<uint8_t>* fault = fault_flag(path);
  if (fault->load() != 0) return EIO;
  const int fd = open(path, flags | O_CLOEXEC, mode);
  if (fd < 0) return errno;

  auto* opened = static_cast<VdevFile*>(umem_zalloc(sizeof(VdevFile), UMEM_NOFAIL));
  opened->file.f_fd = fd;
  opened->file.f_dump_fd = -1;
  opened->direct_fd = open(path, (flags & O_ACCMODE) | O_DIRECT | O_CLOEXEC);
  opened->fault = fault;
  *out = &opened->file;
  return 0;
}

void zfs_file_close(zfs_file_t* file) {
  VdevFile* closed = vdev_file(file);
  close(closed->file.f_fd);
  if (closed->direct_fd >= 0) close(closed->direct_fd);
  umem_free(closed, sizeof(VdevFile));
}

int zfs_file_pread(zfs_file_t* file, void* buffer, size_t count, loff_t offset, ssize_t* resid) {
  const VdevFile& vdev = *vdev_file(file);
  if (faulty(vdev, FileFault::kReads)) return EIO;
  size_t done = 0;
  const int error = transfer_best(
      vdev, buffer, count, offset, &done, counters.direct_reads, counters.buffered_reads,
      [](int fd, char* b, size_t n, loff_t o) { return pread(fd, b, n, o); });
  return error != 0 ? error : finish(count, done, resid);
}

int zfs_file_pwrite(zfs_file_t* file, const void* buffer, size_t count, loff_t offset,
                    ssize_t* resid) {
  const VdevFile& vdev = *vdev_file(file);
  if (faulty(vdev, FileFault::kWrites)) return EIO;
  size_t done = 0;
  const int error =
      transfer_best(vdev, const_cast<void*>(buffer), count, offset, &done, counters.direct_writes,
                    counters.buffered_writes,
                    [](int fd, char* b, size_t n, loff_t o) { return pwrite(fd, b, n, o); });
  return error != 0 ? error : finish(count, done, resid);
}

int zfs_file_read(zfs_file_t* file, void* buffer, size_t count, ssize_t* resid) {
  const ssize_t moved = read(file->f_fd, buffer, count);
  return moved < 0 ? errno : finish(count, static_cast<size_t>(moved), resid);
}

int zfs_file_write(zfs_file_t* file, const void* buffer, size_t count, ssize_t* resid) {
  const ssize_t moved = write(file->f_fd, buffer, count);
  return moved < 0 ? errno : finish(count, static_cast<size_t>(moved), resid);
}

int zfs_file_seek(zfs_file_t* file, loff_t* offset, int whence) {
  const off_t reached = lseek(file->f_fd, *offset, whence);
  if (reached < 0) return errno;
  *offset = reached;
  return 0;
}

loff_t zfs_file_off(zfs_file_t* file) { return lseek(file->f_fd, 0, SEEK_CUR); }

int zfs_file_getattr(zfs_file_t* file, zfs_file_attr_t* attributes) {
  if (faulty(*vdev_file(file), FileFault::kAll)) return EIO;
  struct stat info;
  if (fstat(file->f_fd, &info) != 0) return errno;
  attributes->zfa_mode = info.st_mode;
  attributes->zfa_size = static_cast<uint64_t>(info.st_size);
  if (S_ISBLK(info.st_mode)) {
    uint64_t device_bytes = 0;
    if (ioctl(file->f_fd, BLKGETSIZE64, &device_bytes) != 0) return errno;
    attributes->zfa_size = device_bytes;
  }
  return 0;
}

int zfs_file_fsync(zfs_file_t* file, int flags) {
  (void)flags;
  if (faulty(*vdev_file(file), FileFault::kWrites)) return EIO;
  return fdatasync(file->f_fd) != 0 ? errno : 0;
}

int zfs_file_deallocate(zfs_file_t* file, loff_t offset, loff_t length) {
  if (faulty(*vdev_file(file), FileFault::kWrites)) return EIO;
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return fallocate(file->f_fd, mode, offset, length) != 0 ? errno : 0;
}

int zfs_file_unlink(const char* path) { return unlink(path) != 0 ? errno : 0; }

}  // extern "C"
