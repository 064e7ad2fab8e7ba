// A damaged run gives an error that names file and offset; a lookup in it fails or is right.
#include <random>

#include "native/store/bytes.h"
#include "native/store/checksum.h"
#include "native/store/index/run.h"
#include "patches.h"
#include "test/native/store/memory_files.h"

namespace ipfs_zfs::fuzz {
namespace {

constexpr char kPath[] = "index/0000000000000005.run";
constexpr uint64_t kId = 5;
constexpr size_t kRecords = 350;  // four pages

struct Valid {
  std::vector<Record> records;
  std::vector<Key> keys;  // of the records, and as many that are not there
  std::vector<uint8_t> bytes;
  RunInfo info;
};

Valid make_run() {
  Valid valid;
  std::mt19937_64 random(1);
  std::vector<Key> keys(2 * kRecords);
  for (Key& key : keys) {
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
    // Some share their prefix, over a page's end too.
    if (&key - keys.data() < 120) std::fill(key.begin(), key.begin() + 8, 0x42);
  }
  valid.keys = keys;
  keys.resize(kRecords);
  std::sort(keys.begin(), keys.end());
  test::MemoryFiles files;
  RunWriter writer(files, kPath, kId, kRecords);
  must(writer.begin().ok());
  for (size_t i = 0; i < kRecords; i++) {
    const Record record{keys[i], i % 9 == 0 ? kTombstone : i};
    valid.records.push_back(record);
    must(writer.add(record).ok());
  }
  const auto info = writer.finish();
  must(info.ok());
  valid.info = *info;
  valid.bytes = files.content(kPath);
  return valid;
}

template <typename T>
void fix(uint8_t* head) {
  store_le(head + offsetof(T, checksum), checksum({head, offsetof(T, checksum)}));
}

// Makes every checksum right: pages, tables, footer, header, and what the manifest says.
void forge(std::vector<uint8_t>& bytes, RunInfo& info) {
  if (bytes.size() < 2 * kPageBytes) return;
  info.size_bytes = bytes.size() / kPageBytes * kPageBytes;
  fix<RunHeader>(bytes.data());
  for (size_t at = kPageBytes; at + kPageBytes < info.size_bytes; at += kPageBytes) {
    uint8_t* page = bytes.data() + at;
    const size_t rest = kPageBytes - sizeof(uint64_t);
    uint64_t sum = checksum({page, kPageBytes - sizeof(PageTrailer)}, info.id);
    sum = checksum({page + rest, sizeof(uint64_t)}, sum);
    if (page[rest] < 4) store_le(page + kPageBytes - sizeof(PageTrailer), sum);
  }
  uint8_t* end = bytes.data() + info.size_bytes - kPageBytes;
  RunFooter footer;
  std::memcpy(&footer, end, sizeof(footer));
  const uint64_t fences = footer.pages * sizeof(uint64_t);
  const uint64_t shapes =
      load_le<uint64_t>(bytes.data() + offsetof(RunHeader, filter_chunks)) * sizeof(FilterShape);
  if (fences <= bytes.size() && shapes <= bytes.size() && fences + shapes <= footer.tables_bytes &&
      footer.tables_bytes <= bytes.size() &&
      footer.tables_offset <= bytes.size() - footer.tables_bytes) {
    const uint8_t* tables = bytes.data() + footer.tables_offset;
    uint64_t sum = checksum({tables, fences}, 0);
    sum = checksum({tables + fences, shapes}, sum);
    sum = checksum({tables + fences + shapes, footer.tables_bytes - fences - shapes}, sum);
    store_le(end + offsetof(RunFooter, tables_checksum), sum);
  }
  fix<RunFooter>(end);
  std::memcpy(&footer, end, sizeof(footer));
  info.footer_checksum = footer.checksum;
  info.records = footer.records;
}

void expect_error(const Error& error) {
  must(error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kNewerVersion);
  must(error.message.starts_with(kPath));
  must(error.code != ErrorCode::kCorrupt || error.message.find(" at offset ") < 99);
}

void look_up(const Run& run, const Valid& valid, bool forged) {
  PageCache cache(1u << 20);
  for (int round = 0; round < 2; round++) {  // from the file, then from the cache
    for (size_t at = 0; at < valid.keys.size(); at += Lookups::kMax) {
      const size_t count = std::min(Lookups::kMax, valid.keys.size() - at);
      std::vector<Found> found(count, Found{.state = Lookup::kPending});
      Lookups lookups(std::span(valid.keys).subspan(at, count), found);
      run.find_many(lookups, cache);
      for (size_t i = 0; i < count && !forged; i++) {
        if (found[i].state == Lookup::kFailed) continue;
        const auto record =
            std::lower_bound(valid.records.begin(), valid.records.end(), valid.keys[at + i],
                             [](const Record& a, const Key& key) { return less(a.key, key); });
        if (at + i >= kRecords) {
          must(found[i].state == Lookup::kPending);
        } else {
          must(found[i].value == record->value && found[i].state != Lookup::kPending);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ipfs_zfs::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ipfs_zfs;
  using namespace ipfs_zfs::fuzz;
  static const Valid valid = make_run();
  Patches patches({data, size});
  std::vector<uint8_t> bytes = valid.bytes;
  RunInfo info = valid.info;
  patches.apply(bytes);
  if (patches.forge()) forge(bytes, info);
  test::MemoryFiles files;
  must(files.create(kPath, kRunRecordBytes).ok());
  files.set_content(kPath, bytes);
  const auto run = Run::open(files, kPath, info);
  if (!run) {
    expect_error(run.error());
    return 0;
  }
  look_up(**run, valid, patches.forge());
  const bool changed = bytes != valid.bytes;
  const auto faults = (*run)->check();
  // What the checksums cover is found; the zeros between the tables and the footer hold nothing.
  if (!changed) must(faults.empty());
  std::vector<uint8_t> pages(kPageBytes);
  for (uint64_t page = 0; page < (*run)->pages(); page++) {
    const Status read = (*run)->read_pages(page, 1, pages.data());
    if (!read) {
      expect_error(read.error());
      must(!faults.empty());
    }
  }
  return 0;
}
