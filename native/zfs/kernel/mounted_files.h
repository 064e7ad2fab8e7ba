// DatasetFiles over a mounted file system: ordinary files, ordinary system calls.
//
// There is no transaction over several calls here. What takes its place: ZFS puts system calls into
// its transaction groups in the order in which they were made, and a group is on disk whole or not
// at all, so a crash shows the pool as it was after some prefix of them. Batches are therefore
// written in the order of their ops, one after the other, and whoever needs more (the index's log)
// writes its commit last and knows a torn one. Nothing here uses the intent log, which would break
// that order (see docs/engines.md).
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "../dataset_files.h"

namespace ipfs_zfs::kernel {

// Counts the changes of one pool, and which of them are on disk. Waiters share one sync.
class ChangeClock {
 public:
  // After the change: whoever waits for the number waits for the change.
  Txg tick() { return ++changes_; }
  Txg now() const { return changes_.load(); }

  // `sync` returns when all that was done before it was called is on disk.
  template <typename Sync>
  Status wait(Txg change, const Sync& sync) {
    std::unique_lock lock(mutex_);
    while (durable_ < change) {
      if (syncing_) {
        done_.wait(lock);
        continue;
      }
      syncing_ = true;
      const Txg reached = now();
      lock.unlock();
      const Status synced = sync();
      lock.lock();
      syncing_ = false;
      if (synced) durable_ = reached;
      done_.notify_all();
      if (!synced) return synced;
    }
    return {};
  }

 private:
  std::atomic<Txg> changes_{1};
  std::mutex mutex_;
  std::condition_variable done_;
  Txg durable_ = 0;
  bool syncing_ = false;
};

// What the files ask of the dataset that they are in.
class MountedDataset {
 public:
  virtual ~MountedDataset() = default;
  // The largest record that a file gets whose size is set from now on.
  virtual Status set_record_size(uint32_t bytes) = 0;
  virtual Status sync() = 0;        // as ChangeClock::wait() wants it
  virtual bool is_suspended() = 0;  // the pool stopped after it lost a device
  // Does ZFS know these records of a file to be damaged?
  virtual bool is_damaged(FileId file, uint64_t first_record, uint64_t last_record) = 0;
  virtual ChangeClock& clock() = 0;
};

class MountedFiles final : public DatasetFiles {
 public:
  // `root` is an open folder, which the object closes.
  MountedFiles(int root, std::string name, bool readonly, std::shared_ptr<MountedDataset> dataset)
      : root_(root), name_(std::move(name)), readonly_(readonly), dataset_(std::move(dataset)) {}
  ~MountedFiles() override;

  Result<FileId> create(std::string_view path, uint32_t record_size_bytes) override;
  Result<FileId> lookup(std::string_view path) override;
  Result<FileInfo> info(FileId file) override;
  Result<std::vector<DirEntry>> list(std::string_view folder) override;
  Status make_folder(std::string_view path) override;
  Status rename(std::string_view from, std::string_view to) override;
  Status unlink(std::string_view path) override;
  Status truncate(FileId file, uint64_t size_bytes) override;
  Result<Txg> apply(std::span<const FileOp> ops) override;
  size_t apply_limit_bytes() const override;
  Status keep_room(uint64_t bytes) override;
  Result<Txg> replace(std::string_view path, std::span<const Piece> content) override;
  Status read(FileId file, std::span<ReadOp> ops) override;
  // A system call may always wait, and ZFS takes no RWF_NOWAIT.
  bool read_now(FileId, ReadOp&) override { return false; }
  Txg open_txg() override { return dataset_->clock().now(); }
  Status wait_durable(Txg txg) override;
  Result<RecordPointer> record_pointer(FileId file, uint64_t record) override;

 private:
  // An open file descriptor, closed when the last call that uses it is done.
  struct OpenFile {
    explicit OpenFile(int opened) : fd(opened) {}
    ~OpenFile();
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    const int fd;
  };
  struct Known {
    std::string path;
    std::shared_ptr<OpenFile> open;  // null until it is used
  };

  Status may_change() const;
  enum class Use : uint8_t { kWrite, kRead };
  Result<std::shared_ptr<OpenFile>> use(FileId file, Use what);
  Status search(const std::string& folder, FileId file);
  void know(FileId file, std::string path);
  void forget(FileId file);
  void close_unused();
  Result<int> open_new(uint32_t record_size_bytes);
  Status make_parents(const std::string& path);
  Status check_ops(std::span<const FileOp> ops) const;
  Status has_room(uint64_t bytes) const;
  Status write_run(int fd, std::span<const FileOp> ops, size_t* used);
  Status punch(int fd, const FileOp& op) const;
  ErrorCode read_error(int error, FileId file, const OpenFile& open, const ReadOp& op);
  Error cannot(int error, const char* what, std::string_view path) const;

  const int root_;
  const std::string name_;
  const bool readonly_;
  const std::shared_ptr<MountedDataset> dataset_;

  std::mutex create_mutex_;  // the record size of the dataset is that of the file being made
  std::mutex rename_mutex_;  // what is replaced is known before it is gone
  std::shared_mutex files_mutex_;
  std::unordered_map<FileId, Known> files_;
  size_t open_files_ = 0;

  std::atomic<uint64_t> unsynced_bytes_{0};  // written since keep_room() last waited for the pool
};

}  // namespace ipfs_zfs::kernel
