// What the tests of the block store share: a seed that can be repeated, blocks with their
// multihashes, a store over files.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "memory_files.h"
#include "native/store/block_store.h"
#include "native/store/sha256.h"
#include "store_files.h"

namespace ipfs_zfs::test {

using Bytes = std::vector<uint8_t>;

// SEED=n in the environment repeats a run; the seed is in the output of a test that fails.
inline uint64_t test_seed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("SEED");
    const uint64_t chosen = text ? std::strtoull(text, nullptr, 10) : std::random_device{}();
    std::printf("SEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return seed;
}

// How many rounds a random test makes that usually makes so many: SOAK=10 for ten times as many,
// SOAK=0.1 for a tenth.
inline int rounds(int usual) {
  const char* text = std::getenv("SOAK");
  return text ? std::max(1, static_cast<int>(usual * std::atof(text))) : usual;
}

struct Block {
  Bytes multihash;
  Bytes bytes;
};

inline Bytes sha2_256_of(const Bytes& bytes) {
  Bytes multihash(34);
  multihash[0] = 0x12;
  multihash[1] = 32;
  sha256(bytes, multihash.data() + 2);
  return multihash;
}

inline Bytes random_bytes(std::mt19937_64& random, size_t size) {
  Bytes bytes(size);
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  for (; at < size; at++) bytes[at] = static_cast<uint8_t>(random());
  return bytes;
}

inline Block make_block(std::mt19937_64& random, size_t size) {
  Block block;
  block.bytes = random_bytes(random, size);
  block.multihash = sha2_256_of(block.bytes);
  return block;
}

// A block under a multihash of a function that nobody knows.
inline Block make_foreign_block(std::mt19937_64& random, size_t size, size_t digest_bytes) {
  Block block;
  block.bytes = random_bytes(random, size);
  block.multihash = {0xb2, 0x7f, static_cast<uint8_t>(digest_bytes)};
  const Bytes digest = random_bytes(random, digest_bytes);
  block.multihash.insert(block.multihash.end(), digest.begin(), digest.end());
  return block;
}

inline std::vector<DirEntry> entries_of(DatasetFiles& files, std::string_view folder) {
  auto entries = files.list(folder);
  EXPECT_TRUE(entries.ok());
  return entries.ok() ? *std::move(entries) : std::vector<DirEntry>();
}

inline std::vector<uint16_t> all_to_shard_0() { return std::vector<uint16_t>(kBuckets, 0); }

inline std::unique_ptr<BlockStore> open_store(std::vector<std::shared_ptr<DatasetFiles>> shards,
                                              std::vector<uint16_t> buckets, size_t table_keys) {
  auto store = BlockStore::open(std::move(shards), std::move(buckets), {table_keys, {}});
  EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
  if (!store) return nullptr;
  return *std::move(store);
}

inline std::unique_ptr<BlockStore> open_store(std::shared_ptr<DatasetFiles> files,
                                              size_t table_keys = 1000) {
  return open_store({std::move(files)}, all_to_shard_0(), table_keys);
}

inline Result<CommitPoint> put_all(BlockStore& store, std::span<const Block> blocks) {
  std::vector<PutBlock> puts;
  for (const Block& block : blocks) puts.push_back(PutBlock{block.multihash, block.bytes});
  return store.put(puts);
}

inline Result<CommitPoint> put_one(BlockStore& store, const Block& block) {
  return put_all(store, {&block, 1});
}

struct Got {
  Outcome outcome;
  ErrorCode error;
  Bytes bytes;
};

inline std::vector<Got> get_all(BlockStore& store, std::span<const Bytes> multihashes) {
  std::vector<GetBlock> gets(multihashes.size());
  for (size_t i = 0; i < gets.size(); i++) gets[i].multihash = multihashes[i];
  std::vector<Got> got(gets.size());
  const Status done = store.get(gets, [&got](size_t index, size_t size) {
    got[index].bytes.resize(size);
    return got[index].bytes.data();
  });
  EXPECT_TRUE(done.ok());
  for (size_t i = 0; i < gets.size(); i++) {
    got[i].outcome = gets[i].outcome;
    got[i].error = gets[i].error;
  }
  return got;
}

inline Got get_one(BlockStore& store, const Bytes& multihash) {
  return get_all(store, {&multihash, 1})[0];
}

inline Result<CommitPoint> remove_all(BlockStore& store, std::span<const Bytes> multihashes) {
  std::vector<std::span<const uint8_t>> spans(multihashes.begin(), multihashes.end());
  return store.remove(spans);
}

inline int64_t size_of(BlockStore& store, const Bytes& multihash) {
  const std::span<const uint8_t> span(multihash);
  int64_t size = -2;
  EXPECT_TRUE(store.sizes({&span, 1}, {&size, 1}).ok());
  return size;
}

inline std::vector<ScannedBlock> scan_all(BlockStore& store, size_t limit) {
  std::vector<ScannedBlock> blocks;
  Key from{};
  for (;;) {
    auto page = store.scan(from, limit);
    EXPECT_TRUE(page.ok()) << (page.ok() ? "" : page.error().message);
    if (!page) return blocks;
    EXPECT_LE(page->blocks.size(), limit);
    for (ScannedBlock& block : page->blocks) blocks.push_back(std::move(block));
    if (page->done) return blocks;
    EXPECT_LE(from, page->next);
    from = page->next;
  }
}

inline void expect_clean(BlockStore& store) {
  const auto faults = store.check();
  ASSERT_TRUE(faults.ok()) << faults.error().message;
  for (const std::string& fault : *faults) ADD_FAILURE() << fault;
}

}  // namespace ipfs_zfs::test
