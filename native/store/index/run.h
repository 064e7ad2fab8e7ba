// A run: an immutable file of records in ascending order of their keys.
//
//   page 0           header
//   pages 1..P       up to 102 records each; the last 16 bytes of a page say which page of which
//                    run it is, how many records it has, and its checksum
//   tables           first key prefix of each page, filter shapes, filter fingerprints
//   last 4 KiB       footer: counts, where the tables are, their checksum, its own
//
// The tables live in memory; a lookup costs a filter probe, and one page when that says maybe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "../../zfs/dataset_files.h"
#include "../huge_pages.h"
#include "filter.h"
#include "lookup.h"
#include "page_cache.h"
#include "record.h"

namespace ipfs_zfs {

inline constexpr uint32_t kRunVersion = 1;
inline constexpr uint64_t kRunMagic = 0x0000'6E75'725A'4649ull;     // "IFZrun"
inline constexpr uint64_t kFooterMagic = 0x0000'646E'655A'4649ull;  // "IFZend"
inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kPageTrailerBytes = 16;
inline constexpr size_t kPageRecords = (kPageBytes - kPageTrailerBytes) / sizeof(Record);
// Four pages to a ZFS record: a cold lookup reads 16 KiB, and writing a run costs a quarter of the
// per-record CPU of 4 KiB records (50 µs each).
inline constexpr uint32_t kRunRecordBytes = 16u << 10;

// What the manifest says of a run.
struct RunInfo {
  uint64_t id = 0;
  uint32_t level = 0;  // 0 = a table as it was; n + 1 = merged from runs of level n
  uint64_t records = 0;
  uint64_t size_bytes = 0;
  uint64_t footer_checksum = 0;
};

struct PageTrailer {
  uint64_t checksum;  // of the page up to here, seeded with the run's id
  uint32_t page;
  uint16_t records;
  uint16_t reserved;
};
static_assert(sizeof(PageTrailer) == kPageTrailerBytes);

struct RunHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t value_bytes;
  uint64_t id;
  uint64_t filter_seed;
  uint64_t filter_chunks;
  uint64_t checksum;  // of all before
};

struct RunFooter {
  uint64_t magic;
  uint64_t id;
  uint64_t records;
  uint64_t pages;
  uint64_t tables_offset;
  uint64_t tables_bytes;
  uint64_t tables_checksum;  // of each table, seeded with that of the one before
  Key first_key;
  Key last_key;
  uint64_t checksum;  // of all before
};

inline uint64_t filter_chunk_of(uint64_t prefix, uint64_t chunks) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(prefix) * chunks) >> 64);
}

// Run files that nobody needs any more. A run may outlive its place in the index while a reader
// still uses it, and ZFS gives the object numbers of unlinked files to new ones.
class Graveyard {
 public:
  void bury(std::string path);
  void unlink_all(DatasetFiles& files);

 private:
  std::mutex mutex_;
  std::vector<std::string> paths_;
};

class Run {
 public:
  // Its filter stays in memory when it takes at most `filter_max_bytes`. Without it every lookup
  // that gets as far as this run reads a page.
  static Result<std::shared_ptr<Run>> open(DatasetFiles& files, const std::string& path,
                                           const RunInfo& info, size_t filter_max_bytes = SIZE_MAX);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const RunInfo& info() const { return info_; }
  const std::string& path() const { return path_; }
  uint64_t pages() const { return fences_.size(); }
  uint64_t first_prefix(uint64_t page) const { return fences_[page]; }
  size_t memory_bytes() const;

  bool has_filter() const { return has_filter_; }
  bool may_contain(const Key& key) const;

  // Resolves the entries that are kPending and here.
  void find_many(Lookups& lookups, PageCache& cache) const;

  // The same for one key without waiting; false when a page would have to be waited for.
  bool find_now(const Key& key, Found* found, PageCache& cache) const;

