// SIGKILL at any moment: what was acknowledged is there, and no batch is there in part.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "fixture.h"
#include "zfs/embedded/engine.h"

namespace ipfs_zfs::test {
namespace {

constexpr uint32_t kRecord = 64 << 10;
constexpr uint64_t kBatches = 100000;

// Batch `n` writes `n` into one record of each of three files, logs itself, punches the record of
// eight batches before, and makes one small file: all of it or nothing.
Bytes record_of(uint64_t n) {
  Bytes record = random_bytes(kRecord, n);
  std::memcpy(record.data(), &n, sizeof(n));
  return record;
}

uint64_t place_of(uint64_t n) { return n % 64 * kRecord; }

// The child: runs until it is killed, and prints each batch once it is durable.
int write_until_killed(const std::string& name, const std::string& vdev, uint64_t first) {
  auto pool = embedded::open_pool(name, {vdev}, {});
  if (!pool) {
    std::fprintf(stderr, "%s\n", pool.error().message.c_str());
    return 1;
  }
  auto files = (*pool)->open_files(name + "/ds");
  if (!files) return 1;
  FileId ids[3];
  for (int i = 0; i < 3; ++i) {
    const std::string path = "f" + std::to_string(i);
    auto id = (*files)->lookup(path);
    if (!id) id = (*files)->create(path, kRecord);
    if (!id) return 1;
    ids[i] = *id;
  }
  for (uint64_t n = first; n < kBatches; ++n) {
    const Bytes record = record_of(n);
    const Piece piece{record.data(), record.size()};
    std::vector<FileOp> ops;
    for (FileId id : ids) ops.push_back({FileOp::Kind::kWrite, id, place_of(n), {&piece, 1}, 0});
    if (n >= 8) ops.push_back({FileOp::Kind::kPunch, ids[0], place_of(n - 8), {}, kRecord});
    auto txg = (*files)->apply(ops);
    if (!txg) return 1;
    if (n % 5 == 0) {  // directory changes in between
      (void)(*files)->unlink("small");
      const Piece small{record.data(), 100};
      (void)(*files)->replace("small", {&small, 1});
      (void)(*files)->replace("small2", {&piece, 1});
      (void)(*files)->rename("small2", "small");
    }
    if (n % 3 == 0) {
      if (!(*files)->wait_durable(*txg)) return 1;
      std::printf("%llu\n", static_cast<unsigned long long>(n));
      std::fflush(stdout);
    }
  }
  return 0;
}

struct Child {
  pid_t pid;
  std::FILE* output;
};

Child start_child(const std::string& name, const std::string& vdev, uint64_t first) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const std::string number = std::to_string(first);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/proc/self/exe", "crash_test", "--write", name.c_str(), vdev.c_str(), number.c_str(),
          static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  return {pid, fdopen(ends[0], "r")};
}

class CrashTest : public PoolTest {
 protected:
  // The newest batch that is there; every one up to it that was not overwritten must be whole.
  uint64_t check_whole(DatasetFiles& files) {
    uint64_t newest = 0;
    FileId ids[3];
    for (int i = 0; i < 3; ++i) {
      auto id = files.lookup("f" + std::to_string(i));
      if (!id.ok()) return 0;
      ids[i] = *id;
    }
    std::vector<uint64_t> numbers(64);
    for (uint64_t slot = 0; slot < 64; ++slot) {
      const Bytes second = read_at(files, ids[1], slot * kRecord, kRecord);
      EXPECT_EQ(second, read_at(files, ids[2], slot * kRecord, kRecord)) << "torn in " << slot;
      std::memcpy(&numbers[slot], second.data(), 8);
      if (second == Bytes(kRecord)) continue;
      EXPECT_EQ(second, record_of(numbers[slot]));
      newest = std::max(newest, numbers[slot]);
    }
    for (uint64_t slot = 0; slot < 64; ++slot) {
      // Later batches are never there without earlier ones.
      const uint64_t last = newest - (newest + 64 - slot) % 64;
      if (newest >= 64) {
        EXPECT_EQ(numbers[slot], last) << "slot " << slot << " of " << newest;
      }
      const Bytes first = read_at(files, ids[0], slot * kRecord, kRecord);
      const bool punched = numbers[slot] + 8 <= newest;
      EXPECT_EQ(first, punched ? Bytes(kRecord) : read_at(files, ids[1], slot * kRecord, kRecord))
          << "slot " << slot << " of " << newest;
    }
    return newest;
  }
};

TEST_F(CrashTest, WhatWasAcknowledgedSurvivesSigkill) {
  create();
  dataset("ds").reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  std::mt19937 random(5);
  uint64_t newest = 0;
  for (int round = 0; round < 8; ++round) {
    Child child = start_child(name_, vdevs_[0], newest + 1);
    uint64_t acknowledged = 0;
    char line[64];
    const int lines = static_cast<int>(random() % 40) + 3;
    for (int i = 0; i < lines && std::fgets(line, sizeof(line), child.output) != nullptr; ++i) {
      acknowledged = std::strtoull(line, nullptr, 10);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    kill(child.pid, SIGKILL);
    while (std::fgets(line, sizeof(line), child.output) != nullptr) {
      acknowledged = std::strtoull(line, nullptr, 10);
    }
    int code = 0;
    waitpid(child.pid, &code, 0);
    std::fclose(child.output);
    ASSERT_TRUE(WIFSIGNALED(code)) << code;
    ASSERT_GT(acknowledged, newest);

    auto pool = embedded::open_pool(name_, vdevs_, {});
    ASSERT_OK(pool);
    pool_ = *pool;
    auto files = pool_->open_files(name_ + "/ds");
    ASSERT_OK(files);
    newest = check_whole(**files);
    EXPECT_GE(newest, acknowledged);
    auto entries = (*files)->list("");
    ASSERT_OK(entries);
    for (const DirEntry& entry : *entries) {
      EXPECT_TRUE((*files)->info(entry.file).ok()) << entry.name;
    }
    files->reset();
    ASSERT_OK(pool_->close());
    pool_.reset();
  }
  reopen();
}

}  // namespace

int write_main(char** arguments) {
  return write_until_killed(arguments[2], arguments[3], std::strtoull(arguments[4], nullptr, 10));
}

}  // namespace ipfs_zfs::test

int main(int count, char** arguments) {
  if (count == 5 && std::string(arguments[1]) == "--write") {
    return ipfs_zfs::test::write_main(arguments);
  }
  ::testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
