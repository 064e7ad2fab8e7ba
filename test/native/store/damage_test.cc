// Damaged and cut files of the index: each byte flipped, each length. Whatever is opened then must
// say that something is wrong, or be right.
#include <map>
#include <thread>

#include "native/store/index/log.h"
#include "native/store/index/manifest.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

constexpr size_t kTableKeys = 24;
constexpr char kFolder[] = "index/blocks/";

class Damage : public ::testing::Test {
 protected:
  void SetUp() override {
    auto files = std::make_shared<MemoryFiles>();
    auto store = open_store(files, kTableKeys);
    for (int i = 0; i < 70; i++) {
      blocks_.push_back(i % 6 == 0 ? make_foreign_block(random_, 50, 32)
                                   : make_block(random_, 1 + random_() % 200));
      ASSERT_TRUE(put_one(*store, blocks_.back()).ok());
    }
    // Two tables have become runs by then, and a log of the rest is there.
    while (store->stats().index_runs < 2) std::this_thread::yield();
    ASSERT_TRUE(store->close().ok());
    state_ = files->state();
    for (const DirEntry& entry : entries_of(*files, "index/blocks")) names_.push_back(entry.name);
  }

  std::string name_ending(const std::string& suffix) {
    for (const std::string& name : names_) {
      if (name.ends_with(suffix)) return name;
    }
    ADD_FAILURE() << "no file " << suffix;
    return {};
  }

  // Opens the store with that file's content replaced. Returns how many of the blocks, in the
  // order in which they were put, it has; -1 when it says that it cannot open or answer.
  int blocks_there(const std::string& name, const Bytes& content, bool* newer = nullptr) {
    auto files = std::make_shared<MemoryFiles>(state_);
    files->set_content(kFolder + name, content);
    auto store = BlockStore::open({files}, all_to_shard_0(), {kTableKeys, {}});
    if (!store) {
      const bool is_newer = store.error().code == ErrorCode::kNewerVersion;
      if (newer != nullptr) *newer = is_newer;
      EXPECT_TRUE(is_newer || store.error().code == ErrorCode::kCorrupt) << store.error().message;
      EXPECT_NE(store.error().message.find(kFolder), std::string::npos) << store.error().message;
      return -1;
    }
    int there = 0;
    bool failed = false;
    bool absent = false;
    for (const Block& block : blocks_) {
      const Got got = get_one(**store, block.multihash);
      if (got.outcome == Outcome::kFailed) failed = true;
      if (got.outcome == Outcome::kAbsent) absent = true;
      if (got.outcome != Outcome::kFound) continue;
      EXPECT_TRUE(got.bytes == block.bytes);
      EXPECT_FALSE(absent) << "a later block is there, an earlier one is not";
      there++;
    }
    EXPECT_FALSE(failed && absent);
    const auto page = (*store)->scan(Key{}, 1000);
    if (page) {
      EXPECT_EQ(page->blocks.size(), static_cast<size_t>(there));
    } else {
      EXPECT_EQ(page.error().code, ErrorCode::kCorrupt);
    }
    return failed ? -1 : there;
  }

  Bytes content(const std::string& name) { return MemoryFiles(state_).content(kFolder + name); }

  // Every byte of a small file, a sample of a large one.
  template <typename Check>
  void flip_each(const std::string& name, const Check& check) {
    const Bytes whole = content(name);
    const size_t step = std::max<size_t>(1, whole.size() / static_cast<size_t>(rounds(1500)));
    for (size_t at = random_() % step; at < whole.size(); at += 1 + random_() % (2 * step - 1)) {
      Bytes flipped = whole;
      flipped[at] ^= static_cast<uint8_t>(1 + random_() % 255);
      check(at, blocks_there(name, flipped));
      if (HasFatalFailure()) return;
    }
  }

  int all() const { return static_cast<int>(blocks_.size()); }

  std::mt19937_64 random_{test_seed()};
  std::vector<Block> blocks_;
  std::vector<std::string> names_;
  MemoryFiles::State state_;
};

TEST_F(Damage, TheFilesAreAllThere) {
  EXPECT_EQ(blocks_there("manifest", content("manifest")), all());
  for (const char* suffix : {".log", ".run", ".alloc"}) EXPECT_FALSE(name_ending(suffix).empty());
}

