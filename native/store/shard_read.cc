// Reading from a shard. Every read of block data happens inside an epoch that began before the
// block's location was looked up.
#include <algorithm>
#include <array>

#include "ensure.h"
#include "shard.h"
#include "shard_read.h"

namespace ipfs_zfs {

namespace {

// Bytes read inside one epoch, so that a long batch does not keep a delete waiting.
constexpr uint64_t kEpochBytes = 16u << 20;

}  // namespace

Status Shard::get(std::span<const Key> keys, std::span<const uint32_t> index,
                  std::span<GetBlock> blocks, const BlockSink& sink) {
  ENSURE(keys.size() == index.size());
  while (!keys.empty()) {
    const size_t done = get_some(keys, index, blocks, sink);
    keys = keys.subspan(done);
    index = index.subspan(done);
  }
  return {};
}

// Returns how many of `keys` it has dealt with: at least one.
size_t Shard::get_some(std::span<const Key> keys, std::span<const uint32_t> index,
                       std::span<GetBlock> blocks, const BlockSink& sink) {
  const size_t most = std::min(keys.size(), Lookups::kMax);
  std::array<Found, Lookups::kMax> found;
  std::array<Read, Lookups::kMax> reads;
  const auto guard = epoch_.enter();
  index_->find_many(keys.first(most), std::span(found).first(most));
  size_t count = 0;
  size_t done = 0;
  uint64_t bytes = 0;
  for (; done < most && bytes < kEpochBytes; done++) {
    GetBlock& block = blocks[index[done]];
    block.outcome = Outcome::kAbsent;
    if (found[done].state == Lookup::kAbsent) continue;
    block.outcome = Outcome::kFailed;
    block.error = found[done].error;
    if (found[done].state == Lookup::kFailed) continue;
    const Location location(found[done].value);
    const auto file = file_of(location);
    if (!file) {
      block.error = file.error().code;
      continue;
    }
    block.size_bytes = location.length_bytes();
    block.bytes = sink(index[done], block.size_bytes);
    if (block.size_bytes == 0) {
      block.outcome = Outcome::kFound;
    } else if (block.bytes == nullptr) {
      block.error = ErrorCode::kAborted;
    } else {
      reads[count].file = *file;
      reads[count].owner = index[done];
      reads[count++].op = ReadOp{location.data_offset_bytes(), block.size_bytes, block.bytes};
      bytes += block.size_bytes;
    }
  }
  read_all(std::span(reads).first(count));
  for (const Read& read : std::span(reads).first(count)) {
    GetBlock& block = blocks[read.owner];
    block.outcome = read.op.ok ? Outcome::kFound : Outcome::kFailed;
    block.error = read.op.error;
  }
  return done;
}

// In the order of files and offsets, one call a file. Each op has its own outcome.
void Shard::read_all(std::span<Read> reads) {
  if (reads.empty()) return;
  std::sort(reads.begin(), reads.end(), [](const Read& a, const Read& b) {
    return a.file != b.file ? a.file < b.file : a.op.offset_bytes < b.op.offset_bytes;
  });
  std::vector<ReadOp> ops;
  ops.reserve(reads.size());
  for (size_t start = 0; start < reads.size();) {
    ops.clear();
    size_t end = start;
    for (; end < reads.size() && reads[end].file == reads[start].file; end++) {
      ops.push_back(reads[end].op);
    }
    const Status read = files_->read(reads[start].file, ops);
    for (size_t i = start; i < end; i++) {
      reads[i].op = ops[i - start];
      if (read) continue;
      reads[i].op.ok = false;
      reads[i].op.error = read.error().code;
    }
    start = end;
  }
}

Status Shard::sizes(std::span<const Key> keys, std::span<const uint32_t> index,
                    std::span<int64_t> sizes_bytes) {
  std::vector<Found> found(keys.size());
  index_->find_many(keys, found);
  for (size_t i = 0; i < keys.size(); i++) {
    if (found[i].state == Lookup::kFailed) {
      return Error{found[i].error, "an index page cannot be read"};
    }
    sizes_bytes[index[i]] =
        found[i].state == Lookup::kAbsent ? -1 : int64_t{Location(found[i].value).length_bytes()};
  }
  return {};
}

bool Shard::get_now(const Key& key, GetBlock& block, const BlockSink& sink) {
  const auto guard = epoch_.enter();
  const auto found = index_->find_now(key);
  if (!found) return false;
  block.outcome = Outcome::kAbsent;
  if (found->state == Lookup::kAbsent) return true;
  const Location location(found->value);
  const auto file = file_of(location);
  if (!file) return false;
  block.size_bytes = location.length_bytes();
  block.bytes = sink(0, block.size_bytes);
  block.outcome = Outcome::kFound;
  if (block.size_bytes == 0) return true;
  if (block.bytes == nullptr) return false;
  ReadOp read{location.data_offset_bytes(), block.size_bytes, block.bytes};
  return files_->read_now(*file, read);
}

bool Shard::size_now(const Key& key, int64_t* size_bytes) {
  const auto found = index_->find_now(key);
  if (!found) return false;
  *size_bytes =
      found->state == Lookup::kAbsent ? -1 : int64_t{Location(found->value).length_bytes()};
  return true;
}

Result<Index::ScanEnd> Shard::scan(const Key& from, const Key& last, size_t limit, ScanPage& page) {
  const auto guard = epoch_.enter();
  std::vector<Record> records;
  const auto end = index_->scan(from, last, limit, records);
  if (!end) return end.error();
  const size_t first = page.blocks.size();
  page.blocks.resize(first + records.size());
  read_multihashes(records, std::span(page.blocks).subspan(first));
  return end;
}

// Inside an epoch that began before the records were looked up.
void Shard::read_multihashes(std::span<const Record> records, std::span<ScannedBlock> blocks) {
  std::vector<Read> reads;
  std::vector<uint8_t> trailers;
  const auto foreign = std::count_if(records.begin(), records.end(), [](const Record& record) {
    return Location(record.value).is_foreign();
  });
  trailers.resize(static_cast<size_t>(foreign) * kTrailerBytes.back());
  for (size_t i = 0; i < records.size(); i++) {
    const Location location(records[i].value);
    blocks[i].key = records[i].key;
    blocks[i].size_bytes = location.length_bytes();
    if (!location.is_foreign()) {
      blocks[i].multihash = sha2_256_multihash(records[i].key);
      continue;
    }
    const auto file = file_of(location);
    if (!file) continue;
    uint8_t* into = trailers.data() + reads.size() * kTrailerBytes.back();
    Read read;
    read.file = *file;
    read.owner = static_cast<uint32_t>(i);
    read.op = ReadOp{location.data_offset_bytes() + location.length_bytes(),
                     kTrailerBytes[location.trailer()], into};
    reads.push_back(read);
  }
  read_all(reads);
  for (const Read& read : reads) {
    if (read.op.ok) blocks[read.owner].multihash = multihash_in(read.op);
  }
}

std::vector<uint8_t> multihash_in(const ReadOp& trailer) {
  const auto* bytes = static_cast<const uint8_t*>(trailer.into);
  if (bytes[0] == 0 || bytes[0] >= trailer.length_bytes) return {};
  return {bytes + 1, bytes + 1 + bytes[0]};
}

}  // namespace ipfs_zfs
