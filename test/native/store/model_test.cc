// The block store beside a plain map: random puts, gets, removes, scans, compactions and reopenings
// with tables so small that runs and merges happen all the time, and a crash after any change.
#include "support.h"

#include <algorithm>
#include <map>
#include <set>

namespace ipfs_zfs::test {
namespace {

using Model = std::map<Key, size_t>;  // key → which block of the universe

class ModelTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    random_.seed(test_seed() + static_cast<uint64_t>(GetParam()) * 1000003);
    for (int i = 0; i < 240; i++) universe_.push_back(random_block());
    table_keys_ = 4 + random_() % 60;
  }

  Block random_block() {
    static constexpr size_t kSlotSizes[] = {65536, 65537, 131072, 70000, 140000};
    size_t size = random_() % 600;
    if (random_() % 4 == 0) size = random_() % 30000;
    if (random_() % 12 == 0) size = kSlotSizes[random_() % std::size(kSlotSizes)];
    if (random_() % 5 == 0) return make_foreign_block(random_, size, 16 + random_() % 110);
    return make_block(random_, size);
  }

  std::vector<size_t> some_blocks() {
    std::vector<size_t> chosen(1 + random_() % 30);
    for (size_t& one : chosen) one = random_() % universe_.size();
    return chosen;
  }

  void put_some() {
    std::vector<Block> blocks;
    for (const size_t i : some_blocks()) {
      blocks.push_back(universe_[i]);
      model_[key_of(universe_[i].multihash)] = i;
    }
    const auto put = put_all(*store_, blocks);
    ASSERT_TRUE(put.ok()) << put.error().message;
  }

  void remove_some() {
    std::vector<Bytes> multihashes;
    for (const size_t i : some_blocks()) {
      multihashes.push_back(universe_[i].multihash);
      model_.erase(key_of(universe_[i].multihash));
    }
    const auto removed = remove_all(*store_, multihashes);
    ASSERT_TRUE(removed.ok()) << removed.error().message;
  }

  // By key; it tells what was there.
  void remove_keys() {
    std::vector<Key> keys;
    std::multiset<Bytes> wanted;
    for (const size_t i : some_blocks()) {
      keys.push_back(key_of(universe_[i].multihash));
      if (model_.erase(keys.back()) == 1) wanted.insert(universe_[i].multihash);
    }
    RemovedBlocks removed;
    const auto done = store_->remove_keys(keys, removed);
    ASSERT_TRUE(done.ok()) << done.error().message;
    std::multiset<Bytes> told(removed.multihashes.begin(), removed.multihashes.end());
    for (const Key& key : removed.digests) told.insert(sha2_256_multihash(key));
    ASSERT_EQ(told, wanted);
  }

  void get_some(BlockStore& store, const Model& model) {
    std::vector<Bytes> multihashes;
    const std::vector<size_t> chosen = some_blocks();
    for (const size_t i : chosen) multihashes.push_back(universe_[i].multihash);
    const std::vector<Got> got = get_all(store, multihashes);
    for (size_t at = 0; at < chosen.size(); at++) {
      const Block& block = universe_[chosen[at]];
      const bool there = model.contains(key_of(block.multihash));
      ASSERT_EQ(got[at].outcome, there ? Outcome::kFound : Outcome::kAbsent);
      ASSERT_TRUE(!there || got[at].bytes == block.bytes);
      ASSERT_EQ(size_of(store, block.multihash),
                there ? static_cast<int64_t>(block.bytes.size()) : -1);
    }
  }

  void scan_some() {
    Key from{};
    from[0] = static_cast<uint8_t>(random_());
    from[1] = static_cast<uint8_t>(random_());
    const auto page = store_->scan(from, 1 + random_() % 50);
    ASSERT_TRUE(page.ok()) << page.error().message;
    auto expected = model_.lower_bound(from);
    for (const ScannedBlock& block : page->blocks) {
      ASSERT_NE(expected, model_.end());
      ASSERT_EQ(block.key, expected->first);
      ASSERT_EQ(block.multihash, universe_[expected->second].multihash);
      ASSERT_EQ(block.size_bytes, universe_[expected->second].bytes.size());
      ++expected;
    }
    if (page->done) {
      ASSERT_EQ(expected, model_.end());
    } else {
      ASSERT_TRUE(expected == model_.end() || page->next <= expected->first);
    }
  }