TEST_F(Damage, AFlippedManifestIsFound) {
  flip_each("manifest", [](size_t at, int there) { ASSERT_EQ(there, -1) << at; });
}

TEST_F(Damage, ACutManifestIsFound) {
  const Bytes whole = content("manifest");
  for (size_t size = 0; size < whole.size(); size++) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_EQ(blocks_there("manifest", cut), -1) << size;
  }
}

TEST_F(Damage, AFlippedCheckpointIsFound) {
  flip_each(name_ending(".alloc"), [](size_t at, int there) { ASSERT_EQ(there, -1) << at; });
}

TEST_F(Damage, AFlippedRunIsFoundOrHarmless) {
  flip_each(name_ending(".run"), [this](size_t at, int there) {
    ASSERT_TRUE(there == -1 || there == all()) << at;  // padding is covered by nothing
  });
}

TEST_F(Damage, ACutRunIsFound) {
  const std::string name = name_ending(".run");
  const Bytes whole = content(name);
  for (size_t size = 0; size < whole.size(); size += 1 + random_() % 300) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_EQ(blocks_there(name, cut), -1) << size;
  }
}

TEST_F(Damage, AFlippedLogIsFoundOrLosesItsEnd) {
  const std::string name = name_ending(".log");
  const size_t frame = sizeof(FrameHeader) + kPutBytes;  // each block was put by itself
  const Bytes whole = content(name);
  flip_each(name, [&](size_t at, int there) {
    if (at >= whole.size() - frame) {
      ASSERT_EQ(there, all() - 1) << at;
    } else {
      ASSERT_EQ(there, -1) << at;
    }
  });
}

TEST_F(Damage, ACutLogLosesItsEndOnly) {
  const std::string name = name_ending(".log");
  const size_t frame = sizeof(FrameHeader) + kPutBytes;
  const Bytes whole = content(name);
  const auto frames = static_cast<int>((whole.size() - sizeof(LogHeader)) / frame);
  for (size_t size = 0; size < whole.size(); size += 1 + random_() % 5) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const int left =
        size < sizeof(LogHeader) ? 0 : static_cast<int>((size - sizeof(LogHeader)) / frame);
    ASSERT_EQ(blocks_there(name, cut), all() - frames + left) << size;
  }
}

TEST_F(Damage, GarbageAfterATornEndIsClearedAway) {
  const std::string name = name_ending(".log");
  Bytes torn = content(name);
  const size_t end = torn.size();
  torn.resize(end + 1000, 0xA5);
  auto files = std::make_shared<MemoryFiles>(state_);
  files->set_content(kFolder + name, torn);
  auto store = open_store(files, kTableKeys);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(files->content(kFolder + name).size(), end);
  const Block block = make_block(random_, 10);
  ASSERT_TRUE(put_one(*store, block).ok());
  store.reset();
  store = open_store(files, kTableKeys);
  EXPECT_EQ(get_one(*store, block.multihash).bytes, block.bytes);
  expect_clean(*store);
}

TEST_F(Damage, AMissingFileIsFound) {
  for (const std::string& name : names_) {
    auto files = std::make_shared<MemoryFiles>(state_);
    ASSERT_TRUE(files->unlink(kFolder + name).ok());
    const auto store = BlockStore::open({files}, all_to_shard_0(), {kTableKeys, {}});
    ASSERT_FALSE(store.ok()) << name;
    EXPECT_EQ(store.error().code, ErrorCode::kCorrupt) << store.error().message;
  }
}

TEST_F(Damage, NewerFilesAreRefused) {
  for (const std::string& name : names_) {
    if (name.ends_with(".alloc")) continue;  // its version lies behind the manifest's checksum
    Bytes newer = content(name);
    newer[8] = 200;  // the version follows the magic in every format
    bool is_newer = false;
    EXPECT_EQ(blocks_there(name, newer, &is_newer), -1) << name;
    EXPECT_TRUE(is_newer) << name;
  }
}

TEST_F(Damage, AManifestComesBackAsItWas) {
  const auto manifest = decode_manifest(content("manifest"), "m");
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(encode_manifest(*manifest), content("manifest"));
}

}  // namespace
}  // namespace ipfs_zfs::test
