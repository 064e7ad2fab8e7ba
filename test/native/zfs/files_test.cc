// DatasetFiles: every promise of dataset_files.h.
#include <algorithm>
#include <numeric>

#include "fixture.h"

namespace ipfs_zfs::test {
namespace {

using FilesTest = PoolTest;

TEST_F(FilesTest, WritesAndReadsBack) {
  create();
  auto files = dataset("ds");
  auto file = files->create("blocks/256k.slots", 256 << 10);
  ASSERT_OK(file);
  const Bytes data = random_bytes(3 << 20, 1);
  auto txg = write_at(*files, *file, 0, data);
  ASSERT_OK(txg);
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
  ASSERT_OK(files->wait_durable(*txg));
  auto info = files->info(*file);
  ASSERT_OK(info);
  EXPECT_EQ(info->size_bytes, data.size());
  EXPECT_EQ(info->record_size_bytes, 256u << 10);
  EXPECT_GE(info->allocated_bytes, data.size());

  files.reset();
  reopen();
  auto again = pool_->open_files(name_ + "/ds");
  ASSERT_OK(again);
  auto found = (*again)->lookup("blocks/256k.slots");
  ASSERT_OK(found);
  EXPECT_EQ(*found, *file);
  EXPECT_EQ(read_at(**again, *found, 0, data.size()), data);
}

}  // namespace
}  // namespace ipfs_zfs::test
