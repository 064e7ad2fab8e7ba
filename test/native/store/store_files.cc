#include "store_files.h"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "../zfs/fixture.h"
#include "memory_files.h"

namespace ipfs_zfs::test {
namespace {

// Made when the first files are asked for; closed, and judged by zdb, when all tests are done.
class PoolOfStores : public ::testing::Environment {
 public:
  std::shared_ptr<DatasetFiles> add() {
    if (pool_ == nullptr) create();
    if (pool_ == nullptr) return nullptr;
    const std::string dataset = name_ + "/" + std::to_string(count_++);
    EXPECT_OK(pool_->create_dataset(dataset, {}));
    return open(dataset);
  }

  std::shared_ptr<DatasetFiles> again(std::shared_ptr<DatasetFiles> files) {
    const std::string dataset = datasets_.extract(files.get()).mapped();
    EXPECT_EQ(files.use_count(), 1);
    files.reset();
    return open(dataset);
  }

  void TearDown() override {
    if (pool_ == nullptr) return;
    ASSERT_OK(pool_->close());
    pool_.reset();
    expect_clean_pool(*scratch_, name_);
    scratch_.reset();
  }

 private:
  void create() {
    scratch_.emplace();
    const Properties properties = {{"checksum", "sha256"}, {"compression", "lz4"}};
    auto pool = create_test_pool(
        {name_, {scratch_->file("disk")}, Layout::kStripe, uint64_t{8} << 30, 12, properties});
    ASSERT_OK(pool);
    pool_ = *pool;
  }

  std::shared_ptr<DatasetFiles> open(const std::string& dataset) {
    auto files = pool_->open_files(dataset);
    EXPECT_OK(files);
    if (!files) return nullptr;
    datasets_[files->get()] = dataset;
    return *files;
  }

  const std::string name_ = "stores" + std::to_string(getpid());
  std::optional<ScratchFolder> scratch_;
  std::shared_ptr<PoolAdmin> pool_;
  std::map<const DatasetFiles*, std::string> datasets_;
  int count_ = 0;
};

auto* const pool_of_stores =
    static_cast<PoolOfStores*>(::testing::AddGlobalTestEnvironment(new PoolOfStores));

}  // namespace

std::shared_ptr<DatasetFiles> new_files() {
  if (std::getenv("IPFS_ZFS_ENGINE") == nullptr) return std::make_shared<MemoryFiles>();
  return pool_of_stores->add();
}

void open_again(std::shared_ptr<DatasetFiles>& files) {
  if (dynamic_cast<MemoryFiles*>(files.get()) != nullptr) return;
  files = pool_of_stores->again(std::move(files));
}

}  // namespace ipfs_zfs::test
