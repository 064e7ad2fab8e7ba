// Full pools, failing devices, sparse packs: what a store must live through.
#include <algorithm>
#include <chrono>
#include <thread>

#include "support.h"

namespace ipfs_zfs::test {
namespace {

class Packs : public ::testing::Test {
 protected:
  std::vector<Block> make_blocks(size_t count, size_t smallest, size_t largest) {
    std::vector<Block> blocks;
    for (size_t i = 0; i < count; i++) {
      blocks.push_back(make_block(random_, smallest + random_() % (largest - smallest + 1)));
    }
    return blocks;
  }

  void expect_there(BlockStore& store, std::span<const Block> blocks) {
    for (const Block& block : blocks) {
      ASSERT_EQ(get_one(store, block.multihash).bytes, block.bytes);
    }
  }

  static std::vector<Bytes> multihashes_of(std::span<const Block> blocks) {
    std::vector<Bytes> multihashes;
    for (const Block& block : blocks) multihashes.push_back(block.multihash);
    return multihashes;
  }

  std::mt19937_64 random_{test_seed()};
};

class Faults : public Packs {
 protected:
  std::shared_ptr<MemoryFiles> files_ = std::make_shared<MemoryFiles>();
};

TEST_F(Faults, AFullPoolStillReadsAndDeletes) {
  auto store = open_store(files_, 8);  // tables fill up while no run can be written
  std::vector<Block> blocks = make_blocks(60, 10, 3000);
  for (const Block& block : make_blocks(20, 65536, 70000)) blocks.push_back(block);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  files_->set_space(0);
  const StoreStats before = store->stats();
  for (const Block& block : make_blocks(5, 100, 70000)) {
    const auto put = put_one(*store, block);
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().code, ErrorCode::kNoSpace) << put.error().message;
    EXPECT_EQ(get_one(*store, block.multihash).outcome, Outcome::kAbsent);
  }
  EXPECT_EQ(store->stats().blocks, before.blocks);
  EXPECT_EQ(store->stats().slot_records_used, before.slot_records_used);
  EXPECT_EQ(store->stats().pack_live_bytes, before.pack_live_bytes);
  expect_there(*store, blocks);
  for (const Block& block : blocks) {
    const auto removed = remove_all(*store, {&block.multihash, 1});
    ASSERT_TRUE(removed.ok()) << removed.error().message;
  }
  EXPECT_EQ(store->stats().blocks, 0u);
  files_->set_space(UINT64_MAX);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  expect_there(*store, blocks);
  expect_clean(*store);
  store.reset();
  store = open_store(files_, 8);
  expect_there(*store, blocks);
  expect_clean(*store);
}

TEST_F(Faults, PutsLeaveTheRoomThatDeletesNeed) {
  auto store = open_store(files_);
  files_->set_kept_room(64u << 10);
  files_->set_space(8u << 20);
  std::vector<Block> blocks;
  for (;;) {
    const size_t size_bytes = random_() % 2 == 0 ? 65536 : 5000;
    const Block block = make_block(random_, size_bytes);
    const auto put = put_one(*store, block);
    if (!put) {
      ASSERT_EQ(put.error().code, ErrorCode::kNoSpace) << put.error().message;
      break;
    }
    blocks.push_back(block);
  }
  EXPECT_GT(blocks.size(), 100u);
  EXPECT_EQ(store->stats().blocks, blocks.size());
  for (const Block& block : blocks) {
    const auto removed = remove_all(*store, {&block.multihash, 1});
    ASSERT_TRUE(removed.ok()) << removed.error().message;
  }
  const auto half = std::span(blocks).first(blocks.size() / 2);
  ASSERT_TRUE(put_all(*store, half).ok());
  expect_there(*store, half);
  expect_clean(*store);
}

TEST_F(Faults, AFailedApplyLeavesNothingBehind) {
  auto store = open_store(files_, 16);
  std::vector<Block> there;
  int failures = 0;
  std::mt19937_64 dice(test_seed());  // the background draws from it too, under the files' lock
  files_->set_fault([&dice, &failures](const char* call) -> Status {
    if (call != std::string("apply") || dice() % 3 != 0) return {};
    failures++;
    return Error{ErrorCode::kIo, "injected"};
  });
  for (const Block& block : make_blocks(300, 1, 70000)) {
    if (put_one(*store, block)) {
      there.push_back(block);
    } else {
      EXPECT_EQ(get_one(*store, block.multihash).outcome, Outcome::kAbsent);
    }
    if (there.empty() || random_() % 4 != 0) continue;
    if (remove_all(*store, {&there.back().multihash, 1})) {
      EXPECT_EQ(get_one(*store, there.back().multihash).outcome, Outcome::kAbsent);
      there.pop_back();
    } else {
      EXPECT_EQ(get_one(*store, there.back().multihash).outcome, Outcome::kFound);
    }
  }
  EXPECT_GT(failures, 20);
  files_->set_fault(nullptr);
  EXPECT_EQ(store->stats().blocks, there.size());
  expect_there(*store, there);
  expect_clean(*store);
  store.reset();
  store = open_store(files_, 16);
  expect_there(*store, there);
  expect_clean(*store);
}

TEST_F(Faults, ADamagedRecordFailsItsBlocksOnly) {
  auto store = open_store(files_);
  const std::vector<Block> blocks = make_blocks(10, 65536, 65536);
  for (const Block& block : blocks) ASSERT_TRUE(put_one(*store, block).ok());
  files_->damage(*files_->lookup("blocks/64k.slots"), 3, ErrorCode::kCorrupt);
  const std::vector<Got> got = get_all(*store, multihashes_of(blocks));
  for (size_t i = 0; i < got.size(); i++) {
    EXPECT_EQ(got[i].outcome, i == 3 ? Outcome::kFailed : Outcome::kFound);
  }
  EXPECT_EQ(got[3].error, ErrorCode::kCorrupt);
  // It can be deleted, and put again.
  ASSERT_TRUE(remove_all(*store, {&blocks[3].multihash, 1}).ok());
  files_->heal();
  ASSERT_TRUE(put_one(*store, blocks[3]).ok());
  expect_there(*store, blocks);
}

TEST_F(Faults, AnUnreadableIndexPageIsAnErrorNotAnAbsence) {
  // So many pages that the look-ups of the puts cannot have brought all of them into memory.
  auto store = open_store(files_, 500);
  const std::vector<Block> blocks = make_blocks(2000, 10, 20);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  while (store->stats().index_runs < 2) std::this_thread::yield();
  for (const DirEntry& entry : entries_of(*files_, "index/blocks")) {
    if (entry.name.ends_with(".run")) files_->damage(entry.file, 0, ErrorCode::kIo);
  }
  // Those in tables, or in a page that is in memory, are there all the same.
  std::vector<Block> failed;
  const auto all = get_all(*store, multihashes_of(blocks));
  for (size_t i = 0; i < blocks.size(); i++) {
    ASSERT_NE(all[i].outcome, Outcome::kAbsent);
    if (all[i].outcome == Outcome::kFailed) failed.push_back(blocks[i]);
  }
  ASSERT_GT(failed.size(), 0u);
  EXPECT_EQ(put_all(*store, failed).error().code, ErrorCode::kIo);
  EXPECT_EQ(remove_all(*store, multihashes_of(failed)).error().code, ErrorCode::kIo);
  files_->heal();
  expect_there(*store, blocks);
  expect_clean(*store);
}

TEST_F(Packs, CompactionGivesSparseOnesBack) {
  auto files = new_files();
  auto store = open_store(files, 200);
  const std::vector<Block> blocks = make_blocks(2000, 100, 1000);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  const std::span gone(blocks.data(), 1500);
  const std::span kept(blocks.data() + 1500, 500);
  ASSERT_TRUE(remove_all(*store, multihashes_of(gone)).ok());
  const StoreStats before = store->stats();
  const auto given_back = store->compact_step();
  ASSERT_TRUE(given_back.ok()) << given_back.error().message;
  EXPECT_GE(*given_back, before.pack_dead_bytes);
  const StoreStats after = store->stats();
  EXPECT_EQ(after.pack_dead_bytes, 0u);
  EXPECT_EQ(after.pack_live_bytes, before.pack_live_bytes);
  EXPECT_EQ(after.packs, 1u);
  EXPECT_EQ(after.blocks, before.blocks);
  expect_there(*store, kept);
  expect_clean(*store);
  EXPECT_EQ(*store->compact_step(), 0u);
  store.reset();
  open_again(files);
  store = open_store(files, 200);
  expect_there(*store, kept);
  expect_clean(*store);
}

TEST_F(Faults, ACrashInACompactionLosesNothing) {
  auto store = open_store(files_, 200);
  const std::vector<Block> blocks = make_blocks(2000, 100, 1000);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  const std::span kept(blocks.data() + 1500, 500);
  ASSERT_TRUE(remove_all(*store, multihashes_of(std::span(blocks.data(), 1500))).ok());
  const StoreStats before = store->stats();
  files_->keep_history();
  ASSERT_TRUE(store->compact_step().ok());
  ASSERT_GT(files_->history_size(), 0u);
  for (size_t i = 0; i < files_->history_size(); i++) {
    auto files = std::make_shared<MemoryFiles>(files_->history_at(i));
    auto crashed = open_store(files, 200);
    ASSERT_NE(crashed, nullptr);
    expect_there(*crashed, kept);
    expect_clean(*crashed);
    while (*crashed->compact_step() > 0) continue;
    expect_there(*crashed, kept);
    EXPECT_EQ(crashed->stats().pack_live_bytes, before.pack_live_bytes);
  }
}

TEST_F(Faults, CompactionWorksOnAFullPool) {
  auto store = open_store(files_, 4000);
  const std::vector<Block> blocks = make_blocks(1000, 500, 1000);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  files_->set_space(0);
  ASSERT_TRUE(remove_all(*store, multihashes_of(std::span(blocks.data(), 900))).ok());
  const uint64_t used = files_->used_bytes();
  ASSERT_GT(*store->compact_step(), 0u);
  EXPECT_LT(files_->used_bytes(), used / 2);
  expect_there(*store, std::span(blocks.data() + 900, 100));
}

TEST_F(Packs, OneWithoutALiveBlockGoesAtOnce) {
  auto files = new_files();
  auto store = open_store(files, 4000);
  const std::vector<Block> blocks = make_blocks(1400, 60000, 65535);  // more than one pack
  ASSERT_TRUE(put_all(*store, blocks).ok());
  EXPECT_EQ(store->stats().packs, 2u);
  ASSERT_TRUE(remove_all(*store, multihashes_of(blocks)).ok());
  EXPECT_EQ(store->stats().packs, 1u);  // the open one
  EXPECT_EQ(store->stats().pack_live_bytes, 0u);
  expect_clean(*store);
  store.reset();
  open_again(files);
  store = open_store(files, 4000);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  expect_there(*store, std::span(blocks.data(), 20));
  expect_clean(*store);
}

TEST_F(Faults, ADamagedPackIsSetAside) {
  auto store = open_store(files_, 4000);
  const std::vector<Block> blocks = make_blocks(400, 900, 1000);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  ASSERT_TRUE(remove_all(*store, multihashes_of(std::span(blocks.data(), 300))).ok());
  files_->damage(entries_of(*files_, "packs")[0].file, 0, ErrorCode::kCorrupt);
  EXPECT_EQ(store->compact_step().error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(*store->compact_step(), 0u);  // not again and again
  EXPECT_EQ(get_one(*store, blocks[399].multihash).bytes, blocks[399].bytes);
}

// What blocks cost on disk, all included; the files in memory count 4 KiB sectors and leave out a
// record's zeros at the end, as lz4 does.
TEST_F(Faults, BlocksCostLittleMoreThanTheirLength) {
  const auto cost_of = [this](size_t size, size_t count) {
    auto files = std::make_shared<MemoryFiles>();
    auto store = open_store(files, 1u << 18);
    const std::vector<Block> blocks = make_blocks(count, size, size);
    EXPECT_TRUE(put_all(*store, blocks).ok());
    return static_cast<double>(files->used_bytes()) / static_cast<double>(size * count) - 1;
  };
  EXPECT_LT(cost_of(262144, 100), 0.02);
  EXPECT_LT(cost_of(262158, 100), 0.05);
  EXPECT_LT(cost_of(1u << 20, 20), 0.02);
  EXPECT_LT(cost_of(1024, 20000), 0.12);
}

class Verify : public Faults {};

TEST_F(Verify, ProvesByPointerWhatFillsARecordAndHashesTheRest) {
  auto store = open_store(files_, 8);
  std::vector<Block> blocks;
  for (const size_t size : {65536, 131072, 262144}) blocks.push_back(make_block(random_, size));
  for (const size_t size : {0, 10, 65535, 262158}) blocks.push_back(make_block(random_, size));
  blocks.push_back(make_foreign_block(random_, 65536, 32));
  blocks.push_back(make_foreign_block(random_, 10, 32));
  ASSERT_TRUE(put_all(*store, blocks).ok());
  VerifyPage page = *store->verify(Key{}, 1000, {});
  EXPECT_TRUE(page.done);
  EXPECT_EQ(page.by_pointer, 3u);
  EXPECT_EQ(page.by_hash, 4u);
  EXPECT_EQ(page.unhashed, 2u);
  EXPECT_TRUE(page.bad.empty());
  // A damaged record is read, whatever its pointer says; a damaged indirect block takes all of its
  // file along.
  const FileId file = *files_->lookup("blocks/64k.slots");
  const DamagedInShard record{0, file, 0, 0};
  EXPECT_EQ(store->verify(Key{}, 1000, {&record, 1})->by_pointer, 2u);
  const DamagedInShard indirect{0, file, 1, 0};
  EXPECT_EQ(store->verify(Key{}, 1000, {&indirect, 1})->by_pointer, 2u);
  // In pages.
  uint64_t proved = 0;
  Key from{};
  do {
    page = *store->verify(from, 2, {});
    proved += page.by_pointer + page.by_hash + page.unhashed;
    from = page.next;
  } while (!page.done);
  EXPECT_EQ(proved, blocks.size());
}

TEST_F(Verify, FindsWhatIsNotWhatItsHashSays) {
  auto store = open_store(files_);
  Block wrong = make_block(random_, 262144);
  wrong.bytes[5] ^= 1;
  Block small = make_block(random_, 500);
  small.bytes[5] ^= 1;
  const Block unreadable = make_block(random_, 131072);
  const Block good = make_block(random_, 131072);
  ASSERT_TRUE(put_one(*store, wrong).ok());
  ASSERT_TRUE(put_one(*store, small).ok());
  ASSERT_TRUE(put_one(*store, unreadable).ok());
  ASSERT_TRUE(put_one(*store, good).ok());
  const FileId file = *files_->lookup("blocks/128k.slots");
  files_->damage(file, 0, ErrorCode::kCorrupt);
  const DamagedInShard damaged{0, file, 0, 0};
  const VerifyPage page = *store->verify(Key{}, 1000, {&damaged, 1});
  ASSERT_EQ(page.bad.size(), 3u);
  EXPECT_EQ(page.by_pointer, 1u);
  for (const BadBlock& bad : page.bad) {
    EXPECT_TRUE(bad.multihash == wrong.multihash || bad.multihash == small.multihash ||
                bad.multihash == unreadable.multihash);
    EXPECT_EQ(bad.error, ErrorCode::kCorrupt);
    EXPECT_FALSE(bad.why.empty());
  }
}

}  // namespace
}  // namespace ipfs_zfs::test
