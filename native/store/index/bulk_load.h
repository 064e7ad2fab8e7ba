// Loading very many keys at once: no log, no tables, one run.
//
// Records are dealt to part files by their leading bits; each part then fits in memory, is sorted
// and goes to the end of the run. Sorted input goes to the run at once. So each record is written
// twice (sorted: once), where inserting writes it once for the log and once for each level.
//
// It is a write, from begin() to finish(): no other may come between. Nothing of it is seen before
// finish() returns, nor after a crash; the next open unlinks what it left. Newer records win, as
// those of a later batch do, and the count of keys stays exact.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "index.h"

namespace ipfs_zfs {

class BulkLoad {
 public:
  struct Options {
    // About; decides how many parts there are.
    uint64_t expected_records = 0;
    // Ascending by key, each key once: add() then fails with kInvalid at a record that is not.
    bool sorted = false;
  };

  // Makes runs of what is in tables first.
  static Result<std::unique_ptr<BulkLoad>> begin(Index& index, Options options);
  ~BulkLoad();
  BulkLoad(const BulkLoad&) = delete;
  BulkLoad& operator=(const BulkLoad&) = delete;

  // kInvalid for a value that is a tombstone.
  Status add(std::span<const Record> records);
  // Makes all of it part of the index; gives the number of keys that are new. The owner's
  // checkpoint() must already speak of what was loaded. After an error nothing was loaded.
  Result<uint64_t> finish();

 private:
  struct Part {
    uint64_t number = 0;
    FileId file = 0;
    uint64_t records = 0;  // in the file
    std::vector<Record> buffer;
  };

  BulkLoad(Index& index, Options options);
  Status deal(const Record& record);
  Status flush(Part& part);
  Status sort_part(Part& part);
  Status read_part(Part& part, std::vector<Record>& records);
  Status append(const Record& record);
  Status count_some();

  Index& index_;
  const Options options_;
  int part_bits_ = 0;
  std::vector<Part> parts_;
  uint64_t run_ = 0;
  std::unique_ptr<RunWriter> writer_;
  Key last_{};
  std::vector<Key> uncounted_;
  uint64_t new_keys_ = 0;
};

}  // namespace ipfs_zfs