  // The page where `key` is or would be; pages() when it is below the first.
  uint64_t page_of(const Key& key) const;
  // Reads `count` pages into `into` and proves them.
  Status read_pages(uint64_t first, uint64_t count, uint8_t* into) const;
  static std::span<const Record> records_of(const uint8_t* page);

  // The file goes when the last user of this object goes.
  void doom(std::shared_ptr<Graveyard> graveyard);

  // Reads all of it: order, counts, filter. One string per fault.
  std::vector<std::string> check() const;

 private:
  Run(DatasetFiles& files, std::string path, const RunInfo& info);
  Status load(size_t filter_max_bytes);
  Status load_tables(const RunFooter& footer);
  Status load_table(uint64_t* offset, std::span<uint8_t> table, uint64_t* sum) const;
  Status prove_page(uint64_t page, const uint8_t* bytes) const;
  Status prove_place(uint64_t page, const uint8_t* bytes) const;
  Status prove_once(uint64_t page, const uint8_t* bytes) const;
  Error corrupt(uint64_t offset, const char* what) const;

  // run_lookup.cc
  struct Candidate {
    uint64_t page;
    uint8_t key;  // its place among the lookups
  };
  size_t probe(Lookups& lookups, Candidate* candidates) const;
  size_t pass_filter(Lookups& lookups, Candidate* candidates) const;
  size_t search_cached(Lookups& lookups, Candidate* candidates, size_t count,
                       PageCache& cache) const;
  void search(Lookups& lookups, const Candidate& candidate, const uint8_t* page) const;
  size_t guess_in_page(uint64_t page, uint64_t prefix) const;
  bool find_in_page(const uint8_t* page, const Key& key, size_t guess, Found* found) const;
  void find_backwards(uint64_t page, const Key& key, Found* found) const;

  DatasetFiles& files_;
  const std::string path_;
  const RunInfo info_;
  FileId file_ = 0;
  uint64_t filter_seed_ = 0;
  bool has_filter_ = true;
  std::vector<uint64_t, HugePageAllocator<uint64_t>> fences_;  // of each page, its first prefix
  std::vector<FilterShape> shapes_;
  std::vector<uint8_t, HugePageAllocator<uint8_t>> fingerprints_;
  // A bit for each page that a lookup has proved. From then on ZFS's checksums vouch for it:
  // hashing a page again would be most of what a lookup costs.
  mutable std::unique_ptr<std::atomic<uint64_t>[]> proved_;
  std::shared_ptr<Graveyard> graveyard_;
};

// Writes a run from records that arrive in ascending order.
class RunWriter {
 public:
  // `expected_records` only decides the count of filter chunks.
  RunWriter(DatasetFiles& files, std::string path, uint64_t id, uint64_t expected_records);

  Status begin();
  Status add(const Record& record);
  // An error leaves the file for abandon().
  Result<RunInfo> finish();
  void abandon();

  uint64_t records() const { return records_; }
  uint64_t written_bytes() const { return offset_; }

 private:
  void close_page();
  void close_chunks(uint64_t up_to);
  Status flush();
  Status write_bytes(std::span<const uint8_t> bytes);
  Status write(std::span<const Piece> pieces, uint64_t bytes);

  DatasetFiles& files_;
  const std::string path_;
  const uint64_t id_;
  const uint64_t filter_seed_;
  const uint64_t filter_chunks_;
  FileId file_ = 0;
  uint64_t offset_ = 0;
  uint64_t records_ = 0;
  Key first_key_{};
  Key last_key_{};
  std::vector<uint8_t> buffer_;  // whole pages that wait to be written, and the open one
  size_t page_records_ = 0;
  std::vector<uint64_t> fences_;
  std::vector<FilterShape> shapes_;
  std::vector<uint8_t> fingerprints_;
  std::vector<uint64_t> chunk_hashes_;
  FilterBuilder filter_builder_;
};

}  // namespace ipfs_zfs
