// Records in ascending order from one source, and from several at once.
#pragma once

#include <memory>
#include <vector>

#include "run.h"
#include "table.h"

namespace ipfs_zfs {

class Cursor {
 public:
  virtual ~Cursor() = default;
  // The record it stands on; null at the end. Valid until next().
  virtual const Record* record() const = 0;
  virtual Status next() = 0;
};

// The records of a table as they were at the call, from the first key >= `from`.
std::unique_ptr<Cursor> table_cursor(std::shared_ptr<const Table> table, const Key& from);

// The same of a run. `ahead_pages` are read at once.
Result<std::unique_ptr<Cursor>> run_cursor(std::shared_ptr<const Run> run, const Key& from,
                                           size_t ahead_pages);

// Merges sources that are ordered newest first: of equal keys, the newest source's record.
// Tombstones come out too.
class MergeCursor {
 public:
  explicit MergeCursor(std::vector<std::unique_ptr<Cursor>> sources);
  const Record* record() const { return newest_ < 0 ? nullptr : sources_[at(newest_)]->record(); }
  Status next();

 private:
  static size_t at(int source) { return static_cast<size_t>(source); }
  Status step(size_t source);
  void choose();

  std::vector<std::unique_ptr<Cursor>> sources_;
  std::vector<uint64_t> prefixes_;  // of each source's record; beside them for the cache
  std::vector<uint8_t> ended_;
  int newest_ = -1;  // the source that record() comes from
};

}  // namespace ipfs_zfs
