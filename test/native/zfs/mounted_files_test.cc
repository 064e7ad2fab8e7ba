// DatasetFiles over a folder: what does not need ZFS below it. The rest of its promises are tested
// in the lab, where files_test.cc runs on the kernel engine.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "fixture.h"
#include "zfs/kernel/mounted_files.h"

namespace ipfs_zfs::test {
namespace {

using kernel::ChangeClock;
using kernel::MountedDataset;
using kernel::MountedFiles;

// Says yes, and remembers what it was asked.
class FakeDataset final : public MountedDataset {
 public:
  Status set_record_size(uint32_t bytes) override {
    sizes.push_back(bytes);
    if (refuses) return Error{ErrorCode::kNotWritable, "no permission"};
    return {};
  }
  Status sync() override {
    syncs++;
    return {};
  }
  bool is_suspended() override { return false; }
  bool is_damaged(FileId, uint64_t, uint64_t) override { return false; }
  ChangeClock& clock() override { return clock_; }

  std::vector<uint32_t> sizes;
  int syncs = 0;
  bool refuses = false;

 private:
  ChangeClock clock_;
};

class MountedFilesTest : public ::testing::Test {
 protected:
  std::unique_ptr<MountedFiles> open(bool readonly = false) {
    const int root = ::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return std::make_unique<MountedFiles>(root, "tank/ds", readonly, dataset_);
  }

  ScratchFolder scratch_;
  std::shared_ptr<FakeDataset> dataset_ = std::make_shared<FakeDataset>();
  std::unique_ptr<MountedFiles> files_ = open();
};

TEST_F(MountedFilesTest, AFileHasItsRecordSizeBeforeItsName) {
  ASSERT_OK(files_->create("blocks/64k.slots", 65536));
  EXPECT_EQ(dataset_->sizes, (std::vector<uint32_t>{65536, 4096}));
  EXPECT_EQ(std::filesystem::file_size(scratch_.file("blocks/64k.slots")), 0u);
  dataset_->refuses = true;
  EXPECT_ERROR(files_->create("blocks/128k.slots", 131072), ErrorCode::kNotWritable);
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("blocks/128k.slots")));
  EXPECT_ERROR(files_->create("blocks/64k.slots", 65536), ErrorCode::kExists);
}

TEST_F(MountedFilesTest, PathsStayInside) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "."}) {
    EXPECT_ERROR(files_->create(path, 4096), ErrorCode::kInvalid);
    EXPECT_ERROR(files_->lookup(path), ErrorCode::kInvalid);
    EXPECT_ERROR(files_->unlink(path), ErrorCode::kInvalid);
    EXPECT_ERROR(files_->rename("a", path), ErrorCode::kInvalid);
  }
  ASSERT_EQ(symlink("/etc", scratch_.file("out").c_str()), 0);
  EXPECT_ERROR(files_->lookup("out"), ErrorCode::kInvalid);
}

TEST_F(MountedFilesTest, ABatchIsWrittenInItsOrder) {
  auto a = files_->create("a", 4096), b = files_->create("b", 4096);
  ASSERT_OK(a);
  ASSERT_OK(b);
  const Bytes one(4096, 1), two(4096, 2), three(100, 3);
  const Piece first{one.data(), one.size()}, second{two.data(), two.size()},
      third{three.data(), three.size()};
  const FileOp ops[] = {{FileOp::Kind::kWrite, *a, 0, {&first, 1}, 0},
                        {FileOp::Kind::kWrite, *a, 4096, {&second, 1}, 0},
                        {FileOp::Kind::kWrite, *b, 10, {&third, 1}, 0},
                        {FileOp::Kind::kPunch, *a, 0, {}, 4096}};
  ASSERT_OK(files_->apply(ops));
  EXPECT_EQ(read_at(*files_, *a, 0, 4096), Bytes(4096, 0));
  EXPECT_EQ(read_at(*files_, *a, 4096, 4096), two);
  EXPECT_EQ(read_at(*files_, *b, 10, 100), three);
  EXPECT_EQ(read_at(*files_, *b, 0, 10), Bytes(10, 0));
  EXPECT_EQ(read_at(*files_, *b, 105, 10), (Bytes{3, 3, 3, 3, 3, 0, 0, 0, 0, 0}));
}

