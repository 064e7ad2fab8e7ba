// What an index has and what it cost since it was opened.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "lookup.h"

namespace ipfs_zfs {

struct IndexStats {
  uint64_t keys = 0;
  uint64_t runs = 0;
  uint64_t table_keys = 0;
  uint64_t log_bytes = 0;
  uint64_t run_bytes = 0;
  uint64_t disk_bytes = 0;       // both
  uint64_t filter_bytes = 0;     // in memory, fences with them
  uint64_t unfiltered_runs = 0;  // whose filter the memory budget leaves on disk
  uint64_t cache_bytes = 0;
  uint64_t memory_bytes = 0;  // tables, filters, fences and cache

  // Since it was opened. What was written, over 40 bytes a change, is the write amplification.
  uint64_t changes = 0;
  uint64_t log_written_bytes = 0;
  uint64_t run_written_bytes = 0;
  uint64_t merges = 0;
  LookupCounts lookups;
  // Times that a writer was held up because background work was behind.
  uint64_t stalls = 0;
  uint64_t stalled_us = 0;
  uint64_t longest_stall_us = 0;
};

// The part of it that is counted while threads work.
class IndexCounters {
 public:
  void add(const LookupCounts& counts) {
    add(keys_, counts.keys);
    add(filter_probes_, counts.filter_probes);
    add(false_positives_, counts.false_positives);
    add(cached_pages_, counts.cached_pages);
    add(read_pages_, counts.read_pages);
  }
  void add_batch(uint64_t changes, uint64_t log_bytes) {
    add(changes_, changes);
    add(log_written_, log_bytes);
  }
  void add_run(uint64_t bytes) { add(run_written_, bytes); }
  void add_merge() { add(merges_, 1); }
  // By the one writer.
  void add_stall(std::chrono::steady_clock::duration took) {
    const auto micros =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    add(stalls_, 1);
    add(stalled_us_, micros);
    longest_stall_us_.store(std::max(longest_stall_us_.load(), micros));
  }

  void fill(IndexStats& stats) const {
    stats.changes = changes_.load();
    stats.log_written_bytes = log_written_.load();
    stats.run_written_bytes = run_written_.load();
    stats.merges = merges_.load();
    stats.lookups = {keys_.load(), filter_probes_.load(), false_positives_.load(),
                     cached_pages_.load(), read_pages_.load()};
    stats.stalls = stalls_.load();
    stats.stalled_us = stalled_us_.load();
    stats.longest_stall_us = longest_stall_us_.load();
  }

 private:
  using Counter = std::atomic<uint64_t>;
  static void add(Counter& counter, uint64_t count) {
    if (count != 0) counter.fetch_add(count, std::memory_order_relaxed);
  }

  Counter keys_{0};
  Counter filter_probes_{0};
  Counter false_positives_{0};
  Counter cached_pages_{0};
  Counter read_pages_{0};
  Counter changes_{0};
  Counter log_written_{0};
  Counter run_written_{0};
  Counter merges_{0};
  Counter stalls_{0};
  Counter stalled_us_{0};
  Counter longest_stall_us_{0};
};

}  // namespace ipfs_zfs
