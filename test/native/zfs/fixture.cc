#include "fixture.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace ipfs_zfs::test {

ScratchFolder::ScratchFolder() {
  const char* base = std::getenv("TMPDIR");
  std::string path = std::string(base != nullptr ? base : "/tmp") + "/ipfs-zfs-test-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = path;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Engine engine_of_tests() {
  const char* name = std::getenv("IPFS_ZFS_ENGINE");
  if (name == nullptr || std::string(name) == "embedded") return Engine::kEmbedded;
  if (std::string(name) == "kernel") return Engine::kKernel;
  std::fprintf(stderr, "IPFS_ZFS_ENGINE is '%s', not embedded or kernel\n", name);
  std::abort();
}

Result<std::shared_ptr<PoolAdmin>> create_test_pool(PoolCreate pool) {
  if (engine_of_tests() == Engine::kKernel && !pool.vdevs.empty()) {
    pool.root_properties["mountpoint"] = pool.vdevs[0] + ".mounted";
  }
  return create_pool(pool, {.engine = engine_of_tests()});
}

Result<std::shared_ptr<PoolAdmin>> open_test_pool(const std::string& name,
                                                  const std::vector<std::string>& vdevs) {
  return open_pool(name, vdevs, {.engine = engine_of_tests()});
}

Bytes random_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    const uint64_t word = random();
    std::copy_n(reinterpret_cast<const uint8_t*>(&word), 8, bytes.begin() + at);
  }
  for (; at < size; ++at) bytes[at] = static_cast<uint8_t>(random());
  return bytes;
}

Bytes sha256_of(const Bytes& data) {
  Bytes digest(SHA256_DIGEST_LENGTH);
  SHA256(data.data(), data.size(), digest.data());
  return digest;
}

Result<Txg> write_at(DatasetFiles& files, FileId file, uint64_t offset, const Bytes& data) {
  const Piece piece{data.data(), data.size()};
  const FileOp op{FileOp::Kind::kWrite, file, offset, {&piece, 1}, 0};
  return files.apply({&op, 1});
}

Bytes read_at(DatasetFiles& files, FileId file, uint64_t offset, size_t length) {
  Bytes bytes(length, 0xee);
  ReadOp op{offset, length, bytes.data(), false, ErrorCode::kIo};
  Status status = files.read(file, {&op, 1});
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(op.ok) << error_name(op.error);
  return bytes;
}

void PoolTest::SetUp() {
  static int number = 0;
  name_ = "tank" + std::to_string(getpid()) + "n" + std::to_string(number++);
}

void PoolTest::create(Layout layout, unsigned vdevs, uint64_t size, Properties properties) {
  for (unsigned i = 0; i < vdevs; ++i) {
    vdevs_.push_back(scratch_.file("disk" + std::to_string(i)));
  }
  auto pool = create_test_pool({name_, vdevs_, layout, size, 12, std::move(properties)});
  ASSERT_OK(pool);
  pool_ = *pool;
}

void PoolTest::reopen() {
  if (pool_ != nullptr) ASSERT_OK(pool_->close());
  pool_.reset();
  auto pool = open_test_pool(name_, vdevs_);
  ASSERT_OK(pool);
  pool_ = *pool;
}

std::shared_ptr<DatasetFiles> PoolTest::dataset(const std::string& name, Properties properties) {
  EXPECT_OK(pool_->create_dataset(name_ + "/" + name, properties));
  auto files = pool_->open_files(name_ + "/" + name);
  EXPECT_OK(files);
  return files.ok() ? *files : nullptr;
}

void PoolTest::damage(unsigned vdev, uint64_t offset, const Bytes& with) {
  const int fd = open(vdevs_[vdev].c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(pwrite(fd, with.data(), with.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(with.size()));
  EXPECT_EQ(fsync(fd), 0);
  ::close(fd);
}

std::vector<uint64_t> PoolTest::find_on_disk(unsigned vdev, const Bytes& needle) {
  std::vector<uint64_t> places;
  const int fd = open(vdevs_[vdev].c_str(), O_RDONLY | O_CLOEXEC);
  const uint64_t size = std::filesystem::file_size(vdevs_[vdev]);
  Bytes part(kMiB);
  for (uint64_t at = 0; at < size; at += part.size()) {
    const ssize_t got = pread(fd, part.data(), part.size(), static_cast<off_t>(at));
    for (ssize_t sector = 0; sector + 4096 <= got; sector += 4096) {
      if (std::equal(needle.begin(), needle.end(), part.begin() + sector)) {
        places.push_back(at + static_cast<uint64_t>(sector));
      }
    }
  }
  ::close(fd);
  return places;
}

std::string PoolTest::wait_for_scrub() {
  for (int i = 0; i < 600; ++i) {
    auto status = pool_->status();
    if (!status.ok()) return status.error().message;
    if (status->scrub.state != "scanning") return status->scrub.state;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return "still scanning";
}

void PoolTest::keep_reserve() {
  if (engine_of_tests() != Engine::kKernel) return;
  ASSERT_OK(pool_->create_dataset(name_ + "/reserve", {{"reservation", "8M"}}));
}

void PoolTest::lend_reserve() {
  if (engine_of_tests() != Engine::kKernel) return;
  ASSERT_OK(pool_->set_properties(name_ + "/reserve", {{"reservation", "none"}}));
}

bool has_zdb() { return std::getenv("ZDB") != nullptr; }

std::string zdb(const ScratchFolder& scratch, const std::string& pool,
                const std::string& arguments) {
  const std::string command = std::string(std::getenv("ZDB")) + " -e -p " + scratch.path() + " " +
                              arguments + " " + pool + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  size_t length;
  while ((length = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0) output.append(buffer, length);
  const int code = pclose(pipe);
  return code == 0 ? output : "zdb failed (" + std::to_string(code) + "):\n" + output;
}

void expect_clean_pool(const ScratchFolder& scratch, const std::string& pool) {
  if (!has_zdb()) return;
  // -bcc reads every block and waits five seconds on the way; -bc reads the metadata.
  const char* check = std::getenv("ZDB_CHECK");
  const std::string blocks = zdb(scratch, pool, check != nullptr ? check : "-bc");
  EXPECT_NE(blocks.find("No leaks"), std::string::npos) << blocks;
  EXPECT_EQ(blocks.find("zdb failed"), std::string::npos) << blocks;
}

void PoolTest::TearDown() {
  if (pool_ == nullptr) return;
  ASSERT_OK(pool_->close());
  pool_.reset();
  if (check_with_zdb_) expect_clean_pool(scratch_, name_);
}

}  // namespace ipfs_zfs::test
