// DatasetFiles in memory, for tests: it can go back to any moment of its history, as a crash would,
// and fail on request. Records are shared between moments and copied when written to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/zfs/dataset_files.h"

namespace ipfs_zfs::test {

class MemoryFiles : public DatasetFiles {
 public:
  using RecordBytes = std::shared_ptr<std::vector<uint8_t>>;
  struct File {
    uint32_t record_size_bytes = 0;
    uint64_t size_bytes = 0;
    std::unordered_map<uint64_t, RecordBytes> records;
  };
  // One moment. Files are shared too, and copied when changed.
  struct State {
    std::map<std::string, FileId> names;  // folders have id 0
    std::map<FileId, std::shared_ptr<File>> files;
    FileId next_file = 1;
    Txg txg = 1;
  };

  MemoryFiles() = default;
  explicit MemoryFiles(State state) : state_(std::move(state)) {}

  Result<FileId> create(std::string_view path, uint32_t record_size_bytes) override;
  Result<FileId> lookup(std::string_view path) override;
  Result<FileInfo> info(FileId file) override;
  Result<std::vector<DirEntry>> list(std::string_view folder) override;
  Status make_folder(std::string_view path) override;
  Status rename(std::string_view from, std::string_view to) override;
  Status unlink(std::string_view path) override;
  Status truncate(FileId file, uint64_t size_bytes) override;
  Result<Txg> apply(std::span<const FileOp> ops) override;
  size_t apply_limit_bytes() const override { return apply_limit_bytes_; }
  Status keep_room(uint64_t bytes) override;
  Result<Txg> replace(std::string_view path, std::span<const Piece> content) override;
  Status read(FileId file, std::span<ReadOp> ops) override;
  bool read_now(FileId file, ReadOp& op) override;
  Txg open_txg() override;
  Status wait_durable(Txg txg) override;
  Result<RecordPointer> record_pointer(FileId file, uint64_t record) override;

  // --- for tests ---
  State state() const;
  // Every change from now on leaves its moment here.
  void keep_history() { keep_history_ = true; }
  // And what a crash in the middle of an apply leaves where an engine cannot make its ops one
  // transaction: the ops before, and the first part of a write.
  void keep_torn_moments() { keep_torn_moments_ = true; }
  size_t history_size() const;
  State history_at(size_t moment) const;
  // Called before each change; an error makes the change fail, with nothing done.
  void set_fault(std::function<Status(const char* call)> fault);
  // The next apply fails at that op of it, counted from 0, if it is a write, with those before it
  // done and a part of it written: so does an engine that cannot make them one transaction, on a
  // full pool.
  void fail_next_apply_at(size_t op) { fail_apply_at_ = op; }
  void damage(FileId file, uint64_t record, ErrorCode error);
  void heal();
  void set_space(uint64_t bytes) { space_bytes_ = bytes; }
  // As the kernel engine: a batch that frees must find room too, and keep_room() keeps it.
  void set_kept_room(uint64_t bytes) { kept_room_bytes_ = bytes; }
  uint64_t used_bytes() const;
  void set_apply_limit(size_t bytes) { apply_limit_bytes_ = bytes; }
  // Nothing can be read without waiting.
  void set_cold(bool cold) { cold_ = cold; }
  void set_read_hook(std::function<void()> hook) { read_hook_ = std::move(hook); }

  std::vector<uint8_t> content(std::string_view path) const;
  void set_content(std::string_view path, const std::vector<uint8_t>& bytes);

  uint64_t applies = 0;
  uint64_t reads = 0;

 private:
  Status may_change(const char* call);
  void changed();
  File& writable(FileId file);
  std::vector<uint8_t>& writable_record(File& file, uint64_t record);
  void write_part(const FileOp& op);
  void keep_torn(const FileOp& op);
  void write(File& file, uint64_t offset, std::span<const Piece> pieces);
  void punch(File& file, uint64_t offset, uint64_t length);
  Status check_op(const FileOp& op, uint64_t* bytes) const;
  FileId make_file(const std::string& path, uint32_t record_size_bytes);
  void make_parents(const std::string& path);
  void copy_out(const File& file, ReadOp& op) const;

  mutable std::shared_mutex mutex_;
  State state_;
  bool keep_history_ = false;
  bool keep_torn_moments_ = false;
  size_t parts_written_ = 0;
  std::vector<State> history_;
  std::function<Status(const char*)> fault_;
  std::optional<size_t> fail_apply_at_;
  std::function<void()> read_hook_;
  bool cold_ = false;
  std::map<std::pair<FileId, uint64_t>, ErrorCode> damaged_;
  uint64_t space_bytes_ = UINT64_MAX;
  uint64_t kept_room_bytes_ = 0;
  size_t apply_limit_bytes_ = 16u << 20;
};

}  // namespace ipfs_zfs::test
