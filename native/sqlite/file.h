// One open file of a database, and what all who have it open share.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "../result.h"
#include "../zfs/dataset_files.h"

namespace ipfs_zfs::sqlite {

// `/tank/ipfs/catalog/records.db`: dataset `tank/ipfs/catalog`, file `records.db`.
struct Place {
  std::string pool;
  std::string dataset;
  std::string file;
};

// kInvalid for anything but an absolute path of at least a pool and a file.
Result<Place> parse_place(std::string_view path);

// The files of the dataset. kNotFound when this process has no such pool open.
Result<std::shared_ptr<DatasetFiles>> open_place(const Place& place);

// In the order in which SQLite takes them.
enum class LockLevel : uint8_t { kNone, kShared, kReserved, kPending, kExclusive };

// One for each path that is open, whoever opened it: its locks and its length.
struct SharedFile {
  std::mutex mutex;
  uint64_t size_bytes = 0;
  uint32_t shared_locks = 0;
  const void* reserved = nullptr;
  const void* pending = nullptr;
  const void* exclusive = nullptr;
};

class OpenFile {
 public:
  // `record_size_bytes` is for a file that must be made first; 0: it must be there (kNotFound).
  static Result<std::unique_ptr<OpenFile>> open(const std::string& path,
                                                uint32_t record_size_bytes);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // How many bytes there were; the rest of `into` is zeroed.
  Result<size_t> read(void* into, size_t length_bytes, uint64_t offset_bytes);
  Status write(const void* from, size_t length_bytes, uint64_t offset_bytes);
  Status truncate(uint64_t size_bytes);
  Status sync();
  uint64_t size_bytes();

  bool lock(LockLevel level);  // false: someone else is in the way
  void unlock(LockLevel level);
  bool is_reserved();

 private:
  OpenFile(std::shared_ptr<DatasetFiles> files, FileId id, std::shared_ptr<SharedFile> shared)
      : files_(std::move(files)), id_(id), shared_(std::move(shared)) {}

  bool lock_exclusive();

  std::shared_ptr<DatasetFiles> files_;
  FileId id_;
  std::shared_ptr<SharedFile> shared_;
  LockLevel level_ = LockLevel::kNone;
};

}  // namespace ipfs_zfs::sqlite
