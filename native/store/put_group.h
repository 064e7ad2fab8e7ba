// The blocks that one DatasetFiles::apply will store: where they go, what is written there, and the
// index changes. Block bytes are not copied: pieces point at the callers' buffers.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "../zfs/dataset_files.h"
#include "index/record.h"
#include "location.h"

namespace ipfs_zfs {

// DatasetFiles::apply takes no more.
inline constexpr size_t kMaxApplyOps = 4096;

// Memory for the small things between blocks (headers, trailers); all of it is free again at once.
class Arena {
 public:
  uint8_t* take(size_t bytes);
  void reset();

 private:
  static constexpr size_t kChunkBytes = 64u << 10;
  std::vector<std::unique_ptr<uint8_t[]>> chunks_;
  size_t chunk_ = 0;
  size_t used_bytes_ = 0;
};

class PutGroup {
 public:
  explicit PutGroup(size_t max_keys);

  void reset();
  bool empty() const { return changes_.empty(); }
  std::span<const Change> changes() const { return changes_; }
  uint64_t data_bytes() const { return data_bytes_; }    // to be written, padding included
  uint64_t block_bytes() const { return block_bytes_; }  // sum of lengths
  size_t ops() const { return slot_ops_.size() + pack_ops_.size(); }

  bool has(const Key& key) const;
  // `multihash` is empty unless it must be kept beside the block.
  void add(const Key& key, std::span<const uint8_t> multihash, std::span<const uint8_t> bytes,
           Location location, FileId file);
  // A pack entry as it lies in another pack.
  void add_move(const Key& key, Location from, Location to, FileId file, const uint8_t* entry);
  // The ops that write the data; valid until the next reset().
  std::vector<FileOp>& data_ops();

  // What a block adds to data_bytes().
  static uint64_t footprint_bytes(Location location);

 private:
  struct Op {
    FileId file;
    uint64_t offset_bytes;
    size_t first_piece;
    size_t pieces;
    uint64_t end_bytes;
  };

  void remember(const Key& key);
  void add_to_slots(std::span<const uint8_t> multihash, std::span<const uint8_t> bytes,
                    Location location, FileId file);
  void add_to_pack(const Key& key, std::span<const uint8_t> multihash,
                   std::span<const uint8_t> bytes, Location location, FileId file);
  void add_pack_piece(const void* data, size_t bytes);
  void open_pack_op(Location location, FileId file);
  uint8_t* trailer_bytes(std::span<const uint8_t> multihash, size_t bytes);

  const size_t max_keys_;
  Arena arena_;
  std::vector<Change> changes_;
  uint64_t data_bytes_ = 0;
  uint64_t block_bytes_ = 0;
  std::vector<Piece> slot_pieces_;
  std::vector<Piece> pack_pieces_;
  std::vector<Op> slot_ops_;
  std::vector<Op> pack_ops_;
  std::vector<FileOp> file_ops_;
  // Keys of the group: open addressing, entries of other rounds count as empty.
  struct Seen {
    uint32_t round = 0;
    uint32_t change = 0;
  };
  std::vector<Seen> seen_;
  uint32_t round_ = 0;
};

}  // namespace ipfs_zfs
