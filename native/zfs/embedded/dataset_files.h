// DatasetFiles through the DMU.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "../dataset_files.h"
#include "pool.h"
#include "zfs_calls.h"

namespace ipfs_zfs::embedded {

class EmbeddedFiles final : public DatasetFiles {
 public:
  EmbeddedFiles(std::shared_ptr<EmbeddedPool> owner, iz_pool_t* pool, iz_dataset_t* dataset,
                std::string name)
      : owner_(std::move(owner)), pool_(pool), dataset_(dataset), name_(std::move(name)) {}
  ~EmbeddedFiles() override;

  Result<FileId> create(std::string_view path, uint32_t record_size_bytes) override;
  Result<FileId> create_incompressible(std::string_view path, uint32_t record_size_bytes) override;
  Result<FileId> lookup(std::string_view path) override;
  Result<FileInfo> info(FileId file) override;
  Result<std::vector<DirEntry>> list(std::string_view folder) override;
  Status make_folder(std::string_view path) override;
  Status rename(std::string_view from, std::string_view to) override;
  Status unlink(std::string_view path) override;
  Status truncate(FileId file, uint64_t size_bytes) override;
  Result<Txg> apply(std::span<const FileOp> ops) override;
  size_t apply_limit_bytes() const override;
  Result<Txg> replace(std::string_view path, std::span<const Piece> content) override;
  Status read(FileId file, std::span<ReadOp> ops) override;
  bool read_now(FileId file, ReadOp& op) override;
  Txg open_txg() override;
  Status wait_durable(Txg txg) override;
  Result<RecordPointer> record_pointer(FileId file, uint64_t record) override;

 private:
  // An open file, closed when the last call that uses it is done. `in_use` is held shared by the
  // calls and alone by the one that takes the file away.
  struct OpenFile {
    explicit OpenFile(iz_file_t* opened) : file(opened) {}
    ~OpenFile() { iz_file_close(file); }
    iz_file_t* file;
    std::shared_mutex in_use;
    bool is_gone = false;
  };
  // A file for the length of one call.
  struct Use {
    std::shared_ptr<OpenFile> open;
    std::shared_lock<std::shared_mutex> lock;
    iz_file_t* file() const { return open->file; }
  };

  Result<std::shared_ptr<OpenFile>> find(FileId file);
  Result<Use> use(FileId file);
  void let_go_and_free(FileId file);
  std::string path_of(std::string_view path) const { return name_ + "/" + std::string(path); }

  const std::shared_ptr<EmbeddedPool> owner_;
  iz_pool_t* const pool_;
  iz_dataset_t* const dataset_;
  const std::string name_;

  std::shared_mutex files_mutex_;
  std::unordered_map<FileId, std::shared_ptr<OpenFile>> files_;
  std::unordered_set<FileId> unlinked_;  // no name any more, data not yet freed
};

}  // namespace ipfs_zfs::embedded
