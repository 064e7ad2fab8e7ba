// What the reading parts of a shard share.
#pragma once

#include <vector>

#include "shard.h"

namespace ipfs_zfs {

// One read of a batch that may span files. `owner` is whatever the caller finds it again by.
struct Shard::Read {
  FileId file = 0;
  uint32_t owner = 0;
  ReadOp op;
};

// The multihash in a trailer that was read; empty when there is none.
std::vector<uint8_t> multihash_in(const ReadOp& trailer);

}  // namespace ipfs_zfs
