// The files of one dataset, as a store needs them: whole records, atomic batches, punched holes.
//
// Two engines implement this: `embedded/` through the DMU of a ZFS that runs in this process, and
// `kernel/` through mounted files. All calls are thread-safe; two calls that touch the same bytes
// of a file at once are the caller's mistake.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../result.h"

namespace ipfs_zfs {

using FileId = uint64_t;  // the ZFS object number
using Txg = uint64_t;     // the transaction group that carries a change

struct Piece {
  const void* data = nullptr;
  size_t size_bytes = 0;
};

// One change of an atomic batch. Writes past the end grow the file.
struct FileOp {
  enum class Kind : uint8_t { kWrite, kPunch } kind = Kind::kWrite;
  FileId file = 0;
  uint64_t offset_bytes = 0;
  std::span<const Piece> pieces;  // kWrite: laid down back to back from the offset
  uint64_t length_bytes = 0;      // kPunch: becomes a hole; its space returns with the group
};

// One read of a batch. `length_bytes` bytes land at `into`; what lies past the end, or in a hole,
// reads as zeros. Each read carries its own outcome, so that one bad record fails one block.
struct ReadOp {
  uint64_t offset_bytes = 0;
  size_t length_bytes = 0;
  void* into = nullptr;
  bool ok = false;
  ErrorCode error = ErrorCode::kIo;  // kCorrupt or kIo, when !ok
};

struct FileInfo {
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  uint32_t record_size_bytes = 0;
};

struct DirEntry {
  std::string name;
  FileId file = 0;
  bool is_directory = false;
};

// What ZFS itself says of one record, read from its block pointer; no data is read.
struct RecordPointer {
  bool is_hole = false;
  bool is_sha256_of_data = false;  // checksum=sha256 and the record is stored uncompressed
  std::array<uint8_t, 32> checksum{};
  uint64_t birth_txg = 0;
};

class DatasetFiles {
 public:
  virtual ~DatasetFiles() = default;

  // `path` is relative, '/' separated; missing folders on the way are made. `record_size_bytes` is
  // a power of two from 4 KiB to 16 MiB and stays for the file's life. Fails with kExists.
  virtual Result<FileId> create(std::string_view path, uint32_t record_size_bytes) = 0;
  // The same for what does not compress, such as digests: an engine that can tell ZFS so spares it
  // the attempt.
  virtual Result<FileId> create_incompressible(std::string_view path, uint32_t record_size_bytes) {
    return create(path, record_size_bytes);
  }
  virtual Result<FileId> lookup(std::string_view path) = 0;
  virtual Result<FileInfo> info(FileId file) = 0;
  virtual Result<std::vector<DirEntry>> list(std::string_view folder) = 0;
  virtual Status make_folder(std::string_view path) = 0;
  virtual Status rename(std::string_view from, std::string_view to) = 0;  // replaces `to`
  virtual Status unlink(std::string_view path) = 0;  // a file, or an empty folder
  virtual Status truncate(FileId file, uint64_t size_bytes) = 0;

  // Applies all of `ops` or, after a crash, none of them. At most `apply_limit_bytes()` of data and
  // 4096 ops. Readable when it returns; durable when `wait_durable(txg)` returns. Later batches
  // are never on disk without earlier ones.
  virtual Result<Txg> apply(std::span<const FileOp> ops) = 0;
  virtual size_t apply_limit_bytes() const = 0;
  // Asked before a batch that frees nothing: kNoSpace when `bytes` more could leave too little room
  // for one that writes a little and then frees. An engine that lets a full dataset take such a
  // batch has no need of it.
  virtual Status keep_room(uint64_t /*bytes*/) { return {}; }

  // Makes `path` hold exactly `content`, atomically; created when missing (at most 16 MiB).
  virtual Result<Txg> replace(std::string_view path, std::span<const Piece> content) = 0;

  // Reads are grouped by record inside. Returns an error only when nothing could be tried.
  virtual Status read(FileId file, std::span<ReadOp> ops) = 0;
  // The same for one read that needs neither the disk nor another thread, on a thread that must
  // not wait. False, with `into` in any state, when it is not so: then read() is the way.
  virtual bool read_now(FileId file, ReadOp& op) = 0;

  // The newest group that holds a change of this dataset's pool, for wait_durable().
  virtual Txg open_txg() = 0;
  // Returns when `txg` is on disk; makes the group close early. kSuspended when the pool stopped.
  virtual Status wait_durable(Txg txg) = 0;

  // `record` counts from 0 in units of the file's record size. Only what is already on disk.
  virtual Result<RecordPointer> record_pointer(FileId file, uint64_t record) = 0;
};

}  // namespace ipfs_zfs
