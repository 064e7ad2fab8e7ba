#include "run.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "../bytes.h"
#include "../checksum.h"
#include "../ensure.h"

namespace ipfs_zfs {

namespace {

constexpr size_t kWordBits = 64;
constexpr size_t kReadChunkBytes = 1u << 20;  // tables are read in steps of this size

uint64_t round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

template <typename T>
uint64_t checksum_of(const T& head) {
  return checksum({reinterpret_cast<const uint8_t*>(&head), offsetof(T, checksum)});
}

template <typename T>
std::span<uint8_t> bytes_of(T& table) {
  return {reinterpret_cast<uint8_t*>(table.data()), table.size() * sizeof(table[0])};
}

}  // namespace

void Graveyard::bury(std::string path) {
  const std::lock_guard lock(mutex_);
  paths_.push_back(std::move(path));
}

void Graveyard::unlink_all(DatasetFiles& files) {
  std::vector<std::string> paths;
  {
    const std::lock_guard lock(mutex_);
    paths.swap(paths_);
  }
  // A file that stays behind is no harm: the next open finds it in no manifest and unlinks it.
  for (const std::string& path : paths) (void)files.unlink(path);
}

Run::Run(DatasetFiles& files, std::string path, const RunInfo& info)
    : files_(files), path_(std::move(path)), info_(info) {}

Run::~Run() {
  if (graveyard_) graveyard_->bury(path_);
}

void Run::doom(std::shared_ptr<Graveyard> graveyard) { graveyard_ = std::move(graveyard); }

Error Run::corrupt(uint64_t offset, const char* what) const {
  return Error{ErrorCode::kCorrupt, path_ + " at offset " + std::to_string(offset) + ": " + what};
}

Result<std::shared_ptr<Run>> Run::open(DatasetFiles& files, const std::string& path,
                                       const RunInfo& info, size_t filter_max_bytes) {
  std::shared_ptr<Run> run(new Run(files, path, info));
  const Status loaded = run->load(filter_max_bytes);
  if (!loaded) return loaded.error();
  return run;
}

Status Run::load(size_t filter_max_bytes) {
  auto file = files_.lookup(path_);
  if (!file) {
    if (file.error().code != ErrorCode::kNotFound) return file.error();
    return corrupt(0, "the manifest names this run, and it is not there");
  }
  file_ = *file;
  auto info = files_.info(file_);
  if (!info) return info.error();
  if (info->size_bytes < info_.size_bytes || info_.size_bytes < 2 * kPageBytes) {
    return corrupt(info->size_bytes, "shorter than the manifest says");
  }
  RunHeader header;
  RunFooter footer;
  const uint64_t footer_at = info_.size_bytes - kPageBytes;
  ReadOp reads[2] = {{0, sizeof(header), &header}, {footer_at, sizeof(footer), &footer}};
  const Status read = files_.read(file_, reads);
  if (!read) return read.error();
  if (!reads[0].ok) return Error{reads[0].error, path_ + ": its header cannot be read"};
  if (!reads[1].ok) return Error{reads[1].error, path_ + ": its footer cannot be read"};
  if (header.magic != kRunMagic) return corrupt(0, "not the header of a run");
  if (header.version > kRunVersion) {
    return Error{ErrorCode::kNewerVersion, path_ + ": written by a newer version"};
  }
  if (header.checksum != checksum_of(header) || header.id != info_.id ||
      header.value_bytes != sizeof(Value)) {
    return corrupt(0, "a damaged header");
  }
  if (footer.magic != kFooterMagic || footer.checksum != checksum_of(footer) ||
      footer.id != info_.id || footer.checksum != info_.footer_checksum) {
    return corrupt(footer_at, "a damaged footer");
  }
  filter_seed_ = header.filter_seed;
  if (header.filter_chunks == 0 || header.filter_chunks > info_.size_bytes / sizeof(FilterShape)) {
    return corrupt(0, "a damaged header");
  }
  shapes_.resize(header.filter_chunks);
  const Status loaded = load_tables(footer);
  if (!loaded) return loaded;
  // One checksum covers all tables: the filter is read and proved in any case.
  has_filter_ = fingerprints_.size() <= filter_max_bytes;
  if (!has_filter_) fingerprints_ = {};
  return {};
}

// Reads the table at `offset`, steps over it, and takes it into the checksum.
Status Run::load_table(uint64_t* offset, std::span<uint8_t> table, uint64_t* sum) const {
  std::vector<ReadOp> reads;
  for (uint64_t at = 0; at < table.size(); at += kReadChunkBytes) {
    const size_t length = std::min<size_t>(kReadChunkBytes, table.size() - at);
    reads.push_back(ReadOp{*offset + at, length, table.data() + at});
  }
  const Status read = files_.read(file_, reads);
  if (!read) return read.error();
  for (const ReadOp& op : reads) {
    if (!op.ok) return Error{op.error, corrupt(op.offset_bytes, "cannot be read").message};
  }
  *offset += table.size();
  *sum = checksum(table, *sum);
  return {};
}

Status Run::load_tables(const RunFooter& footer) {
  const uint64_t head_bytes =
      footer.pages * sizeof(uint64_t) + shapes_.size() * sizeof(FilterShape);
  const uint64_t tables_end = footer.tables_offset + round_up(footer.tables_bytes, kPageBytes);
  if (footer.records != info_.records || footer.pages > info_.size_bytes / kPageBytes ||
      footer.tables_offset != (footer.pages + 1) * kPageBytes || footer.tables_bytes < head_bytes ||
      footer.tables_bytes > info_.size_bytes || tables_end + kPageBytes != info_.size_bytes) {
    return corrupt(info_.size_bytes - kPageBytes, "a footer that does not fit the file");
  }
  fences_.resize(footer.pages);
  proved_ = std::make_unique<std::atomic<uint64_t>[]>(footer.pages / kWordBits + 1);
  fingerprints_.resize(footer.tables_bytes - head_bytes);
  uint64_t offset = footer.tables_offset;
  uint64_t sum = 0;
  Status loaded = load_table(&offset, bytes_of(fences_), &sum);
  if (loaded) loaded = load_table(&offset, bytes_of(shapes_), &sum);
  if (loaded) loaded = load_table(&offset, bytes_of(fingerprints_), &sum);
  if (!loaded) return loaded;
  if (sum != footer.tables_checksum) return corrupt(footer.tables_offset, "damaged tables");
  for (const FilterShape& shape : shapes_) {
    const bool length_fits = shape.segment_count == 0 || std::has_single_bit(shape.segment_length);
    if (!length_fits || shape.fingerprint_bytes() > fingerprints_.size() ||
        shape.offset > fingerprints_.size() - shape.fingerprint_bytes()) {
      return corrupt(footer.tables_offset, "a filter that does not fit");
    }
  }
  return {};
}

size_t Run::memory_bytes() const {
  return fences_.size() * sizeof(uint64_t) + shapes_.size() * sizeof(FilterShape) +
         fingerprints_.size();
}

bool Run::may_contain(const Key& key) const {
  if (!has_filter_) return true;
  const FilterShape& shape = shapes_[filter_chunk_of(prefix_of(key), shapes_.size())];
  return filter_holds(shape, fingerprints_.data(), filter_hash(key, filter_seed_));
}

uint64_t Run::page_of(const Key& key) const {
  const uint64_t prefix = prefix_of(key);
  const uint64_t pages = fences_.size();
  if (pages == 0 || prefix < fences_[0]) return pages;
  // Digests are uniform, so the prefix itself says where to look; then widen by doubling.
  uint64_t low = filter_chunk_of(prefix, pages);
  uint64_t high = low + 1;
  for (uint64_t step = 1; low > 0 && fences_[low] > prefix; step *= 2) {
    high = low;
    low = low > step ? low - step : 0;
  }
  for (uint64_t step = 1; high < pages && fences_[high] <= prefix; step *= 2) {
    low = high;
    high = std::min(pages, high + step);
  }
  const auto begin = fences_.begin();
  const auto after = std::upper_bound(begin + static_cast<ptrdiff_t>(low),
                                      begin + static_cast<ptrdiff_t>(high), prefix);
  return static_cast<uint64_t>(after - begin) - 1;
}

Status Run::prove_page(uint64_t page, const uint8_t* bytes) const {
  PageTrailer trailer;
  std::memcpy(&trailer, bytes + kPageBytes - sizeof(trailer), sizeof(trailer));
  const size_t covered = kPageBytes - sizeof(trailer.checksum);
  // The checksum lies before the rest of the trailer; what is covered is all but itself.
  uint64_t sum = checksum({bytes, kPageBytes - sizeof(trailer)}, info_.id);
  sum = checksum({bytes + covered, sizeof(trailer.checksum)}, sum);
  if (trailer.checksum != sum) return corrupt((page + 1) * kPageBytes, "a damaged page");
  return prove_place(page, bytes);
}

Status Run::prove_place(uint64_t page, const uint8_t* bytes) const {
  PageTrailer trailer;
  std::memcpy(&trailer, bytes + kPageBytes - sizeof(trailer), sizeof(trailer));
  if (trailer.page == page && trailer.records > 0 && trailer.records <= kPageRecords) return {};
  return corrupt((page + 1) * kPageBytes, "not the page that belongs here");
}

Status Run::prove_once(uint64_t page, const uint8_t* bytes) const {
  std::atomic<uint64_t>& word = proved_[page / kWordBits];
  const uint64_t bit = uint64_t{1} << (page % kWordBits);
  if ((word.load(std::memory_order_relaxed) & bit) != 0) return prove_place(page, bytes);
  const Status proved = prove_page(page, bytes);
  if (proved) word.fetch_or(bit, std::memory_order_relaxed);
  return proved;
}

Status Run::read_pages(uint64_t first, uint64_t count, uint8_t* into) const {
  ENSURE(first + count <= pages());
  ReadOp op{(first + 1) * kPageBytes, count * kPageBytes, into};
  const Status read = files_.read(file_, {&op, 1});
  if (!read) return read.error();
  if (!op.ok) return Error{op.error, corrupt(op.offset_bytes, "cannot be read").message};
  for (uint64_t i = 0; i < count; i++) {
    const Status proved = prove_page(first + i, into + i * kPageBytes);
    if (!proved) return proved;
  }
  return {};
}

std::span<const Record> Run::records_of(const uint8_t* page) {
  const auto records = load_le<uint16_t>(page + kPageBytes - 4);
  return {reinterpret_cast<const Record*>(page), records};
}

std::vector<std::string> Run::check() const {
  std::vector<std::string> faults;
  std::vector<uint8_t> page(kPageBytes);
  uint64_t records = 0;
  Key last{};
  for (uint64_t i = 0; i < pages(); i++) {
    const Status read = read_pages(i, 1, page.data());
    if (!read) {
      faults.push_back(read.error().message);
      continue;
    }
    for (const Record& record : records_of(page.data())) {
      const std::string where = path_ + " page " + std::to_string(i) + " key " + hex_of(record.key);
      if (records > 0 && !less(last, record.key)) faults.push_back(where + ": out of order");
      if (!may_contain(record.key)) faults.push_back(where + ": denied by the filter");
      last = record.key;
      records++;
    }
    const Key& first = records_of(page.data())[0].key;
    if (prefix_of(first) != fences_[i]) {
      faults.push_back(path_ + " page " + std::to_string(i) + ": not what its fence says");
    }
  }
  if (records != info_.records && faults.empty()) {
    faults.push_back(path_ + ": holds " + std::to_string(records) + " records, not " +
                     std::to_string(info_.records));
  }
  return faults;
}

}  // namespace ipfs_zfs
