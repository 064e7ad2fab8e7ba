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
  const Record* record() const { return at_ < end_ ? at_ : nullptr; }
  Status next() {
    if (++at_ < end_) return {};
    return load();
  }

 protected:
  // Calls stand_on() with the records that follow, or with none at the end.
  virtual Status load() = 0;
  void stand_on(std::span<const Record> records) {
    at_ = records.data();
    end_ = at_ + records.size();
  }

 private:
  const Record* at_ = nullptr;
  const Record* end_ = nullptr;
};

// The records of a table as they were at the call, from the first key >= `from`.
std::unique_ptr<Cursor> table_cursor(std::shared_ptr<const Table> table, const Key& from);

// The same of a run. `ahead_pages` are read at once.
Result<std::unique_ptr<Cursor>> run_cursor(std::shared_ptr<const Run> run, const Key& from,
                                           size_t ahead_pages);

// Merges sources that are ordered newest first: of equal keys, the newest source's record.
// Tombstones come out too.
//
// A tree of losers (Knuth, The Art of Computer Programming 3, 5.4.1): each inner node remembers who
// lost there, and the next record costs one match on each level.
class MergeCursor {
 public:
  explicit MergeCursor(std::vector<std::unique_ptr<Cursor>> sources);
  const Record* record() const {
    return sources_.empty() ? nullptr : sources_[winner_.source]->record();
  }
  Status next();

 private:
  struct Player {
    uint64_t prefix = 0;  // of its record; the largest at its end
    size_t source = 0;
  };

  Player player(size_t source) const;
  bool beats(const Player& one, const Player& other) const {
    if (one.prefix != other.prefix) return one.prefix < other.prefix;
    return beats_slowly(one.source, other.source);
  }
  bool beats_slowly(size_t one, size_t other) const;
  Player play(size_t node);
  Status step();

  std::vector<std::unique_ptr<Cursor>> sources_;
  std::vector<Player> losers_;  // of node 1, the root, and so on; source i is the leaf n + i
  Player winner_;
};

}  // namespace ipfs_zfs
