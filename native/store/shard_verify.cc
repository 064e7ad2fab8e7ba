// Proving blocks: by what ZFS keeps in the block pointer where that is enough, else by reading and
// hashing.
#include <algorithm>
#include <cstring>
#include <set>

#include "ensure.h"
#include "sha256.h"
#include "shard.h"
#include "shard_read.h"

namespace ipfs_zfs {

namespace {

// Blocks proved inside one epoch: the memory for reading them is at most 32 times 4 MiB.
constexpr size_t kVerifyBlocks = 32;

std::string why_unread(ErrorCode error) {
  return error == ErrorCode::kCorrupt ? "ZFS found a checksum error it could not repair"
                                      : "the device gave an error";
}

}  // namespace

// The records of a shard that ZFS knows to be damaged.
struct Shard::Damage {
  std::set<std::pair<FileId, uint64_t>> records;
  // Files with a damaged indirect block. How many records lie below one depends on the file's
  // indirect block size; every record of the file is read instead of guessing.
  std::set<FileId> files;

  explicit Damage(std::span<const DamagedInShard> damaged) {
    for (const DamagedInShard& one : damaged) {
      if (one.level == 0) {
        records.emplace(one.file, one.record);
      } else {
        files.insert(one.file);
      }
    }
  }

  bool covers(FileId file, uint64_t record) const {
    return files.contains(file) || records.contains({file, record});
  }
};

Result<Index::ScanEnd> Shard::verify(const Key& from, const Key& last, size_t limit,
                                     std::span<const DamagedInShard> damaged, VerifyPage& page) {
  std::vector<Record> records;
  const auto end = index_->scan(from, last, limit, records);
  if (!end) return end.error();
  const Damage damage(damaged);
  for (size_t start = 0; start < records.size(); start += kVerifyBlocks) {
    const size_t count = std::min(kVerifyBlocks, records.size() - start);
    verify_some(std::span(records).subspan(start, count), damage, page);
  }
  return end;
}

// The digest of a block that fills exactly one record is what checksum=sha256 has put in the
// record's block pointer. A pointer that says something else proves nothing (it may be the one on
// disk from before a change that is still in memory), so the block is then read.
bool Shard::proved_by_pointer(const Key& key, Location location, const Damage& damage) {
  if (location.is_pack() || location.is_foreign()) return false;
  if (location.length_bytes() != location.class_bytes()) return false;
  const FileId file = slots_[location.slot_class()].file();
  if (damage.covers(file, location.slot())) return false;
  const auto pointer = files_->record_pointer(file, location.slot());
  return pointer && !pointer->is_hole && pointer->is_sha256_of_data && pointer->checksum == key;
}

void Shard::verify_some(std::span<const Record> records, const Damage& damage, VerifyPage& page) {
  std::vector<Key> keys;
  for (const Record& record : records) keys.push_back(record.key);
  std::vector<Found> found(records.size());
  std::vector<std::vector<uint8_t>> contents(records.size());
  std::vector<Read> reads;
  {
    // Deletes wait for the reading, not for the hashing.
    const auto guard = epoch_.enter();
    index_->find_many(keys, found);
    for (size_t i = 0; i < records.size(); i++) {
      auto read = read_unless_proved(keys[i], found[i], damage, contents[i], page);
      if (!read) continue;
      read->owner = static_cast<uint32_t>(i);
      reads.push_back(*read);
    }
    read_all(reads);
  }
  for (const Read& read : reads) {
    judge(keys[read.owner], Location(found[read.owner].value), read, page);
  }
}

// What must be read of a block, into `content`; nothing when its case is settled without.
std::optional<Shard::Read> Shard::read_unless_proved(const Key& key, const Found& found,
                                                     const Damage& damage,
                                                     std::vector<uint8_t>& content,
                                                     VerifyPage& page) {
  if (found.state == Lookup::kAbsent) return std::nullopt;  // deleted meanwhile
  if (found.state == Lookup::kFailed) {
    page.bad.push_back(BadBlock{key, {}, found.error, "its index page cannot be read"});
    return std::nullopt;
  }
  const Location location(found.value);
  const auto file = file_of(location);
  if (!file) {
    page.bad.push_back(BadBlock{key, {}, ErrorCode::kCorrupt, file.error().message});
    return std::nullopt;
  }
  if (proved_by_pointer(key, location, damage)) {
    page.by_pointer++;
    page.bytes += location.length_bytes();
    return std::nullopt;
  }
  // With the trailer at its end, and a byte so that an empty block has an address too.
  const size_t bytes = location.length_bytes() + kTrailerBytes[location.trailer()];
  content.resize(bytes + 1);
  Read read;
  read.file = *file;
  read.op = ReadOp{location.data_offset_bytes(), bytes, content.data()};
  return read;
}

void Shard::judge(const Key& key, Location location, const Read& read, VerifyPage& page) {
  page.bytes += location.length_bytes();
  BadBlock bad;
  bad.key = key;
  if (!location.is_foreign()) bad.multihash = sha2_256_multihash(key);
  if (!read.op.ok) {
    bad.error = read.op.error;
    bad.why = why_unread(read.op.error);
    page.bad.push_back(std::move(bad));
    return;
  }
  const std::span bytes(static_cast<const uint8_t*>(read.op.into), location.length_bytes());
  if (location.is_foreign()) {
    const ReadOp trailer{0, kTrailerBytes[location.trailer()],
                         static_cast<uint8_t*>(read.op.into) + bytes.size()};
    bad.multihash = multihash_in(trailer);
    if (bad.multihash.empty() || key_of(bad.multihash) != key) {
      bad.why = "the multihash beside the block is not the one of its key";
      page.bad.push_back(std::move(bad));
      return;
    }
  }
  switch (check_multihash(bad.multihash, bytes)) {
    case HashCheck::kMatch: page.by_hash++; break;
    case HashCheck::kUnknown: page.unhashed++; break;
    case HashCheck::kMismatch:
      bad.why = "its bytes do not have this hash";
      page.bad.push_back(std::move(bad));
      break;
  }
}

}  // namespace ipfs_zfs
