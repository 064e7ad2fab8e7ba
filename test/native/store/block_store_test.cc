// The block store as its callers see it: put, get, sizes, remove, scan, reopen.
#include "support.h"

#include <algorithm>

namespace ipfs_zfs::test {
namespace {

// Around every boundary: empty, the pack limit, each class, the leaves that Kubo makes.
const std::vector<size_t> kSizes = {0,        1,       100,     1024,    65535,  65536,
                                    65537,    100000,  131071,  131072,  262144, 262158,
                                    1u << 20, 1048590, 2097152, 4194303, 4194304};

std::vector<Block> blocks_of_all_sizes(std::mt19937_64& random) {
  std::vector<Block> blocks;
  for (const size_t size : kSizes) {
    blocks.push_back(make_block(random, size));
    blocks.push_back(make_foreign_block(random, size, 32));
    blocks.push_back(make_foreign_block(random, size, 64));
    blocks.push_back(make_foreign_block(random, size, 125));
  }
  return blocks;
}

void expect_all(BlockStore& store, const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    const Got got = get_one(store, block.multihash);
    ASSERT_EQ(got.outcome, Outcome::kFound) << block.bytes.size();
    ASSERT_TRUE(got.bytes == block.bytes) << block.bytes.size();
    ASSERT_EQ(size_of(store, block.multihash), static_cast<int64_t>(block.bytes.size()));
  }
}

TEST(BlockStore, KeepsBlocksOfAllSizesAcrossReopening) {
  std::mt19937_64 random(test_seed());
  auto files = new_files();
  const std::vector<Block> blocks = blocks_of_all_sizes(random);
  {
    auto store = open_store(files);
    ASSERT_TRUE(put_all(*store, blocks).ok());
    expect_all(*store, blocks);
    expect_clean(*store);
    ASSERT_TRUE(store->close().ok());
  }
  open_again(files);
  auto store = open_store(files);
  expect_all(*store, blocks);
  expect_clean(*store);
  EXPECT_EQ(store->stats().blocks, blocks.size());
}

TEST(BlockStore, ScansInKeyOrderWithTheRealMultihashes) {
  std::mt19937_64 random(test_seed());
  auto store = open_store(new_files(), 10);
  std::vector<Block> blocks = blocks_of_all_sizes(random);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  for (const size_t limit : {1, 7, 1000}) {
    const auto scanned = scan_all(*store, limit);
    ASSERT_EQ(scanned.size(), blocks.size());
    std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
      return key_of(a.multihash) < key_of(b.multihash);
    });
    for (size_t i = 0; i < blocks.size(); i++) {
      EXPECT_EQ(scanned[i].key, key_of(blocks[i].multihash));
      EXPECT_EQ(scanned[i].multihash, blocks[i].multihash);
      EXPECT_EQ(scanned[i].size_bytes, blocks[i].bytes.size());
    }
  }
}

TEST(BlockStore, RemovesAndUsesTheSpaceAgain) {
  std::mt19937_64 random(test_seed());
  auto files = new_files();
  auto store = open_store(files, 10);
  std::vector<Block> blocks = blocks_of_all_sizes(random);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  const uint64_t slots = store->stats().slot_records_used;
  std::vector<Bytes> multihashes;
  for (const Block& block : blocks) multihashes.push_back(block.multihash);
  ASSERT_TRUE(remove_all(*store, multihashes).ok());
  EXPECT_EQ(store->stats().blocks, 0u);
  EXPECT_EQ(store->stats().block_bytes, 0u);
  EXPECT_EQ(store->stats().slot_records_used, 0u);
  for (const Bytes& multihash : multihashes) {
    EXPECT_EQ(get_one(*store, multihash).outcome, Outcome::kAbsent);
    EXPECT_EQ(size_of(*store, multihash), -1);
  }
  EXPECT_TRUE(scan_all(*store, 3).empty());
  const uint64_t end = files->info(*files->lookup("blocks/256k.slots"))->size_bytes;
  ASSERT_TRUE(put_all(*store, blocks).ok());
  EXPECT_EQ(store->stats().slot_records_used, slots);
  EXPECT_EQ(files->info(*files->lookup("blocks/256k.slots"))->size_bytes, end);
  expect_all(*store, blocks);
  expect_clean(*store);
}