  void expect_counts() {
    uint64_t bytes = 0;
    for (const auto& [key, i] : model_) bytes += universe_[i].bytes.size();
    ASSERT_EQ(store_->stats().blocks, model_.size());
    ASSERT_EQ(store_->stats().block_bytes, bytes);
  }

  void compact() {
    const auto given_back = store_->compact_step();
    ASSERT_TRUE(given_back.ok()) << given_back.error().message;
  }

  void reopen() {
    if (random_() % 2 == 0) {
      ASSERT_TRUE(store_->close().ok());
    }
    store_.reset();
    open_again(files_);
    store_ = open_store(files_, table_keys_);
    ASSERT_NE(store_, nullptr);
  }

  void step() {
    const uint64_t dice = random_() % 100;
    if (dice < 40) {
      put_some();
    } else if (dice < 60) {
      random_() % 2 == 0 ? remove_some() : remove_keys();
    } else if (dice < 75) {
      get_some(*store_, model_);
    } else if (dice < 88) {
      scan_some();
    } else if (dice < 92) {
      compact();
    } else if (dice < 95) {
      expect_clean(*store_);
    } else if (dice < 98) {
      reopen();
    } else {
      expect_counts();
    }
  }

  std::mt19937_64 random_;
  std::vector<Block> universe_;
  size_t table_keys_ = 0;
  std::shared_ptr<DatasetFiles> files_;
  std::unique_ptr<BlockStore> store_;
  Model model_;
};

TEST_P(ModelTest, BehavesLikeAMap) {
  files_ = new_files();
  store_ = open_store(files_, table_keys_);
  for (int i = 0; i < rounds(600) && !HasFatalFailure(); i++) step();
  expect_clean(*store_);
  expect_counts();
}

// What each step changed, and how long the files' history was before and after it.
struct Moment {
  size_t history_before = 0;
  Model before;
  Model after;
};

TEST_P(ModelTest, ComesBackAfterACrashAtAnyChange) {
  const auto memory = std::make_shared<MemoryFiles>();
  memory->keep_history();
  files_ = memory;
  store_ = open_store(files_, table_keys_);
  std::vector<Moment> moments;
  for (int i = 0; i < 150 && !HasFatalFailure(); i++) {
    Moment moment;
    moment.history_before = memory->history_size();
    moment.before = model_;
    step();
    moment.after = model_;
    moments.push_back(std::move(moment));
  }
  store_.reset();
  const size_t total = memory->history_size();
  for (int i = 0; i < rounds(60) && !HasFatalFailure(); i++) {
    const size_t at = random_() % total;
    // The step that was at work when the history had `at` + 1 entries.
    const auto after = std::upper_bound(
        moments.begin(), moments.end(), at,
        [](size_t wanted, const Moment& moment) { return wanted < moment.history_before; });
    const Moment& moment = after == moments.begin() ? moments.front() : *(after - 1);
    auto files = std::make_shared<MemoryFiles>(memory->history_at(at));
    auto store = open_store(files, table_keys_);
    ASSERT_NE(store, nullptr) << "history " << at;
    Model found;
    for (const ScannedBlock& block : scan_all(*store, 64)) {
      const bool before = moment.before.contains(block.key);
      ASSERT_TRUE(before || moment.after.contains(block.key)) << "history " << at;
      found[block.key] = before ? moment.before.at(block.key) : moment.after.at(block.key);
    }
    for (const auto& [key, which] : moment.before) {
      ASSERT_TRUE(found.contains(key) || !moment.after.contains(key)) << "history " << at;
    }
    expect_clean(*store);
    get_some(*store, found);
    // And it goes on from there.
    const Block block = make_block(random_, 100);
    ASSERT_TRUE(put_one(*store, block).ok());
    ASSERT_EQ(get_one(*store, block.multihash).bytes, block.bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Range(0, 6));

}  // namespace
}  // namespace ipfs_zfs::test
