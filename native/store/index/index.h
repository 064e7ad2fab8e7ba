// The digest index of one family of one dataset: keys of 32 bytes, values of 8.
//
// The newest records are in a table in memory, covered by a log; full tables become runs; runs are
// merged eight at a time. What the values mean is the owner's business: the index hands it its
// checkpoint and every logged change when it opens.
//
// A family whose values are counts is one like any other; counts.h turns its deltas into changes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "background.h"
#include "index_stats.h"
#include "log.h"
#include "manifest.h"
#include "run.h"
#include "table.h"

namespace ipfs_zfs {

// Who owns the index and knows its values. Called by the writer, or while opening.
class IndexOwner {
 public:
  virtual ~IndexOwner() = default;
  // The owner's state at this point of the log.
  virtual std::vector<uint8_t> checkpoint() = 0;
  // The opposite; empty for a new index.
  virtual Status restore(std::span<const uint8_t> checkpoint) = 0;
  // A change that came after the checkpoint.
  virtual Status replay(const Change& change) = 0;
  // Whether the frame is there in which a batch of several families goes on. It is in a family that
  // has been opened before. Asked only of an owner that gave links to stage().
  virtual bool goes_on(const FrameLink&) const { return true; }
};

class Index {
 public:
  using Stats = IndexStats;
  struct Options {
    std::string folder;  // relative to the dataset
    size_t table_keys = 1u << 18;
    size_t fan_out = 8;
    // Three tables and the fences (0.08 bytes a key) are in memory whatever this says. Filters
    // (1.2 bytes a key) are while there is room, the newest first: a lookup that gets as far as a
    // run without one reads a page. Pages of runs take what is left, up to `page_cache_bytes`.
    // While a run is written its filter is in memory once more.
    size_t memory_bytes = SIZE_MAX;
    size_t page_cache_bytes = 16u << 20;
  };

  struct ScanEnd {
    bool done = false;  // nothing more up to `last`
    Key next{};         // else the smallest key not yet looked at
  };

  // Makes a new index where there is none.
  static Result<std::unique_ptr<Index>> open(DatasetFiles& files, Background& background,
                                             IndexOwner& owner, Options options);
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // Reading: any thread, at any time. Sets every entry of `found`. Returns the generation it
  // looked at, for find_again().
  uint64_t find_many(std::span<const Key> keys, std::span<Found> found) const;
  // The same for one key without waiting, if its answer is in memory; else nothing.
  std::optional<Found> find_now(const Key& key) const;
  // Appends up to `limit` live records of [from, last] to `records`, ascending.
  Result<ScanEnd> scan(const Key& from, const Key& last, size_t limit,
                       std::vector<Record>& records) const;
  uint64_t keys() const { return keys_.load(); }  // exact
  Stats stats() const;
  std::vector<std::string> check() const;

  // Writing: one thread at a time, which the caller sees to.
  //
  // A batch is: make_room, stage, DatasetFiles::apply with the staged op last, then commit; or
  // nothing more when the apply failed. Deletes publish() first and unpublish() on failure.
  //
  // One owner of several indexes of a dataset changes them in one batch: make_room of each, stage
  // of each with a link to the one whose op comes next, all the ops in one apply, commit of each;
  // or when the apply failed, cut_back() of each before the next batch. They are opened in the
  // opposite order. After a crash every one of them has the batch, or none. Readers may see it in
  // one index a moment before the next.
  enum class Room : uint8_t { kPut, kDelete };  // a delete finds room on a full pool as well
  Status make_room(size_t keys, Room room);
  // What find_many(keys) would say now; cheap when nothing but the newest table has changed.
  void find_again(uint64_t generation, std::span<const Key> keys, std::span<Found> found) const;
  // Valid until the next stage().
  FileOp stage(std::span<const Change> changes, const std::optional<FrameLink>& link = {});
  static size_t staged_bytes(size_t changes);                // at most
  uint64_t next_sequence() const { return next_sequence_; }  // of the next frame
  Status cut_back();
  // Punches a hole behind the end of the log, where nothing is. An engine lets a batch that frees
  // as much as it writes use ZFS's reserve: so says a delete of small blocks, whose space comes
  // back only when their pack goes, that it makes room on a full pool.
  FileOp freeing_op(uint64_t written_bytes) const;
  void publish(std::span<const Change> changes);
  void unpublish(std::span<const Change> changes);
  void commit(std::span<const Change> changes);
  // All of the above for an owner that writes nothing beside the log.
  Result<Txg> apply(std::span<const Change> changes);

