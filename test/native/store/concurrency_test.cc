// Many threads at the same keys: nobody gets wrong bytes, nothing leaks. These run under the thread
// sanitizer as well.
#include "support.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace ipfs_zfs::test {
namespace {

std::vector<Block> some_blocks(size_t count) {
  std::mt19937_64 random(test_seed());
  std::vector<Block> blocks;
  for (size_t i = 0; i < count; i++) {
    blocks.push_back(i % 8 == 0 ? make_block(random, 65536 + i * 7) : make_block(random, i * 11));
  }
  return blocks;
}

void run_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

TEST(Concurrency, TwoPutsOfOneKeyTakeOneSlot) {
  auto store = open_store(new_files(), 64);
  const std::vector<Block> blocks = some_blocks(200);
  run_threads(4, [&](int) {
    for (const Block& block : blocks) ASSERT_TRUE(put_one(*store, block).ok());
  });
  EXPECT_EQ(store->stats().blocks, blocks.size());
  expect_clean(*store);
}

TEST(Concurrency, WaitingPutsShareOneApply) {
  auto files = std::make_shared<MemoryFiles>();
  auto store = open_store(files, 100000);
  const std::vector<Block> blocks = some_blocks(16);
  const uint64_t before = files->applies;
  // Applies are held up until every put has queued behind the first one.
  std::atomic<bool> first{true};
  files->set_fault([&first](const char*) -> Status {
    if (first.exchange(false)) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return {};
  });
  run_threads(16,
              [&](int i) { ASSERT_TRUE(put_one(*store, blocks[static_cast<size_t>(i)]).ok()); });
  EXPECT_LE(files->applies - before, 6u);
  expect_clean(*store);
}

// Readers must see a block whole or not at all, while its slot is freed and used again.
TEST(Concurrency, ReadersNeverSeeAReusedPlace) {
  auto store = open_store(new_files(), 32);
  const std::vector<Block> blocks = some_blocks(48);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> found{0};
  const auto read = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop.load()) {
      const Block& block = blocks[random() % blocks.size()];
      const Got got = get_one(*store, block.multihash);
      ASSERT_NE(got.outcome, Outcome::kFailed);
      if (got.outcome == Outcome::kAbsent) continue;
      ASSERT_TRUE(got.bytes == block.bytes);
      found++;
    }
  };
  const auto change = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < rounds(400); i++) {
      const Block& block = blocks[random() % blocks.size()];
      ASSERT_TRUE(put_one(*store, block).ok());
      const Block& other = blocks[random() % blocks.size()];
      ASSERT_TRUE(remove_all(*store, {&other.multihash, 1}).ok());
      if (i % 16 == 0) {
        ASSERT_TRUE(store->compact_step().ok());
      }
    }
  };
  const auto list = [&] {
    while (!stop.load()) scan_all(*store, 16);
  };
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < 2; i++) readers.emplace_back(read, test_seed() + i);
  readers.emplace_back(list);
  run_threads(3, [&](int i) { change(test_seed() + 10 + static_cast<uint64_t>(i)); });
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(found.load(), 0u);
  expect_clean(*store);
}

TEST(Concurrency, ADeleteIsNotStarvedByReaders) {
  auto files = std::make_shared<MemoryFiles>();
  auto store = open_store(files);
  const std::vector<Block> blocks = some_blocks(20);
  ASSERT_TRUE(put_all(*store, blocks).ok());
  std::atomic<uint64_t> reads{0};
  files->set_read_hook([&reads] {
    reads++;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; i++) {
    readers.emplace_back([&] {
      while (!stop.load()) get_one(*store, blocks[1].multihash);
    });
  }
  while (reads.load() < 8) std::this_thread::yield();
  const auto began = std::chrono::steady_clock::now();
  for (size_t i = 10; i < 20; i++) {
    ASSERT_TRUE(remove_all(*store, {&blocks[i].multihash, 1}).ok());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
}

TEST(Concurrency, ClosingWaitsForCallsInFlight) {
  auto store = open_store(new_files(), 16);
  const std::vector<Block> blocks = some_blocks(200);
  std::thread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(store->close().ok());
  });
  run_threads(3, [&](int) {
    for (const Block& block : blocks) {
      const auto put = put_one(*store, block);
      if (!put) {
        ASSERT_EQ(put.error().code, ErrorCode::kClosed);
      }
    }
  });
  closer.join();
}

}  // namespace
}  // namespace ipfs_zfs::test
