#include <algorithm>
#include <cstddef>
#include <random>

#include "../bytes.h"
#include "../checksum.h"
#include "../ensure.h"
#include "run.h"

namespace ipfs_zfs {

namespace {

// Written in steps of this size: large enough for sequential I/O, small enough to pace a merge.
constexpr size_t kWriteBytes = 1u << 20;

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

template <typename T>
std::span<const uint8_t> bytes_of(const std::vector<T>& table) {
  return {reinterpret_cast<const uint8_t*>(table.data()), table.size() * sizeof(T)};
}

}  // namespace

RunWriter::RunWriter(DatasetFiles& files, std::string path, uint64_t id, uint64_t expected_records)
    : files_(files),
      path_(std::move(path)),
      id_(id),
      filter_seed_(random_seed()),
      filter_chunks_(expected_records / kFilterChunkKeys + 1) {}

Status RunWriter::begin() {
  auto file = files_.create_incompressible(path_, kRunRecordBytes);
  if (!file) return file.error();
  file_ = *file;
  RunHeader header{kRunMagic, kRunVersion, sizeof(Value), id_, filter_seed_, filter_chunks_, 0};
  header.checksum =
      checksum({reinterpret_cast<const uint8_t*>(&header), offsetof(RunHeader, checksum)});
  buffer_.reserve(kWriteBytes + kPageBytes);
  buffer_.resize(kPageBytes);
  std::memcpy(buffer_.data(), &header, sizeof(header));
  return {};
}

Status RunWriter::add(const Record& record) {
  ENSURE(records_ == 0 || less(last_key_, record.key));
  if (page_records_ == 0) {
    if (buffer_.size() >= kWriteBytes) {
      const Status flushed = flush();
      if (!flushed) return flushed;
    }
    fences_.push_back(prefix_of(record.key));
    buffer_.resize(buffer_.size() + kPageBytes);
  }
  close_chunks(filter_chunk_of(prefix_of(record.key), filter_chunks_));
  chunk_hashes_.push_back(filter_hash(record.key, filter_seed_));
  uint8_t* page = buffer_.data() + buffer_.size() - kPageBytes;
  std::memcpy(page + page_records_ * sizeof(Record), &record, sizeof(Record));
  if (records_ == 0) first_key_ = record.key;
  last_key_ = record.key;
  records_++;
  if (++page_records_ == kPageRecords) close_page();
  return {};
}

void RunWriter::close_page() {
  uint8_t* page = buffer_.data() + buffer_.size() - kPageBytes;
  PageTrailer trailer{0, static_cast<uint32_t>(fences_.size() - 1),
                      static_cast<uint16_t>(page_records_), 0};
  uint8_t* rest = page + kPageBytes - sizeof(uint64_t);
  std::memcpy(rest, &trailer.page, sizeof(uint64_t));
  trailer.checksum = checksum({page, kPageBytes - sizeof(trailer)}, id_);
  trailer.checksum = checksum({rest, sizeof(uint64_t)}, trailer.checksum);
  std::memcpy(page + kPageBytes - sizeof(trailer), &trailer, sizeof(trailer));
  page_records_ = 0;
}

// Builds the filters of all chunks below `up_to`; the keys of the first one have been gathered.
void RunWriter::close_chunks(uint64_t up_to) {
  while (shapes_.size() < up_to) {
    shapes_.push_back(filter_builder_.build(chunk_hashes_, fingerprints_));
    chunk_hashes_.clear();
  }
}

Status RunWriter::write(std::span<const Piece> pieces, uint64_t bytes) {
  const FileOp op{FileOp::Kind::kWrite, file_, offset_, pieces, 0};
  const auto applied = files_.apply({&op, 1});
  if (!applied) return applied.error();
  offset_ += bytes;
  return {};
}

// At most kWriteBytes at a time, whatever the engine would take.
Status RunWriter::write_bytes(std::span<const uint8_t> bytes) {
  for (size_t at = 0; at < bytes.size(); at += kWriteBytes) {
    const size_t length = std::min(kWriteBytes, bytes.size() - at);
    const Piece piece{bytes.data() + at, length};
    const Status written = write({&piece, 1}, length);
    if (!written) return written;
  }
  return {};
}

Status RunWriter::flush() {
  const Status written = write_bytes(buffer_);
  buffer_.clear();
  return written;
}

Result<RunInfo> RunWriter::finish() {
  if (page_records_ > 0) close_page();
  close_chunks(filter_chunks_);
  Status flushed = flush();
  if (!flushed) return flushed.error();

  RunFooter footer{};
  footer.magic = kFooterMagic;
  footer.id = id_;
  footer.records = records_;
  footer.pages = fences_.size();
  footer.tables_offset = offset_;
  ENSURE(footer.tables_offset == (footer.pages + 1) * kPageBytes);
  // Straight from the tables: the filter of a large run is too large to be copied.
  for (const auto bytes : {bytes_of(fences_), bytes_of(shapes_), bytes_of(fingerprints_)}) {
    footer.tables_bytes += bytes.size();
    footer.tables_checksum = checksum(bytes, footer.tables_checksum);
    flushed = write_bytes(bytes);
    if (!flushed) return flushed.error();
  }
  footer.first_key = first_key_;
  footer.last_key = last_key_;
  footer.checksum =
      checksum({reinterpret_cast<const uint8_t*>(&footer), offsetof(RunFooter, checksum)});
  const size_t padding = (kPageBytes - footer.tables_bytes % kPageBytes) % kPageBytes;
  buffer_.resize(padding + kPageBytes);
  std::memcpy(buffer_.data() + buffer_.size() - kPageBytes, &footer, sizeof(footer));
  flushed = flush();
  if (!flushed) return flushed.error();
  return RunInfo{id_, 0, records_, offset_, footer.checksum};
}

void RunWriter::abandon() {
  if (file_ != 0) (void)files_.unlink(path_);  // else the next open unlinks it
}

}  // namespace ipfs_zfs