  // Waits until full tables are runs, and for merges when `merges`. For tests and benchmarks.
  // Merges do not rest meanwhile.
  Status settle(bool merges);
  // Makes the newest table a run soon, however full it is. Writing, as above.
  Status freeze();
  // Makes every table a run, so that their logs go: a log keeps each change of a key, a run only
  // what it is now. Waits for it. Writing, as above.
  Status write_out();
  // Merges all runs into one, which drops every tombstone; waits for it. Any thread, while writers
  // and readers go on.
  Status compact();
  // Ends background work. Nothing may be called afterwards.
  void close();

 private:
  // One being filled, one being written out, one waiting: then writers wait too.
  static constexpr size_t kMaxFrozen = 2;

  // The state at the beginning of the log that follows a frozen table.
  struct FreezePoint {
    uint64_t next_log = 0;
    uint64_t next_sequence = 0;
    uint64_t keys = 0;
    std::vector<uint8_t> checkpoint;
  };
  struct Frozen {
    std::shared_ptr<Table> table;
    std::shared_ptr<const FreezePoint> after;
  };
  // What readers see; replaced, never changed.
  struct Version {
    uint64_t generation = 0;
    std::shared_ptr<Table> active;
    std::vector<Frozen> frozen;              // newest first
    std::vector<std::shared_ptr<Run>> runs;  // newest first
    std::shared_ptr<PageCache> cache;
  };

  friend class BulkLoad;

  Index(DatasetFiles& files, Background& background, IndexOwner& owner, Options options);

  // index_open.cc
  Status create_new();
  Status recover();
  Status open_runs(std::vector<std::shared_ptr<Run>>& runs);
  Status restore_checkpoint();
  Status replay_logs(const std::vector<DirEntry>& entries, Version& version);
  Status replay_log(const std::string& name, std::shared_ptr<Table>& table);
  void unlink_orphans(const std::vector<DirEntry>& entries);

  // index_background.cc
  void start_flush_locked();
  void flush_job();
  Status flush_table(const Frozen& frozen);
  Result<std::optional<RunInfo>> write_table_run(const Table& table, bool drop_tombstones);
  Status write_checkpoint(const FreezePoint& point, Manifest& manifest);
  Status replace_manifest(const Manifest& manifest);
  void start_merge();
  void merge_job();
  bool pick_merge(std::vector<std::shared_ptr<Run>>& inputs, bool& oldest) const;
  Status merge(const std::vector<std::shared_ptr<Run>>& inputs, bool oldest);
  Status write_merged(RunWriter& writer, const std::vector<std::shared_ptr<Run>>& inputs,
                      bool drop_tombstones);
  Status install_merged(const std::vector<std::shared_ptr<Run>>& inputs,
                        std::shared_ptr<Run> merged);
  Status install_loaded(RunInfo info, uint64_t new_keys);
  void pace(std::chrono::steady_clock::time_point step_began) const;
  void slow_down();
  void fit_memory(Version& version) const;
  size_t memory_left(const std::vector<std::shared_ptr<Run>>& beside) const;
  Result<std::shared_ptr<Run>> open_run(const RunInfo& info,
                                        const std::vector<std::shared_ptr<Run>>& beside) const;
  uint64_t take_file_number();

  std::shared_ptr<const Version> version() const;
  template <typename Change_>
  void change_version(Change_&& change);
  Status wait_for_flush();
  void grow_active(size_t keys);
  std::string path_of(uint64_t number, const char* suffix) const;
  std::string manifest_path() const { return options_.folder + "/manifest"; }

  DatasetFiles& files_;
  Background& background_;
  IndexOwner& owner_;
  const Options options_;
  TableMaker tables_;
  const std::shared_ptr<Graveyard> graveyard_ = std::make_shared<Graveyard>();

  // The writer's own.
  FileId log_file_ = 0;
  uint64_t log_end_bytes_ = 0;
  uint64_t next_sequence_ = 1;
  bool former_log_ = false;  // of a version that knew less
  std::vector<uint8_t> staged_;
  Piece staged_piece_;
  std::atomic<uint64_t> keys_{0};
  std::atomic<uint64_t> log_bytes_{0};
  mutable IndexCounters counters_;

  mutable std::mutex mutex_;  // of what follows
  mutable std::condition_variable changed_;
  std::shared_ptr<const Version> version_;
  bool flushing_ = false;
  uint64_t flush_turns_ = 0;
  std::optional<Error> flush_error_;
  bool merging_ = false;
  std::optional<Error> merge_error_;
  bool compacting_ = false;  // the next merge takes all runs
  std::atomic<bool> closing_{false};
  std::atomic<uint32_t> hurrying_{0};  // those who wait for merges

  std::mutex manifest_mutex_;  // of what follows; taken before mutex_
  Manifest manifest_;
};

}  // namespace ipfs_zfs
