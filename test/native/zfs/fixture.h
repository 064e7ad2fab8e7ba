// What the tests of the engines share: a scratch folder, a pool in it, and zdb.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "zfs/engine.h"

namespace ipfs_zfs::test {

using Bytes = std::vector<uint8_t>;

// The engine that IPFS_ZFS_ENGINE names, as everywhere else; the embedded one when it names none.
// `kernel` needs root, and a kernel that has ZFS: test/kernel/native.test.ts runs them so.
Engine engine_of_tests();
// The kernel mounts its datasets beside its first vdev.
Result<std::shared_ptr<PoolAdmin>> create_test_pool(PoolCreate pool);
Result<std::shared_ptr<PoolAdmin>> open_test_pool(const std::string& name,
                                                  const std::vector<std::string>& vdevs);

// A folder of its own under $TMPDIR, removed with all that is in it.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Bytes random_bytes(size_t size, uint64_t seed);
Bytes sha256_of(const Bytes& data);

// `EXPECT_OK(status)` prints the message of what failed.
#define EXPECT_OK(expression)                                                   \
  do {                                                                          \
    const auto& outcome = (expression);                                         \
    EXPECT_TRUE(outcome.ok()) << (outcome.ok() ? "" : outcome.error().message); \
  } while (0)
#define ASSERT_OK(expression)                                                   \
  do {                                                                          \
    const auto& outcome = (expression);                                         \
    ASSERT_TRUE(outcome.ok()) << (outcome.ok() ? "" : outcome.error().message); \
  } while (0)
#define EXPECT_ERROR(expression, expected)                                                        \
  do {                                                                                            \
    const auto& outcome = (expression);                                                           \
    ASSERT_FALSE(outcome.ok());                                                                   \
    EXPECT_EQ(error_name(outcome.error().code), error_name(expected)) << outcome.error().message; \
    EXPECT_FALSE(outcome.error().message.empty());                                                \
  } while (0)

Result<Txg> write_at(DatasetFiles& files, FileId file, uint64_t offset, const Bytes& data);
Bytes read_at(DatasetFiles& files, FileId file, uint64_t offset, size_t length);

// A pool on one file, closed at the end and then judged by zdb.
class PoolTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMiB = uint64_t{1} << 20;

  void SetUp() override;
  void TearDown() override;

  void create(Layout layout = Layout::kStripe, unsigned vdevs = 1, uint64_t size = 512 * kMiB,
              Properties properties = {});
  void reopen();
  std::shared_ptr<DatasetFiles> dataset(const std::string& name, Properties properties = {});
  // Overwrites a part of a vdev behind ZFS's back.
  void damage(unsigned vdev, uint64_t offset, const Bytes& with);
  // Every place where `needle` lies on a vdev.
  std::vector<uint64_t> find_on_disk(unsigned vdev, const Bytes& needle);
  std::string wait_for_scrub();
  // To delete on a full pool the kernel needs room, which a repo keeps in a reserve and lends
  // (docs/engines.md). The embedded engine needs none.
  void keep_reserve();
  void lend_reserve();

  ScratchFolder scratch_;
  std::string name_;
  std::vector<std::string> vdevs_;
  std::shared_ptr<PoolAdmin> pool_;
  bool check_with_zdb_ = true;
};

// Runs zdb on an exported pool, when $ZDB says where it is; "" when it found nothing wrong.
std::string zdb(const ScratchFolder& scratch, const std::string& pool,
                const std::string& arguments);
bool has_zdb();
// No leaks, no damage: of an exported pool whose vdevs are in the folder, when there is a zdb.
void expect_clean_pool(const ScratchFolder& scratch, const std::string& pool);

}  // namespace ipfs_zfs::test
