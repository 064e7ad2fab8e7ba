#include "bulk_load.h"

#include <algorithm>
#include <bit>

#include "../bytes.h"

namespace ipfs_zfs {

namespace {

constexpr uint64_t kPartRecords = 1u << 20;  // 40 MiB in memory, and as much again to sort it
constexpr int kMaxPartBits = 10;
constexpr size_t kBufferRecords = 3276;  // 128 KiB, the record size of a part
constexpr uint32_t kPartRecordBytes = 128u << 10;
constexpr size_t kCountKeys = 1024;

}  // namespace

BulkLoad::BulkLoad(Index& index, Options options) : index_(index), options_(options) {
  if (options_.sorted) return;
  const uint64_t parts = options_.expected_records / kPartRecords;
  part_bits_ = std::min(static_cast<int>(std::bit_width(parts)), kMaxPartBits);
  parts_.resize(size_t{1} << part_bits_);
}

// What was not finished leaves nothing behind.
BulkLoad::~BulkLoad() {
  if (writer_) writer_->abandon();
  for (const Part& part : parts_) {
    if (part.file != 0) (void)index_.files_.unlink(index_.path_of(part.number, "part"));
  }
}

Result<std::unique_ptr<BulkLoad>> BulkLoad::begin(Index& index, Options options) {
  Status done;
  if (index.version()->active->size() > 0) {
    done = index.make_room(index.options_.table_keys, Index::Room::kPut);
  }
  if (done) done = index.settle(false);
  if (!done) return done.error();
  std::unique_ptr<BulkLoad> load(new BulkLoad(index, options));
  load->run_ = index.take_file_number();
  auto writer = std::make_unique<RunWriter>(index.files_, index.path_of(load->run_, "run"),
                                            load->run_, options.expected_records);
  done = writer->begin();
  if (!done) return done.error();
  load->writer_ = std::move(writer);
  return load;
}

Status BulkLoad::add(std::span<const Record> records) {
  for (const Record& record : records) {
    if (record.value == kTombstone) {
      return Error{ErrorCode::kInvalid, "a value of a bulk load says that its key is deleted"};
    }
    Status added;
    if (!options_.sorted) {
      added = deal(record);
    } else if (writer_->records() > 0 && !less(last_, record.key)) {
      added = Error{ErrorCode::kInvalid, "the key " + hex_of(record.key) +
                                             " is not above the one before: load it unsorted"};
    } else {
      added = append(record);
    }
    if (!added) return added;
  }
  return {};
}

Status BulkLoad::deal(const Record& record) {
  Part& part = parts_[part_bits_ == 0 ? 0 : prefix_of(record.key) >> (64 - part_bits_)];
  part.buffer.push_back(record);
  return part.buffer.size() < kBufferRecords ? Status() : flush(part);
}

Status BulkLoad::flush(Part& part) {
  if (part.file == 0) {
    part.number = index_.take_file_number();
    auto file =
        index_.files_.create_incompressible(index_.path_of(part.number, "part"), kPartRecordBytes);
    if (!file) return file.error();
    part.file = *file;
  }
  const Piece piece{part.buffer.data(), part.buffer.size() * sizeof(Record)};
  const FileOp op{FileOp::Kind::kWrite, part.file, part.records * sizeof(Record), {&piece, 1}, 0};
  const auto written = index_.files_.apply({&op, 1});
  if (!written) return written.error();
  part.records += part.buffer.size();
  part.buffer.clear();
  return {};
}

Status BulkLoad::read_part(Part& part, std::vector<Record>& records) {
  records.resize(part.records);
  if (part.records > 0) {
    ReadOp op{0, part.records * sizeof(Record), records.data()};
    const Status read = index_.files_.read(part.file, {&op, 1});
    if (!read) return read;
    if (!op.ok) {
      return Error{op.error, index_.path_of(part.number, "part") + " at offset 0: cannot be read"};
    }
  }
  records.insert(records.end(), part.buffer.begin(), part.buffer.end());
  part.buffer = {};
  if (part.file == 0) return {};
  // Read for good: its space is what the run grows into.
  part.file = 0;
  return index_.files_.unlink(index_.path_of(part.number, "part"));
}

Status BulkLoad::sort_part(Part& part) {
  std::vector<Record> records;
  Status done = read_part(part, records);
  if (!done) return done;
  const auto count = static_cast<uint32_t>(records.size());
  const std::vector<uint32_t> order = sort_by_key(records.data(), 0, count, part_bits_);
  for (uint32_t i = 0; done && i < count; i++) {
    const Record& record = records[order[i]];
    // Of records of one key, the last that was added.
    if (i + 1 < count && records[order[i + 1]].key == record.key) continue;
    done = append(record);
  }
  return done;
}

Status BulkLoad::append(const Record& record) {
  last_ = record.key;
  uncounted_.push_back(record.key);
  if (uncounted_.size() == kCountKeys) {
    const Status counted = count_some();
    if (!counted) return counted;
  }
  return writer_->add(record);
}

Status BulkLoad::count_some() {
  if (index_.keys() == 0) {
    new_keys_ += uncounted_.size();
    uncounted_.clear();
    return {};
  }
  std::vector<Found> found(uncounted_.size());
  index_.find_many(uncounted_, found);
  uncounted_.clear();
  for (const Found& one : found) {
    if (one.state == Lookup::kFailed) {
      return Error{one.error, "an index page cannot be read, so a bulk load cannot be counted"};
    }
    new_keys_ += one.state == Lookup::kAbsent ? 1 : 0;
  }
  return {};
}

Result<uint64_t> BulkLoad::finish() {
  for (Part& part : parts_) {
    const Status sorted = sort_part(part);
    if (!sorted) return sorted.error();
  }
  const Status counted = count_some();
  if (!counted) return counted.error();
  if (writer_->records() == 0) return uint64_t{0};
  auto info = writer_->finish();
  if (!info) return info.error();
  const Status installed = index_.install_loaded(*info, new_keys_);
  if (!installed) return installed.error();
  writer_.reset();
  return new_keys_;
}

}  // namespace ipfs_zfs
