// Measures one contender with one count of keys and prints a JSON object:
// `index_bench NAME KEYS FOLDER [--sorted] [--limit-s SECONDS]`. bench/index/main.ts runs it for
// all of them.
//
// With a limit no stage goes on for longer than that. Inserts that stop early leave fewer keys,
// and all that follows is measured with those. Merges that are under way end before `settled` does.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>
#include <vector>

#include "contender.h"

namespace ipfs_zfs::bench {

void fail(const std::string& what) {
  std::fprintf(stderr, "failed: %s\n", what.c_str());
  std::exit(1);
}

uint64_t disk_bytes_of(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

namespace {

constexpr size_t kBatch = 1000;
constexpr size_t kWindow = 64;  // batches that one sync acknowledges
constexpr size_t kLookups = 1u << 20;
constexpr uint64_t kDeletes = 1u << 20;  // at most
constexpr size_t kColdLookups = 1u << 14;

double seconds_now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

double cpu_now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// What this process has sent to the disk.
double written_bytes() {
  std::ifstream io("/proc/self/io");
  std::string name;
  double value = 0;
  while (io >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

// How long its thread has waited for a processor since it began: Linux counts that. On a busy
// machine a long put is mostly this, and none of it the contender's.
class RunQueue {
 public:
  RunQueue() : file_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}
  ~RunQueue() {
    if (file_ >= 0) ::close(file_);
  }
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  double seconds_waited() const {
    char text[64] = {};
    unsigned long long ran = 0;
    unsigned long long waited = 0;
    if (::pread(file_, text, sizeof(text) - 1, 0) <= 0) return 0;
    return std::sscanf(text, "%llu %llu", &ran, &waited) == 2 ? static_cast<double>(waited) * 1e-9
                                                              : 0;
  }

 private:
  const int file_;
};

uint64_t mix(uint64_t word) {  // SplitMix64
  word += 0x9E3779B97F4A7C15ull;
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ull;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBull;
  return word ^ (word >> 31);
}

class Bench {
 public:
  Bench(Contender& contender, uint64_t keys, bool sorted, double limit_s)
      : contender_(contender), planned_(keys), sorted_(sorted), limit_s_(limit_s) {}

  void run() {
    insert();
    const size_t lookups = std::min<size_t>(keys_, kLookups);
    // What is kept in memory is kept from here on.
    get_twice(lookups, true);
    get_twice(lookups, false);
    measure("get hit", lookups, [&] { return get(lookups, 0, true); });
    measure("get hit, 2 threads", 2 * lookups, [&] { return get_twice(lookups, true); });
    measure("get miss", lookups, [&] { return get(lookups, 0, false); });
    measure("get miss, 2 threads", 2 * lookups, [&] { return get_twice(lookups, false); });
    measure("scan", keys_, [&] {
      const Deadline deadline(limit_s_);
      const size_t scanned = contender_.scan(deadline);
      if (scanned != keys_ && !deadline.passed()) fail("a scan that misses keys");
      return scanned;
    });
    erase();
    measure("reopen", 1, [&] {
      contender_.reopen();
      return size_t{1};
    });
    drop_page_cache();
    cold();
    print();
  }

 private:
  // The key of number `i`; misses come from numbers from 2^48 on.
  Key key_of(uint64_t i) const {
    Key key;
    for (uint64_t word = 0; word < 4; word++) {
      const uint64_t bits = mix(i * 4 + word);
      std::memcpy(key.data() + word * 8, &bits, 8);
    }
    if (sorted_ && i < planned_) {
      const uint64_t place = __builtin_bswap64(UINT64_MAX / planned_ * i);
      std::memcpy(key.data(), &place, 8);
    }
    return key;
  }

  // `work` says how many of `wanted` it came to.
  template <typename Work>
  void measure(const char* row, size_t wanted, const Work& work) {
    const double began = seconds_now();
    const double cpu_began = cpu_now();
    const size_t count = work();
    add(row, count, wanted, seconds_now() - began, cpu_now() - cpu_began);
  }

  void add(const char* row, size_t count, size_t wanted, double seconds, double cpu) {
    char text[256];
    const auto n = static_cast<double>(count);
    std::snprintf(text, sizeof(text),
                  "%s\"%s\": {\"perSecond\": %.0f, \"cpuMicroseconds\": %.4f, \"seconds\": %.3f, "
                  "\"count\": %zu, \"wanted\": %zu}",
                  rows_.empty() ? "" : ", ", row, n / seconds, cpu / n * 1e6, seconds, count,
                  wanted);
    rows_ += text;
  }

  // Calls `batch` for each thousand of [0, count), and sync() once a window. Returns how far it
  // came.
  template <typename Batch>
  uint64_t in_windows(uint64_t count, const Batch& batch) {
    const Deadline deadline(limit_s_);
    const RunQueue queue;
    std::future<void> syncing;
    size_t batches = 0;
    uint64_t at = 0;
    for (; at < count && !deadline.passed(); at += kBatch) {
      const double queued = queue.seconds_waited();
      const double began = seconds_now();
      batch(at, std::min<uint64_t>(at + kBatch, count));
      const double took = seconds_now() - began;
      longest_put_ = std::max(longest_put_, took);
      longest_blocked_ = std::max(longest_blocked_, took - (queue.seconds_waited() - queued));
      if (++batches % kWindow != 0) continue;
      if (syncing.valid()) syncing.get();
      syncing =
          std::async(contender_.syncs_beside_writes() ? std::launch::async : std::launch::deferred,
                     [this] { contender_.sync(); });
      if (!contender_.syncs_beside_writes()) syncing.get();
    }
    if (syncing.valid()) syncing.get();
    contender_.sync();
    return std::min(at, count);
  }

  void insert() {
    std::vector<Record> records;
    const double written = written_bytes();
    const double began = seconds_now();
    const double cpu_began = cpu_now();
    keys_ = in_windows(planned_, [&](uint64_t from, uint64_t to) {
      records.clear();
      for (uint64_t i = from; i < to; i++) records.push_back({key_of(i), i});
      contender_.put(records);
    });
    add("insert", keys_, planned_, seconds_now() - began, cpu_now() - cpu_began);
    contender_.settle();
    contender_.sync();
    add("insert, settled", keys_, planned_, seconds_now() - began, cpu_now() - cpu_began);
    written_ = written_bytes() - written;
    footprint_ = contender_.footprint();
    longest_insert_ = longest_put_;
    longest_insert_blocked_ = longest_blocked_;
  }

  size_t get(size_t count, uint64_t first, bool hits) {
    const Deadline deadline(limit_s_);
    std::vector<Key> keys(kBatch);
    size_t at = 0;
    while (at < count && !deadline.passed()) {
      const size_t some = std::min(kBatch, count - at);
      for (size_t i = 0; i < some; i++) {
        const uint64_t number = mix(first + at + i) % keys_;
        keys[i] = key_of(hits ? number : number + (uint64_t{1} << 48));
      }
      const size_t found = contender_.get(std::span(keys).first(some));
      if (found != (hits ? some : 0)) fail("a wrong lookup");
      at += some;
    }
    return at;
  }

  size_t get_twice(size_t count, bool hits) {
    auto other = std::async(std::launch::async, [&] { return get(count, count, hits); });
    const size_t mine = get(count, 0, hits);
    return mine + other.get();
  }

  // Every tenth key.
  void erase() {
    const uint64_t count = std::min(keys_ / 10, kDeletes);
    std::vector<Key> keys;
    measure("delete", count, [&] {
      return in_windows(count, [&](uint64_t from, uint64_t to) {
        keys.clear();
        for (uint64_t i = from; i < to; i++) keys.push_back(key_of(i * 10));
        contender_.erase(keys);
      });
    });
    contender_.settle();
  }

  void drop_page_cache() {
    contender_.forget();
    std::ofstream("/proc/sys/vm/drop_caches") << "3";
  }

  // Keys that were not deleted, each once.
  void cold() {
    const uint64_t before = contender_.read_pages();
    const size_t wanted = std::min<size_t>(keys_ / 10, kColdLookups);
    size_t at = 0;
    measure("get hit, cold", wanted, [&] {
      const Deadline deadline(limit_s_);
      std::vector<Key> keys(kBatch);
      while (at < wanted && !deadline.passed()) {
        const size_t some = std::min(kBatch, wanted - at);
        for (size_t i = 0; i < some; i++) {
          keys[i] = key_of(mix(at + i) % (keys_ / 10) * 10 + 1 + (at + i) % 9);
        }
        if (contender_.get(std::span(keys).first(some)) != some) fail("a wrong lookup");
        at += some;
      }
      return at;
    });
    cold_reads_ = static_cast<double>(contender_.read_pages() - before) /
                  static_cast<double>(std::max<size_t>(at, 1));
  }

  void print() const {
    const auto n = static_cast<double>(keys_);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "{\"rows\": {%s}, \"keys\": %" PRIu64
        ", \"diskBytesPerKey\": %.2f, \"memoryBytesPerKey\": %.3f, "
        "\"residentMaxBytes\": %ld, \"writtenBytesPerKey\": %.1f, \"writeAmplification\": %.2f, "
        "\"readsPerColdHit\": %.4f, \"longestPutMs\": %.1f, \"longestBlockedMs\": %.1f, "
        "\"longestStallMs\": %.1f}\n",
        rows_.c_str(), keys_, static_cast<double>(footprint_.disk_bytes) / n,
        static_cast<double>(footprint_.memory_bytes) / n, usage.ru_maxrss * 1024, written_ / n,
        written_ / n / sizeof(Record), cold_reads_, longest_insert_ * 1e3,
        longest_insert_blocked_ * 1e3, static_cast<double>(footprint_.longest_stall_us) / 1e3);
  }

  Contender& contender_;
  const uint64_t planned_;
  const bool sorted_;
  const double limit_s_;  // of each stage; 0: none
  uint64_t keys_ = 0;     // that are in it
  std::string rows_;
  Footprint footprint_;
  double written_ = 0;
  double longest_put_ = 0;
  double longest_insert_ = 0;
  double longest_blocked_ = 0;  // the longest put but for waiting for a processor
  double longest_insert_blocked_ = 0;
  double cold_reads_ = 0;
};

std::unique_ptr<Contender> open(const std::string& name, const std::string& folder, uint64_t keys) {
  if (name == "ipfs-zfs") return open_ipfs_zfs(folder, keys);
  if (name == "ipfs-zfs in memory") return open_ipfs_zfs_in_memory(keys);
  if (name == "rocksdb") return open_rocksdb(folder, keys);
  if (name == "lmdb") return open_lmdb(folder, keys);
  fail("no such contender: " + name);
}

}  // namespace
}  // namespace ipfs_zfs::bench

int main(int argc, char** argv) {
  using namespace ipfs_zfs::bench;
  if (argc < 4) fail("usage: index_bench NAME KEYS FOLDER [--sorted] [--limit-s SECONDS]");
  const uint64_t keys = std::strtoull(argv[2], nullptr, 10);
  if (keys < 1000) fail("at least 1000 keys");
  bool sorted = false;
  double limit_s = 0;
  for (int i = 4; i < argc; i++) {
    if (std::strcmp(argv[i], "--sorted") == 0) {
      sorted = true;
    } else if (std::strcmp(argv[i], "--limit-s") == 0 && i + 1 < argc) {
      limit_s = std::strtod(argv[++i], nullptr);
    } else {
      fail(std::string("no such option: ") + argv[i]);
    }
  }
  const auto contender = open(argv[1], argv[3], keys);
  Bench(*contender, keys, sorted, limit_s).run();
  return 0;
}
