// The block store over an engine: what blocks cost on a real pool, proof by block pointer, a full
// pool, and a pool that is opened again.
#include "../zfs/fixture.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

class ZfsEngine : public PoolTest {
 protected:
  void TearDown() override {
    store_.reset();
    files_.reset();
    PoolTest::TearDown();
  }

  void create(uint64_t size_bytes) {
    PoolTest::create(Layout::kStripe, 1, size_bytes,
                     {{"checksum", "sha256"}, {"compression", "lz4"}});
  }

  void open_shard(const std::string& name, size_t table_keys) {
    store_.reset();
    (void)pool_->create_dataset(name_ + "/" + name, {});
    auto files = pool_->open_files(name_ + "/" + name);
    ASSERT_TRUE(files.ok()) << files.error().message;
    files_ = *files;
    store_ = open_store(files_, table_keys);
    ASSERT_NE(store_, nullptr);
  }

  void reopen(const std::string& name, size_t table_keys) {
    ASSERT_TRUE(store_->close().ok());
    store_.reset();
    files_.reset();
    PoolTest::reopen();
    open_shard(name, table_keys);
  }

  void make_durable() { ASSERT_TRUE(store_->wait_durable(store_->commit_point()).ok()); }

  uint64_t used_bytes(const std::string& name) {
    // The space of a group that was just freed is counted a group or two later.
    for (int i = 0; i < 3; i++) (void)files_->wait_durable(files_->open_txg());
    auto datasets = pool_->list_datasets(name_ + "/" + name);
    return datasets.ok() && !datasets->empty() ? (*datasets)[0].used_bytes : 0;
  }

  std::mt19937_64 random_{test_seed()};
  std::shared_ptr<DatasetFiles> files_;
  std::unique_ptr<BlockStore> store_;
};

TEST_F(ZfsEngine, KeepsBlocksOfAllSizesAcrossReopeningThePool) {
  create(512 * kMiB);
  open_shard("shard-0000", 50);
  std::vector<Block> blocks;
  for (const size_t size : {0, 1, 1000, 65535, 65536, 65537, 262144, 262158, 1048576, 4194304}) {
    blocks.push_back(make_block(random_, size));
    blocks.push_back(make_foreign_block(random_, size, 32));
  }
  // Long enough that no two are the same.
  for (int i = 0; i < 400; i++) blocks.push_back(make_block(random_, 16 + random_() % 2000));
  ASSERT_TRUE(put_all(*store_, blocks).ok());
  reopen("shard-0000", 50);
  for (const Block& block : blocks) {
    ASSERT_EQ(get_one(*store_, block.multihash).bytes, block.bytes) << block.bytes.size();
  }
  expect_clean(*store_);
  const auto page = store_->verify(Key{}, 1000, {});
  ASSERT_TRUE(page.ok());
  // 64 KiB, 256 KiB, 1 MiB, 4 MiB; the kernel shows no pointers.
  EXPECT_EQ(page->by_pointer, engine_of_tests() == Engine::kKernel ? 0u : 4u);
  EXPECT_EQ(page->unhashed, 10u);
  EXPECT_EQ(page->by_hash, blocks.size() - page->by_pointer - page->unhashed);
  EXPECT_TRUE(page->bad.empty());
}

TEST_F(ZfsEngine, BlocksCostLittleMoreThanTheirLength) {
  create(1024 * kMiB);
  const auto cost_of = [this](const std::string& name, size_t size, size_t count) {
    open_shard(name, 1u << 18);
    make_durable();
    const uint64_t before = used_bytes(name);
    std::vector<Block> blocks;
    for (size_t i = 0; i < count; i++) blocks.push_back(make_block(random_, size));
    EXPECT_TRUE(put_all(*store_, blocks).ok());
    make_durable();
    const auto used = static_cast<double>(used_bytes(name) - before);
    const double cost = used / static_cast<double>(size * count) - 1;
    std::printf("%zu blocks of %zu bytes cost %.2f %% more\n", count, size, cost * 100);
    return cost;
  };
  EXPECT_LT(cost_of("a", 262144, 200), 0.02);
  EXPECT_LT(cost_of("b", 262158, 200), 0.05);
  EXPECT_LT(cost_of("c", 1024, 50000), 0.12);
}

TEST_F(ZfsEngine, AFullPoolStillReadsAndDeletes) {
  create(128 * kMiB);
  keep_reserve();
  open_shard("shard-0000", 100);
  std::vector<Block> blocks;
  for (;;) {
    // Large and small ones, so that both kinds fill the pool.
    Block block = make_block(random_, blocks.size() % 2 == 0 ? 262158 : 20000);
    const auto put = put_one(*store_, block);
    if (!put) {
      EXPECT_EQ(put.error().code, ErrorCode::kNoSpace) << put.error().message;
      break;
    }
    blocks.push_back(std::move(block));
    if (blocks.size() % 20 == 0) make_durable();
    ASSERT_LT(blocks.size(), 10000u);
  }
  std::printf("full after %zu blocks\n", blocks.size());
  ASSERT_EQ(get_one(*store_, blocks[0].multihash).bytes, blocks[0].bytes);
  lend_reserve();
  for (size_t i = 0; i < blocks.size() / 2; i++) {
    const auto removed = remove_all(*store_, {&blocks[i].multihash, 1});
    ASSERT_TRUE(removed.ok()) << removed.error().message;
  }
  make_durable();
  used_bytes("shard-0000");
  const Block block = make_block(random_, 262158);
  const auto put = put_one(*store_, block);
  ASSERT_TRUE(put.ok()) << put.error().message;
  for (size_t i = blocks.size() / 2; i < blocks.size(); i++) {
    ASSERT_EQ(get_one(*store_, blocks[i].multihash).bytes, blocks[i].bytes);
  }
  expect_clean(*store_);
}

}  // namespace
}  // namespace ipfs_zfs::test
