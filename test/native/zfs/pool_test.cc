// Pools and datasets: engine.h and pool_admin.h.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "fixture.h"

namespace ipfs_zfs::test {
namespace {

using PoolsTest = PoolTest;

TEST_F(PoolsTest, RefusesBadLayouts) {
  const auto refused = [&](PoolCreate create) {
    EXPECT_ERROR(create_test_pool(create), ErrorCode::kInvalid);
    for (const auto& entry : std::filesystem::directory_iterator(scratch_.path())) {
      ADD_FAILURE() << "left behind: " << entry.path();
    }
  };
  const std::string a = scratch_.file("a"), b = scratch_.file("b");
  refused({name_, {}, Layout::kStripe, 512 * kMiB, 12, {}});
  refused({name_, {a}, Layout::kMirror, 512 * kMiB, 12, {}});
  refused({name_, {a, b}, Layout::kRaidz2, 512 * kMiB, 12, {}});
  refused({name_, {a, a}, Layout::kMirror, 512 * kMiB, 12, {}});
  refused({name_, {"relative"}, Layout::kStripe, 512 * kMiB, 12, {}});
  refused({name_, {a}, Layout::kStripe, 63 * kMiB, 12, {}});
  refused({name_, {a}, Layout::kStripe, 512 * kMiB, 40, {}});
  refused({"mirror", {a}, Layout::kStripe, 512 * kMiB, 12, {}});
  refused({"a/b", {a}, Layout::kStripe, 512 * kMiB, 12, {}});
  refused({name_, {a}, Layout::kStripe, 512 * kMiB, 12, {{"recordsize", "3K"}}});
  refused({name_, {scratch_.path()}, Layout::kStripe, 512 * kMiB, 12, {}});
  EXPECT_ERROR(create_test_pool({name_, {"/nowhere/at/all"}, Layout::kStripe, 512 * kMiB, 12, {}}),
               ErrorCode::kNotFound);
}

TEST_F(PoolsTest, EveryLayoutStoresData) {
  struct Case {
    Layout layout;
    unsigned vdevs;
    const char* group;
  };
  for (const Case& wanted :
       {Case{Layout::kStripe, 3, ""}, Case{Layout::kMirror, 2, "mirror-0"},
        Case{Layout::kRaidz1, 3, "raidz1-0"}, Case{Layout::kRaidz2, 4, "raidz2-0"},
        Case{Layout::kRaidz3, 5, "raidz3-0"}}) {
    SCOPED_TRACE(wanted.group);
    vdevs_.clear();
    create(wanted.layout, wanted.vdevs, 128 * kMiB);
    auto files = dataset("ds");
    auto file = files->create("f", 131072);
    ASSERT_OK(file);
    const Bytes data = random_bytes(8 << 20, 1);
    ASSERT_OK(write_at(*files, *file, 0, data));
    files.reset();
    reopen();
    auto again = pool_->open_files(name_ + "/ds");
    ASSERT_OK(again);
    EXPECT_EQ(read_at(**again, *file, 0, data.size()), data);
    auto status = pool_->status();
    ASSERT_OK(status);
    EXPECT_EQ(status->state, "ONLINE");
    EXPECT_EQ(status->root.name, name_);
    const VdevStatus& first = status->root.children.front();
    EXPECT_EQ(first.name, *wanted.group != '\0' ? wanted.group : vdevs_[0]);
    EXPECT_EQ(*wanted.group != '\0' ? first.children.size() : status->root.children.size(),
              wanted.vdevs);
    EXPECT_GT(status->size_bytes, 0u);
    EXPECT_GT(status->allocated_bytes, 8u << 20);
    EXPECT_EQ(status->free_bytes, status->size_bytes - status->allocated_bytes);
    EXPECT_GT(status->txg, 0u);
    again->reset();
    TearDown();
    for (const std::string& vdev : vdevs_) std::filesystem::remove(vdev);
  }
}

TEST_F(PoolsTest, WillNotOverwriteAnything) {
  create();
  ASSERT_OK(pool_->close());
  pool_.reset();
  PoolCreate again{"other", vdevs_, Layout::kStripe, 512 * kMiB, 12, {}};
  EXPECT_ERROR(create_test_pool(again), ErrorCode::kExists);
  const std::string text = scratch_.file("text");
  std::ofstream(text) << "somebody's data";
  std::filesystem::resize_file(text, 512 * kMiB);
  again.vdevs = {text};
  EXPECT_ERROR(create_test_pool(again), ErrorCode::kExists);
  const std::string small = scratch_.file("small");
  std::ofstream(small).flush();
  std::filesystem::resize_file(small, 10 * kMiB);
  again.vdevs = {small};
  EXPECT_ERROR(create_test_pool(again), ErrorCode::kInvalid);
  reopen();
}

TEST_F(PoolsTest, AnEmptyFileOfTheRightSizeIsTaken) {
  std::ofstream(scratch_.file("disk0")).flush();
  std::filesystem::resize_file(scratch_.file("disk0"), 256 * kMiB);
  create(Layout::kStripe, 1, 0);
  EXPECT_LT(pool_->status()->size_bytes, 256 * kMiB);
}

TEST_F(PoolsTest, OpenSaysWhatIsWrong) {
  EXPECT_ERROR(open_test_pool("x", {scratch_.file("none")}), ErrorCode::kNotFound);
  EXPECT_ERROR(open_test_pool("x", {}), ErrorCode::kInvalid);
  EXPECT_ERROR(open_test_pool("x", {"none"}), ErrorCode::kInvalid);
  const std::string blank = scratch_.file("blank");
  std::ofstream(blank).flush();
  EXPECT_ERROR(open_test_pool("x", {blank}), ErrorCode::kNotAPool);
  std::filesystem::resize_file(blank, 256 * kMiB);
  EXPECT_ERROR(open_test_pool("x", {blank}), ErrorCode::kNotAPool);
  create();
  ASSERT_OK(pool_->close());
  pool_.reset();
  EXPECT_ERROR(open_test_pool("other", vdevs_), ErrorCode::kNotFound);
  Bytes garbage = random_bytes(512 << 10, 1);
  damage(0, 0, garbage);
  reopen();  // two of the four labels are enough
  ASSERT_OK(pool_->close());
  pool_.reset();
  damage(0, 0, garbage);
  damage(0, 512 * kMiB - garbage.size(), garbage);
  EXPECT_ERROR(open_test_pool(name_, vdevs_), ErrorCode::kNotAPool);
}

TEST_F(PoolsTest, ReadOnlyFilesAreRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everything";
  create();
  ASSERT_OK(pool_->close());
  pool_.reset();
  ASSERT_EQ(chmod(vdevs_[0].c_str(), 0400), 0);
  EXPECT_ERROR(open_test_pool(name_, vdevs_), ErrorCode::kNotWritable);
}

TEST_F(PoolsTest, SharedInOneProcess) {
  create();
  auto second = open_test_pool(name_, vdevs_);
  ASSERT_OK(second);
  EXPECT_EQ(second->get(), pool_.get());
  EXPECT_EQ(find_open_pool(name_).get(), pool_.get());
  EXPECT_EQ(find_open_pool("none"), nullptr);
  const PoolCreate same{name_, {scratch_.file("b")}, Layout::kStripe, 512 * kMiB, 12, {}};
  EXPECT_ERROR(create_test_pool(same), ErrorCode::kExists);
  ASSERT_OK((*second)->close());  // the first one still has it
  auto files = dataset("ds");
  EXPECT_EQ(pool_->open_files(name_ + "/ds")->get(), files.get());
  EXPECT_ERROR(pool_->close(), ErrorCode::kBusy);
  files.reset();
  ASSERT_OK(pool_->close());
  EXPECT_OK(pool_->close());
  EXPECT_ERROR(pool_->status(), ErrorCode::kClosed);
  EXPECT_ERROR(pool_->open_files(name_ + "/ds"), ErrorCode::kClosed);
  EXPECT_EQ(find_open_pool(name_), nullptr);
  pool_.reset();
  EXPECT_FALSE(std::filesystem::exists(vdevs_[0] + ".lock"));
  reopen();
}

TEST_F(PoolsTest, AnotherProcessHoldsIt) {
  create();
  ASSERT_OK(pool_->close());
  pool_.reset();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  // The child only takes the lock, as an open pool of it would.
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open((vdevs_[0] + ".lock").c_str(), O_RDWR | O_CREAT, 0644);
    const std::string pid = std::to_string(getpid());
    const bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0 &&
                        write(fd, pid.data(), pid.size()) == static_cast<ssize_t>(pid.size());
    if (write(ready[1], locked ? "y" : "n", 1) == 1) pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  auto pool = open_test_pool(name_, vdevs_);
  EXPECT_ERROR(pool, ErrorCode::kInUse);
  EXPECT_NE(pool.error().message.find(std::to_string(child)), std::string::npos)
      << pool.error().message;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  reopen();  // the lock died with its owner
}

TEST_F(PoolsTest, ALostSideOfAMirrorIsDegraded) {
  create(Layout::kMirror, 2);
  auto files = dataset("ds");
  auto file = files->create("f", 131072);
  ASSERT_OK(file);
  const Bytes data = random_bytes(1 << 20, 1);
  ASSERT_OK(write_at(*files, *file, 0, data));
  files.reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  std::filesystem::rename(vdevs_[1], vdevs_[1] + ".away");
  reopen();
  EXPECT_EQ(pool_->status()->state, "DEGRADED");
  auto again = pool_->open_files(name_ + "/ds");
  ASSERT_OK(again);
  EXPECT_EQ(read_at(**again, *file, 0, data.size()), data);
  ASSERT_OK(write_at(**again, *file, 0, data));
  again->reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  std::filesystem::rename(vdevs_[1] + ".away", vdevs_[1]);
  reopen();
  EXPECT_EQ(pool_->status()->state, "ONLINE");
  EXPECT_NE(wait_for_scrub(), "still scanning");  // the resilver of what it missed
}

TEST_F(PoolsTest, ALostStripeIsMissing) {
  create(Layout::kStripe, 2);
  ASSERT_OK(pool_->close());
  pool_.reset();
  std::filesystem::rename(vdevs_[1], vdevs_[1] + ".away");
  auto pool = open_test_pool(name_, vdevs_);
  EXPECT_ERROR(pool, ErrorCode::kNotFound);
  EXPECT_NE(pool.error().message.find(vdevs_[1]), std::string::npos) << pool.error().message;
  std::filesystem::rename(vdevs_[1] + ".away", vdevs_[1]);
  reopen();
}

TEST_F(PoolsTest, MovedFilesAreFound) {
  create(Layout::kMirror, 2);
  auto files = dataset("ds");
  files.reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  std::filesystem::create_directory(scratch_.file("moved"));
  std::filesystem::rename(vdevs_[0], scratch_.file("moved/x"));
  std::filesystem::rename(vdevs_[1], scratch_.file("moved/y"));
  vdevs_ = {scratch_.file("moved/y"), scratch_.file("moved/x")};
  reopen();
  EXPECT_EQ(pool_->status()->state, "ONLINE");
  EXPECT_OK(pool_->open_files(name_ + "/ds"));
  check_with_zdb_ = false;  // it looks in one folder only
}

TEST_F(PoolsTest, DatasetsAreMadeListedAndDestroyed) {
  create();
  ASSERT_OK(pool_->create_dataset(name_ + "/ipfs", {}));
  ASSERT_OK(pool_->create_dataset(name_ + "/ipfs/catalog", {}));
  ASSERT_OK(pool_->create_dataset(name_ + "/ipfs/shard-0000", {{"recordsize", "1M"}}));
  EXPECT_ERROR(pool_->create_dataset(name_ + "/ipfs", {}), ErrorCode::kExists);
  EXPECT_ERROR(pool_->create_dataset(name_ + "/no/parent", {}), ErrorCode::kNotFound);
  EXPECT_ERROR(pool_->create_dataset("elsewhere/x", {}), ErrorCode::kInvalid);
  EXPECT_ERROR(pool_->create_dataset(name_ + "/bad name!", {}), ErrorCode::kInvalid);
  EXPECT_ERROR(pool_->create_dataset(name_ + "/x@y", {}), ErrorCode::kInvalid);
  auto all = pool_->list_datasets(name_);
  ASSERT_OK(all);
  std::vector<std::string> names;
  for (const DatasetStatus& status : *all) names.push_back(status.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{name_, name_ + "/ipfs", name_ + "/ipfs/catalog",
                                             name_ + "/ipfs/shard-0000"}));
  EXPECT_EQ(pool_->list_datasets(name_ + "/ipfs/catalog")->size(), 1u);
  EXPECT_ERROR(pool_->list_datasets(name_ + "/none"), ErrorCode::kNotFound);
  EXPECT_GT(all->front().created_s, 1600000000u);
  EXPECT_GT(all->front().available_bytes, 100u << 20);
  EXPECT_ERROR(pool_->destroy_dataset(name_ + "/ipfs"), ErrorCode::kBusy);
  {
    auto files = pool_->open_files(name_ + "/ipfs/catalog");
    ASSERT_OK(files);
    EXPECT_ERROR(pool_->destroy_dataset(name_ + "/ipfs/catalog"), ErrorCode::kBusy);
  }
  ASSERT_OK(pool_->destroy_dataset(name_ + "/ipfs/catalog"));
  EXPECT_ERROR(pool_->destroy_dataset(name_ + "/ipfs/catalog"), ErrorCode::kNotFound);
  EXPECT_ERROR(pool_->open_files(name_ + "/ipfs/catalog"), ErrorCode::kNotFound);
}

TEST_F(PoolsTest, TheRootDatasetHoldsFilesToo) {
  create(Layout::kStripe, 1, 512 * kMiB, {{"compression", "lz4"}, {"ipfs:purpose", "test"}});
  auto files = pool_->open_files(name_);
  ASSERT_OK(files);
  ASSERT_OK((*files)->create("f", 4096));
  EXPECT_EQ((*pool_->get_properties(name_))["ipfs:purpose"], "test");
}

TEST_F(PoolsTest, PropertiesAreTextBothWays) {
  create(Layout::kStripe, 1, 512 * kMiB, {{"compression", "zstd"}, {"atime", "off"}});
  ASSERT_OK(pool_->create_dataset(name_ + "/a", {{"checksum", "sha256"}, {"quota", "100M"}}));
  ASSERT_OK(pool_->set_properties(name_ + "/a", {{"recordsize", "256K"},
                                                 {"refquota", "52428800"},
                                                 {"reservation", "10M"},
                                                 {"my:note", "any text"},
                                                 {"dnodesize", "auto"},
                                                 {"copies", "2"}}));
  auto got = pool_->get_properties(name_ + "/a");
  ASSERT_OK(got);
  Properties& values = *got;
  EXPECT_EQ(values["compression"], "zstd");  // inherited
  EXPECT_EQ(values["atime"], "off");
  EXPECT_EQ(values["checksum"], "sha256");
  EXPECT_EQ(values["recordsize"], "262144");
  EXPECT_EQ(values["quota"], std::to_string(100 * kMiB));
  EXPECT_EQ(values["refquota"], "52428800");
  EXPECT_EQ(values["reservation"], std::to_string(10 * kMiB));
  EXPECT_EQ(values["my:note"], "any text");
  EXPECT_EQ(values["dnodesize"], "auto");
  EXPECT_EQ(values["copies"], "2");
  EXPECT_EQ(values["dedup"], "off");  // a default
  EXPECT_EQ(values["logbias"], "latency");
  EXPECT_EQ(values.count("used"), 1u);
  EXPECT_EQ(values.count("compressratio"), 1u);
  ASSERT_OK(pool_->set_properties(name_ + "/a", {{"quota", "none"}, {"reservation", "none"}}));
  EXPECT_EQ((*pool_->get_properties(name_ + "/a"))["quota"], "0");

  const Properties bad[] = {
      {{"recordsize", "100K"}}, {{"recordsize", "32M"}}, {{"compression", "zip"}},
      {{"nonsense", "1"}},      {{"used", "5"}},         {{"casesensitivity", "mixed"}},
      {{"quota", "lots"}},      {{"volsize", "1G"}},     {{"quota", "99999999999999999999"}}};
  for (const Properties& one : bad) {
    auto status = pool_->set_properties(name_ + "/a", one);
    EXPECT_ERROR(status, ErrorCode::kInvalid);
    EXPECT_NE(status.error().message.find(one.begin()->first), std::string::npos)
        << status.error().message;
  }
  EXPECT_ERROR(pool_->create_dataset(name_ + "/b", {{"recordsize", "5"}}), ErrorCode::kInvalid);
  EXPECT_ERROR(pool_->get_properties(name_ + "/b"), ErrorCode::kNotFound);
  EXPECT_ERROR(pool_->set_properties(name_ + "/none", {{"atime", "on"}}), ErrorCode::kNotFound);
}

TEST_F(PoolsTest, SnapshotsOfManyDatasetsAreOneMoment) {
  create();
  auto a = dataset("a"), b = dataset("b");
  auto file_a = a->create("f", 4096), file_b = b->create("f", 4096);
  ASSERT_OK(write_at(*a, *file_a, 0, Bytes(10, 1)));
  ASSERT_OK(write_at(*b, *file_b, 0, Bytes(10, 1)));
  const std::string at_a = name_ + "/a@s1", at_b = name_ + "/b@s1";
  ASSERT_OK(pool_->snapshot({at_a, at_b}));
  EXPECT_ERROR(pool_->snapshot({at_a}), ErrorCode::kExists);
  EXPECT_ERROR(pool_->snapshot({name_ + "/none@s1"}), ErrorCode::kNotFound);
  EXPECT_ERROR(pool_->snapshot({name_ + "/a"}), ErrorCode::kInvalid);
  auto listed = pool_->list_snapshots(name_);
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_TRUE(listed->front().is_snapshot);
  EXPECT_EQ((*listed)[0].created_txg, (*listed)[1].created_txg);

  ASSERT_OK(write_at(*a, *file_a, 0, Bytes(10, 2)));
  {
    auto old = pool_->open_files(at_a);
    ASSERT_OK(old);
    EXPECT_EQ(read_at(**old, *file_a, 0, 10), Bytes(10, 1));
    EXPECT_ERROR(write_at(**old, *file_a, 0, Bytes(10, 3)), ErrorCode::kNotWritable);
    EXPECT_ERROR((*old)->create("g", 4096), ErrorCode::kNotWritable);
    EXPECT_ERROR((*old)->unlink("f"), ErrorCode::kNotWritable);
  }
  EXPECT_ERROR(pool_->rollback(at_a), ErrorCode::kBusy);  // its files are open
  a.reset();
  ASSERT_OK(pool_->rollback(at_a));
  a = *pool_->open_files(name_ + "/a");
  EXPECT_EQ(read_at(*a, *file_a, 0, 10), Bytes(10, 1));
  ASSERT_OK(pool_->snapshot({name_ + "/a@s2"}));
  a.reset();
  EXPECT_ERROR(pool_->rollback(at_a), ErrorCode::kBusy);  // a newer snapshot
  EXPECT_ERROR(pool_->rollback(name_ + "/a@none"), ErrorCode::kNotFound);

  ASSERT_OK(pool_->clone(at_b, name_ + "/c"));
  {
    auto clone = pool_->open_files(name_ + "/c");
    ASSERT_OK(clone);
    EXPECT_EQ(read_at(**clone, *file_b, 0, 10), Bytes(10, 1));
    ASSERT_OK(write_at(**clone, *file_b, 0, Bytes(10, 9)));
    EXPECT_EQ(read_at(*b, *file_b, 0, 10), Bytes(10, 1));
  }
  EXPECT_ERROR(pool_->clone(at_b, name_ + "/c"), ErrorCode::kExists);
  EXPECT_ERROR(pool_->destroy_snapshots({at_b}), ErrorCode::kBusy);
  EXPECT_ERROR(pool_->destroy_dataset(name_ + "/a"), ErrorCode::kBusy);
  EXPECT_ERROR(pool_->destroy_snapshots({name_ + "/a@none"}), ErrorCode::kNotFound);
  ASSERT_OK(pool_->destroy_dataset(name_ + "/c"));
  ASSERT_OK(pool_->destroy_snapshots({at_a, at_b, name_ + "/a@s2"}));
  EXPECT_TRUE(pool_->list_snapshots(name_)->empty());
}

TEST_F(PoolsTest, AFullPoolStillReadsAndDeletes) {
  create(Layout::kStripe, 1, 128 * kMiB);
  keep_reserve();
  auto files = dataset("ds");
  auto file = files->create("f", 1 << 20);
  ASSERT_OK(file);
  const Bytes data = random_bytes(4 << 20, 1);
  uint64_t written = 0;
  Result<Txg> last = Txg{0};
  while ((last = write_at(*files, *file, written, data)).ok()) {
    written += data.size();
    ASSERT_LT(written, 256 * kMiB);
    ASSERT_OK(files->wait_durable(*last));
  }
  EXPECT_ERROR(last, ErrorCode::kNoSpace);
  EXPECT_GT(written, 32 * kMiB);
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
  lend_reserve();
  const FileOp punch{FileOp::Kind::kPunch, *file, 0, {}, 8 << 20};
  ASSERT_OK(files->apply({&punch, 1}));
  ASSERT_OK(files->unlink("f"));
  for (int i = 0; i < 5; ++i) ASSERT_OK(files->wait_durable(files->open_txg()));
  auto again = files->create("g", 1 << 20);
  ASSERT_OK(again);
  ASSERT_OK(write_at(*files, *again, 0, data));
}

TEST_F(PoolsTest, AQuotaIsAnErrorToo) {
  create();
  auto files = dataset("ds", {{"quota", "20M"}});
  auto file = files->create("f", 1 << 20);
  ASSERT_OK(file);
  const Bytes data = random_bytes(4 << 20, 1);
  Result<Txg> last = Txg{0};
  for (uint64_t at = 0; at < 200 * kMiB && last.ok(); at += data.size()) {
    last = write_at(*files, *file, at, data);
    if (last.ok()) ASSERT_OK(files->wait_durable(*last));
  }
  EXPECT_ERROR(last, ErrorCode::kNoSpace);
  ASSERT_OK(pool_->set_properties(name_ + "/ds", {{"quota", "none"}}));
  EXPECT_OK(write_at(*files, *file, 0, data));
}

TEST_F(PoolsTest, TheHostsListOfPoolsIsLeftAlone) {
  struct stat before {
  }, after{};
  const int had = stat("/etc/zfs/zpool.cache", &before);
  create();
  ASSERT_OK(pool_->close());
  reopen();
  const int has = stat("/etc/zfs/zpool.cache", &after);
  EXPECT_EQ(had, has);
  EXPECT_EQ(std::memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)), 0);
  EXPECT_NE(std::filesystem::exists("/etc/zfs/zpool.cache.tmp"), true);
}

}  // namespace
}  // namespace ipfs_zfs::test