TEST_F(MountedFilesTest, ManyPiecesAreOneWrite) {
  auto file = files_->create("f", 4096);
  ASSERT_OK(file);
  const Bytes data = random_bytes(30000, 1);
  std::vector<Piece> pieces;
  for (size_t at = 0; at < data.size(); at += 10) pieces.push_back({&data[at], 10});
  const FileOp op{FileOp::Kind::kWrite, *file, 7, pieces, 0};
  ASSERT_OK(files_->apply({&op, 1}));
  EXPECT_EQ(read_at(*files_, *file, 7, data.size()), data);
}

TEST_F(MountedFilesTest, NumbersOutliveTheirNames) {
  auto file = files_->create("folder/f", 4096);
  ASSERT_OK(file);
  ASSERT_OK(write_at(*files_, *file, 0, Bytes(10, 7)));
  ASSERT_OK(files_->rename("folder", "moved"));
  EXPECT_EQ(*files_->lookup("moved/f"), *file);
  auto again = open();
  EXPECT_EQ(read_at(*again, *file, 0, 10), Bytes(10, 7));  // found without a lookup
  const Bytes fresh(5, 9);
  const Piece piece{fresh.data(), fresh.size()};
  ASSERT_OK(files_->replace("moved/f", {&piece, 1}));
  EXPECT_ERROR(files_->info(*file), ErrorCode::kNotFound);
  EXPECT_EQ(read_at(*files_, *files_->lookup("moved/f"), 0, 5), fresh);
  ASSERT_OK(files_->unlink("moved/f"));
  ASSERT_OK(files_->unlink("moved"));
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("moved")));
}

TEST_F(MountedFilesTest, ReadOnlyOnesAreNotChanged) {
  auto file = files_->create("f", 4096);
  ASSERT_OK(file);
  ASSERT_OK(write_at(*files_, *file, 0, Bytes(10, 7)));
  auto readonly = open(true);
  EXPECT_ERROR(write_at(*readonly, *file, 0, Bytes(1, 1)), ErrorCode::kNotWritable);
  EXPECT_ERROR(readonly->create("g", 4096), ErrorCode::kNotWritable);
  EXPECT_ERROR(readonly->unlink("f"), ErrorCode::kNotWritable);
  EXPECT_ERROR(readonly->truncate(*file, 0), ErrorCode::kNotWritable);
  EXPECT_EQ(read_at(*readonly, *file, 0, 10), Bytes(10, 7));
}

TEST_F(MountedFilesTest, MoreFilesThanDescriptors) {
  std::vector<FileId> ids;
  for (int i = 0; i < 1500; ++i) {
    auto file = files_->create("f" + std::to_string(i), 4096);
    ASSERT_OK(file);
    ASSERT_OK(write_at(*files_, *file, 0, Bytes(4, static_cast<uint8_t>(i))));
    ids.push_back(*file);
  }
  for (int i = 0; i < 1500; ++i) {
    EXPECT_EQ(read_at(*files_, ids[i], 0, 4), Bytes(4, static_cast<uint8_t>(i)));
  }
}

// Waiters share syncs, and none is told of a sync that began before its change.
TEST(ChangeClockTest, ASyncCoversWhatWasThereWhenItBegan) {
  ChangeClock clock;
  std::atomic<uint64_t> written{0}, durable{0};
  std::atomic<int> syncs{0};
  const auto sync = [&]() -> Status {
    const uint64_t reached = written.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    durable.store(reached);
    syncs++;
    return {};
  };
  std::vector<std::thread> threads;
  std::mutex mutex;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        uint64_t mine = 0;
        Txg change = 0;
        {
          std::lock_guard lock(mutex);
          mine = ++written;
          change = clock.tick();
        }
        ASSERT_OK(clock.wait(change, sync));
        EXPECT_GE(durable.load(), mine);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(syncs.load(), 400);
  const auto fails = [] { return Status(Error{ErrorCode::kSuspended, "stopped"}); };
  EXPECT_ERROR(clock.wait(clock.tick(), fails), ErrorCode::kSuspended);
}

}  // namespace
}  // namespace ipfs_zfs::test