TEST(BlockStore, WritesNothingForWhatIsThere) {
  std::mt19937_64 random(test_seed());
  auto files = std::make_shared<MemoryFiles>();
  auto store = open_store(files);
  const Block block = make_block(random, 262158);
  const std::vector<Block> twice = {block, block};
  ASSERT_TRUE(put_all(*store, twice).ok());
  EXPECT_EQ(store->stats().slot_records_used, 2u);
  const uint64_t applies = files->applies;
  const auto point = put_all(*store, twice);
  ASSERT_TRUE(point.ok());
  EXPECT_EQ(files->applies, applies);
  EXPECT_EQ(point->shard_txgs, store->commit_point().shard_txgs);
  EXPECT_EQ(store->stats().blocks, 1u);
}

TEST(BlockStore, RoutesByBucketAndScansAcrossShards) {
  std::mt19937_64 random(test_seed());
  std::vector<std::shared_ptr<DatasetFiles>> shards;
  for (int i = 0; i < 3; i++) shards.push_back(new_files());
  std::vector<uint16_t> buckets(kBuckets);
  for (size_t i = 0; i < kBuckets; i++) buckets[i] = static_cast<uint16_t>(i / 100 % 3);
  auto store = open_store(shards, buckets, 20);
  std::vector<Block> blocks;
  for (int i = 0; i < 500; i++) blocks.push_back(make_block(random, 10 + i));
  ASSERT_TRUE(put_all(*store, blocks).ok());
  expect_all(*store, blocks);
  expect_clean(*store);
  const auto scanned = scan_all(*store, 33);
  ASSERT_EQ(scanned.size(), blocks.size());
  EXPECT_TRUE(std::is_sorted(scanned.begin(), scanned.end(),
                             [](const auto& a, const auto& b) { return a.key < b.key; }));
  for (const auto& shard : shards) {
    EXPECT_EQ(entries_of(*shard, "packs").size(), 1u);
  }
}

TEST(BlockStore, RefusesWhatIsOutOfBounds) {
  std::mt19937_64 random(test_seed());
  auto store = open_store(new_files());
  Block large = make_block(random, kMaxBlockBytes + 1);
  EXPECT_EQ(put_one(*store, large).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(put_one(*store, Block{{}, {1}}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(put_one(*store, Block{Bytes(129), {1}}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(store->scan(Key{}, 0).error().code, ErrorCode::kInvalid);
  ASSERT_TRUE(store->close().ok());
  EXPECT_EQ(put_one(*store, make_block(random, 1)).error().code, ErrorCode::kClosed);
  EXPECT_EQ(store->scan(Key{}, 1).error().code, ErrorCode::kClosed);
}

TEST(BlockStore, AForeignMultihashAsContentDoesNotTakeItsKey) {
  std::mt19937_64 random(test_seed());
  auto store = open_store(new_files());
  const Block foreign = make_foreign_block(random, 1000, 32);
  Block squatter;
  squatter.bytes = foreign.multihash;
  squatter.multihash = sha2_256_of(squatter.bytes);
  ASSERT_TRUE(put_one(*store, squatter).ok());
  EXPECT_EQ(get_one(*store, foreign.multihash).outcome, Outcome::kAbsent);
  ASSERT_TRUE(put_one(*store, foreign).ok());
  EXPECT_EQ(get_one(*store, foreign.multihash).bytes, foreign.bytes);
  EXPECT_EQ(get_one(*store, squatter.multihash).bytes, squatter.bytes);
}

}  // namespace
}  // namespace ipfs_zfs::test
