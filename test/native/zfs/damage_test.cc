// Broken data and lost disks: errors, never the end of the process or an endless wait.
#include <atomic>
#include <chrono>
#include <thread>

#include "fixture.h"
#include "zfs/embedded/file_io.h"

namespace ipfs_zfs::test {
namespace {

using embedded::FileFault;
using embedded::set_file_fault;
using DamageTest = PoolTest;

constexpr size_t kRecord = 128 << 10;

// Waits until the pool has noticed.
bool wait_for_state(PoolAdmin& pool, const std::string& state) {
  for (int i = 0; i < 200; ++i) {
    auto status = pool.status();
    if (status.ok() && status->state == state) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

// What is cached would hide the damage: pools are closed before, and opened after it.
void flip(Bytes& bytes) {
  for (uint8_t& byte : bytes) byte ^= 0xff;
}

TEST_F(DamageTest, AMirrorReadsRightCountsAndRepairs) {
  create(Layout::kMirror, 2);
  auto files = dataset("ds", {{"checksum", "sha256"}});
  auto file = files->create("f", kRecord);
  ASSERT_OK(file);
  const Bytes data = random_bytes(8 * kRecord, 7);
  ASSERT_OK(write_at(*files, *file, 0, data));
  files.reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  const Bytes head(data.begin() + kRecord, data.begin() + kRecord + 64);
  const auto places = find_on_disk(0, head);
  ASSERT_EQ(places.size(), 1u);
  Bytes broken(data.begin() + kRecord, data.begin() + 2 * kRecord);
  flip(broken);
  damage(0, places[0], broken);

  reopen();
  files = *pool_->open_files(name_ + "/ds");
  for (int i = 0; i < 4; ++i) {  // each side gets its turn
    EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
  }
  EXPECT_TRUE(pool_->damaged_records().empty());
  ASSERT_OK(pool_->scrub_start());
  EXPECT_EQ(wait_for_scrub(), "finished");
  auto status = pool_->status();
  ASSERT_OK(status);
  const auto& sides = status->root.children[0].children;
  EXPECT_GE(sides[0].checksum_errors, 1u);
  EXPECT_EQ(sides[1].checksum_errors, 0u);
  EXPECT_EQ(status->scrub.errors, 0u);
  EXPECT_GT(status->scrub.examined_bytes, data.size());
  EXPECT_GE(status->scrub.end_s, status->scrub.start_s);
  EXPECT_TRUE(pool_->damaged_records().empty());
  ASSERT_OK(pool_->clear_errors());
  EXPECT_EQ(pool_->status()->root.children[0].children[0].checksum_errors, 0u);
  files.reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  EXPECT_EQ(find_on_disk(0, head).size(), 1u);  // it is repaired on disk
  reopen();
}

TEST_F(DamageTest, ASingleDiskNamesTheRecord) {
  create();
  auto files = dataset("ds", {{"checksum", "sha256"}});
  auto file = files->create("f", kRecord);
  ASSERT_OK(file);
  const Bytes data = random_bytes(8 * kRecord, 8);
  ASSERT_OK(write_at(*files, *file, 0, data));
  files.reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  const auto places =
      find_on_disk(0, Bytes(data.begin() + 5 * kRecord, data.begin() + 5 * kRecord + 64));
  ASSERT_EQ(places.size(), 1u);
  damage(0, places[0] + 1000, Bytes(100, 0x55));

  reopen();
  files = *pool_->open_files(name_ + "/ds");
  Bytes into(8 * kRecord);
  std::vector<ReadOp> reads;
  for (uint64_t i = 0; i < 8; ++i) {
    reads.push_back({i * kRecord, kRecord, &into[i * kRecord], false, ErrorCode::kIo});
  }
  ASSERT_OK(files->read(*file, reads));
  for (uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(reads[i].ok, i != 5) << i;
    const ErrorCode expected = i == 5 ? ErrorCode::kCorrupt : reads[i].error;
    EXPECT_EQ(error_name(reads[i].error), error_name(expected));
  }
  for (int pass = 0; pass < 2; ++pass) {
    auto damaged = pool_->damaged_records();
    ASSERT_EQ(damaged.size(), 1u);
    EXPECT_EQ(damaged[0].dataset, name_ + "/ds");
    EXPECT_EQ(damaged[0].file, *file);
    EXPECT_EQ(damaged[0].level, 0u);
    EXPECT_EQ(damaged[0].record, 5u);
    if (pass == 0) {
      ASSERT_OK(pool_->scrub_start());
      EXPECT_EQ(wait_for_scrub(), "finished");
      EXPECT_EQ(pool_->status()->scrub.errors, 1u);
    }
  }
  // A part of the broken record cannot be written: the rest of it is unknown. All of it can.
  EXPECT_ERROR(write_at(*files, *file, 5 * kRecord + 10, Bytes(10, 1)), ErrorCode::kCorrupt);
  const Bytes whole(data.begin() + 5 * kRecord, data.begin() + 6 * kRecord);
  ASSERT_OK(write_at(*files, *file, 5 * kRecord, whole));
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
  check_with_zdb_ = false;  // an error log entry remains until two scrubs
}

TEST_F(DamageTest, RaidzSurvivesALostDisk) {
  create(Layout::kRaidz1, 3, 128 * kMiB);
  auto files = dataset("ds");
  auto file = files->create("f", kRecord);
  ASSERT_OK(file);
  const Bytes data = random_bytes(64 * kRecord, 9);
  ASSERT_OK(write_at(*files, *file, 0, data));
  ASSERT_OK(files->wait_durable(files->open_txg()));
  set_file_fault(vdevs_[1], FileFault::kAll);
  for (int i = 0; i < 8; ++i) {
    const uint64_t offset = data.size() + uint64_t(i) * kRecord;
    auto txg = write_at(*files, *file, offset, random_bytes(kRecord, i));
    ASSERT_OK(txg);
    ASSERT_OK(files->wait_durable(*txg));
  }
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
  EXPECT_TRUE(wait_for_state(*pool_, "DEGRADED"));
  auto status = pool_->status();
  ASSERT_OK(status);
  EXPECT_NE(status->root.children[0].children[1].state, "ONLINE");
  set_file_fault(vdevs_[1], FileFault::kNone);
  ASSERT_OK(pool_->clear_errors());
  EXPECT_NE(wait_for_scrub(), "still scanning");
  EXPECT_EQ(pool_->status()->state, "ONLINE");
}

TEST_F(DamageTest, TheOnlyDiskIsLostAndComesBack) {
  create();
  auto files = dataset("ds");
  auto file = files->create("f", kRecord), cold = files->create("cold", kRecord);
  ASSERT_OK(file);
  ASSERT_OK(cold);
  const Bytes data = random_bytes(16 * kRecord, 10);
  auto durable = write_at(*files, *file, 0, data);
  ASSERT_OK(durable);
  ASSERT_OK(files->wait_durable(*durable));

  set_file_fault(vdevs_[0], FileFault::kAll);
  auto lost = write_at(*files, *file, data.size(), data);
  ASSERT_OK(lost);  // still in memory
  EXPECT_ERROR(files->wait_durable(*lost), ErrorCode::kSuspended);
  EXPECT_TRUE(wait_for_state(*pool_, "SUSPENDED"));
  EXPECT_ERROR(write_at(*files, *file, 0, data), ErrorCode::kSuspended);
  EXPECT_ERROR(files->create("g", 4096), ErrorCode::kSuspended);
  EXPECT_ERROR(files->unlink("f"), ErrorCode::kSuspended);
  EXPECT_ERROR(files->truncate(*file, 0), ErrorCode::kSuspended);
  EXPECT_ERROR(files->replace("f", {}), ErrorCode::kSuspended);
  EXPECT_ERROR(pool_->create_dataset(name_ + "/x", {}), ErrorCode::kSuspended);
  EXPECT_ERROR(pool_->snapshot({name_ + "/ds@s"}), ErrorCode::kSuspended);
  EXPECT_ERROR(pool_->set_properties(name_ + "/ds", {{"atime", "off"}}), ErrorCode::kSuspended);
  EXPECT_ERROR(pool_->scrub_start(), ErrorCode::kSuspended);
  EXPECT_ERROR(pool_->clear_errors(), ErrorCode::kSuspended);  // it is not back yet
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);     // cached

  set_file_fault(vdevs_[0], FileFault::kNone);
  ASSERT_OK(pool_->clear_errors());
  EXPECT_TRUE(wait_for_state(*pool_, "ONLINE"));
  ASSERT_OK(files->wait_durable(*lost));
  ASSERT_OK(write_at(*files, *file, 2 * data.size(), data));
  ASSERT_OK(files->create("g", 4096));
  ASSERT_OK(pool_->snapshot({name_ + "/ds@s"}));
  files.reset();
  reopen();
  files = *pool_->open_files(name_ + "/ds");
  for (uint64_t part = 0; part < 3; ++part) {
    EXPECT_EQ(read_at(*files, *file, part * data.size(), data.size()), data);
  }
}

TEST_F(DamageTest, UncachedReadsOfALostDiskAreErrors) {
  create();
  auto files = dataset("ds", {{"primarycache", "metadata"}});
  auto file = files->create("f", kRecord);
  ASSERT_OK(file);
  const Bytes data = random_bytes(16 * kRecord, 11);
  ASSERT_OK(write_at(*files, *file, 0, data));
  files.reset();
  reopen();
  files = *pool_->open_files(name_ + "/ds");
  set_file_fault(vdevs_[0], FileFault::kReads);
  Bytes into(data.size());
  ReadOp read{0, into.size(), into.data(), true, ErrorCode::kCorrupt};
  Status status = files->read(*file, {&read, 1});
  EXPECT_TRUE(!status.ok() || !read.ok);
  if (status.ok() && !read.ok) {
    EXPECT_TRUE(read.error == ErrorCode::kIo || read.error == ErrorCode::kSuspended)
        << error_name(read.error);
  }
  set_file_fault(vdevs_[0], FileFault::kNone);
  ASSERT_OK(pool_->clear_errors());
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
}

TEST_F(DamageTest, WritersUnderWayGetTheError) {
  create();
  auto files = dataset("ds");
  std::atomic<int> suspended{0}, other{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    auto file = files->create("f" + std::to_string(i), kRecord);
    ASSERT_OK(file);
    writers.emplace_back([&, id = *file, i] {
      const Bytes data = random_bytes(16 * kRecord, i);
      for (uint64_t at = 0; !stop; at = (at + data.size()) % (64 * data.size())) {
        auto txg = write_at(*files, id, at, data);
        Status waited = txg.ok() && at % 3 == 0 ? files->wait_durable(*txg) : Status();
        const Error* error = !txg.ok() ? &txg.error() : !waited.ok() ? &waited.error() : nullptr;
        if (error == nullptr) continue;
        (error->code == ErrorCode::kSuspended ? suspended : other)++;
        return;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  set_file_fault(vdevs_[0], FileFault::kAll);
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(suspended, 4);
  EXPECT_EQ(other, 0);
  EXPECT_EQ(pool_->status()->state, "SUSPENDED");
  set_file_fault(vdevs_[0], FileFault::kNone);
  ASSERT_OK(pool_->clear_errors());
  ASSERT_OK(files->wait_durable(files->open_txg()));
}

TEST_F(DamageTest, AScrubCanBeStopped) {
  create();
  auto files = dataset("ds");
  EXPECT_EQ(pool_->status()->scrub.state, "none");
  EXPECT_ERROR(pool_->scrub_stop(), ErrorCode::kNotFound);
  ASSERT_OK(pool_->scrub_start());
  auto stopped = pool_->scrub_stop();
  EXPECT_TRUE(stopped.ok() || stopped.error().code == ErrorCode::kNotFound);
  const std::string state = wait_for_scrub();
  EXPECT_TRUE(state == "canceled" || state == "finished") << state;
}

}  // namespace
}  // namespace ipfs_zfs::test
