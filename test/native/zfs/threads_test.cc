// Many threads on one pool.
#include <atomic>
#include <random>
#include <thread>

#include "fixture.h"

namespace ipfs_zfs::test {
namespace {

using ThreadsTest = PoolTest;

constexpr uint32_t kRecord = 128 << 10;

TEST_F(ThreadsTest, WritersReadersAndSnapshots) {
  create(Layout::kStripe, 1, 1024 * kMiB);
  auto files = dataset("ds", {{"compression", "lz4"}});
  std::vector<FileId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(*files->create("f" + std::to_string(i), kRecord));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  // Each writer has records of its own in every file, and reads back what it wrote.
  for (uint64_t writer = 0; writer < 3; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937 random(writer);
      for (int round = 0; round < 60; ++round) {
        const Bytes data = random_bytes(kRecord, writer * 1000 + round);
        const uint64_t offset = (random() % 32 * 3 + writer) * kRecord;
        const Piece piece{data.data(), data.size()};
        std::vector<FileOp> ops;
        for (FileId id : ids) ops.push_back({FileOp::Kind::kWrite, id, offset, {&piece, 1}, 0});
        auto txg = files->apply(ops);
        if (!txg.ok()) ++wrong;
        for (FileId id : ids) {
          if (read_at(*files, id, offset, kRecord) != data) ++wrong;
        }
        if (round % 8 == 0 && txg.ok() && !files->wait_durable(*txg).ok()) ++wrong;
      }
    });
  }
  threads.emplace_back([&] {  // small files come and go
    for (int i = 0; !stop; ++i) {
      const std::string path = "d/" + std::to_string(i % 7);
      const Bytes data(100 + i % 1000, static_cast<uint8_t>(i));
      const Piece piece{data.data(), data.size()};
      if (!files->replace(path, {&piece, 1}).ok()) ++wrong;
      auto id = files->lookup(path);
      if (!id.ok() || read_at(*files, *id, 0, data.size()) != data) ++wrong;
      if (i % 3 == 0 && !files->unlink(path).ok()) ++wrong;
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; !stop; ++i) {
      const std::string snapshot = name_ + "/ds@s" + std::to_string(i);
      if (!pool_->snapshot({snapshot}).ok()) ++wrong;
      if (!pool_->status().ok() || !pool_->list_snapshots(name_).ok()) ++wrong;
      if (i % 2 == 0 && !pool_->destroy_snapshots({snapshot}).ok()) ++wrong;
    }
  });
  threads.emplace_back([&] {  // opening and closing another dataset all the time
    for (int i = 0; !stop; ++i) {
      const std::string name = name_ + "/other" + std::to_string(i % 2);
      (void)pool_->create_dataset(name, {});
      auto other = pool_->open_files(name);
      if (!other.ok() || !(*other)->create("f" + std::to_string(i), 4096).ok()) ++wrong;
    }
  });
  for (size_t i = 0; i < 3; ++i) threads[i].join();
  stop = true;
  for (size_t i = 3; i < threads.size(); ++i) threads[i].join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ThreadsTest, ReadersWhileAFileIsTakenAway) {
  create();
  auto files = dataset("ds");
  const Bytes data = random_bytes(8 * kRecord, 1);
  for (int round = 0; round < 20; ++round) {
    auto id = files->create("f", kRecord);
    ASSERT_OK(id);
    ASSERT_OK(write_at(*files, *id, 0, data));
    std::atomic<bool> gone{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        Bytes into(data.size());
        while (true) {
          ReadOp read{0, into.size(), into.data(), false, ErrorCode::kIo};
          Status status = files->read(*id, {&read, 1});
          if (!status.ok()) break;
          EXPECT_TRUE(read.ok);
          EXPECT_TRUE(gone || into == data);
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    gone = true;
    EXPECT_OK(files->unlink("f"));
    for (std::thread& reader : readers) reader.join();
  }
}

TEST_F(ThreadsTest, TheSameDatasetFromManyThreads) {
  create();
  ASSERT_OK(pool_->create_dataset(name_ + "/ds", {}));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 30; ++round) {
        auto files = pool_->open_files(name_ + "/ds");
        EXPECT_OK(files);
        if (!files.ok()) return;
        const std::string path = "t" + std::to_string(i) + "-" + std::to_string(round);
        EXPECT_OK((*files)->create(path, 4096));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto files = pool_->open_files(name_ + "/ds");
  ASSERT_OK(files);
  EXPECT_EQ((*files)->list("")->size(), 240u);
}

}  // namespace
}  // namespace ipfs_zfs::test
