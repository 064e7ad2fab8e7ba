// The digest index beside a plain ordered map, with tables of a few keys and merges of two or three
// runs, so that levels are deep.
#include <map>

#include "native/store/index/index.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

using Model = std::map<Key, Value>;

// Counts the changes, so that the checkpoint can be told from the replayed rest.
class CountingOwner : public IndexOwner {
 public:
  std::vector<uint8_t> checkpoint() override {
    std::vector<uint8_t> bytes(sizeof(sum));
    std::memcpy(bytes.data(), &sum, sizeof(sum));
    return bytes;
  }
  Status restore(std::span<const uint8_t> checkpoint) override {
    sum = 0;
    if (!checkpoint.empty()) std::memcpy(&sum, checkpoint.data(), sizeof(sum));
    return {};
  }
  Status replay(const Change& change) override {
    count(change);
    return {};
  }
  void count(const Change& change) {
    if (change.value != kTombstone) sum += change.value;
    if (change.old_value != kTombstone) sum -= change.old_value;
  }

  uint64_t sum = 0;
};

class IndexModelTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    random_.seed(test_seed() + static_cast<uint64_t>(GetParam()) * 7919);
    options_ = {"index/test", 1 + random_() % 40, 2 + random_() % 3};
    // Some with less memory than the filters need, or none.
    if (GetParam() % 2 == 1) {
      options_.memory_bytes = 3 * Table::memory_bytes_of(options_.table_keys) + random_() % 2000;
    }
    for (int i = 0; i < 500; i++) {
      Key key{};
      for (uint8_t& byte : key) byte = static_cast<uint8_t>(random_());
      if (i % 7 == 0) std::fill(key.begin(), key.begin() + 8, 0x42);
      keys_.push_back(key);
    }
    open();
  }

  void open() {
    index_.reset();
    open_again(files_);
    auto index = Index::open(*files_, background_, owner_, options_);
    ASSERT_TRUE(index.ok()) << index.error().message;
    index_ = *std::move(index);
    uint64_t sum = 0;
    for (const auto& [key, value] : model_) sum += value;
    ASSERT_EQ(owner_.sum, sum);
  }

  void change_some() {
    std::map<Key, Change> changes;
    const size_t count = 1 + random_() % 20;
    for (size_t i = 0; i < count; i++) {
      const Key& key = keys_[random_() % keys_.size()];
      const auto there = model_.find(key);
      Change change{key, random_() % 1000, kTombstone};
      if (there != model_.end()) change.old_value = there->second;
      if (there != model_.end() && random_() % 2 == 0) change.value = kTombstone;
      changes[key] = change;
    }
    std::vector<Change> batch;
    for (const auto& [key, change] : changes) {
      batch.push_back(change);
      owner_.count(change);
      if (change.value == kTombstone) {
        model_.erase(key);
      } else {
        model_[key] = change.value;
      }
    }
    // The owner's checkpoint must be that of before the batch when it freezes the table.
    CountingOwner after = owner_;
    for (const Change& change : batch) {
      owner_.sum -= change.value == kTombstone ? 0 : change.value;
      owner_.sum += change.old_value == kTombstone ? 0 : change.old_value;
    }
    const auto applied = index_->apply(batch);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
    owner_.sum = after.sum;
  }

  void find_all() {
    std::vector<Found> found(keys_.size());
    index_->find_many(keys_, found);
    for (size_t i = 0; i < keys_.size(); i++) {
      const auto there = model_.find(keys_[i]);
      ASSERT_EQ(found[i].state, there == model_.end() ? Lookup::kAbsent : Lookup::kFound);
      if (there != model_.end()) {
        ASSERT_EQ(found[i].value, there->second);
      }
    }
    ASSERT_EQ(index_->keys(), model_.size());
    auto* memory = dynamic_cast<MemoryFiles*>(files_.get());
    find_all_now(found, memory != nullptr);
    if (memory == nullptr) return;
    memory->set_cold(true);
    find_all_now(found, false);
    memory->set_cold(false);
  }

  // What is said without waiting is what waiting would say; in the warm all of it is said.
  void find_all_now(const std::vector<Found>& found, bool warm) {
    for (size_t i = 0; i < keys_.size(); i++) {
      const auto now = index_->find_now(keys_[i]);
      ASSERT_TRUE(!warm || now.has_value());
      if (!now) continue;
      ASSERT_EQ(now->state, found[i].state);
      if (now->state == Lookup::kFound) {
        ASSERT_EQ(now->value, found[i].value);
      }
    }
  }

  void scan_some() {
    Key from = keys_[random_() % keys_.size()];
    Key last = keys_[random_() % keys_.size()];
    if (last < from) std::swap(from, last);
    const size_t limit = 1 + random_() % 60;
    auto expected = model_.lower_bound(from);
    for (bool done = false; !done;) {
      std::vector<Record> records;
      const auto end = index_->scan(from, last, limit, records);
      ASSERT_TRUE(end.ok()) << end.error().message;
      ASSERT_LE(records.size(), limit);
      for (const Record& record : records) {
        ASSERT_NE(expected, model_.end());
        ASSERT_EQ(record.key, expected->first);
        ASSERT_EQ(record.value, expected->second);
        ++expected;
      }
      from = end->next;
      done = end->done;
    }
    ASSERT_TRUE(expected == model_.end() || last < expected->first);
  }

  std::mt19937_64 random_;
  std::shared_ptr<DatasetFiles> files_ = new_files();
  Background background_;
  CountingOwner owner_;
  Index::Options options_;
  std::unique_ptr<Index> index_;
  std::vector<Key> keys_;
  Model model_;
};

TEST_P(IndexModelTest, BehavesLikeAMap) {
  for (int i = 0; i < rounds(400) && !HasFatalFailure(); i++) {
    change_some();
    if (i % 5 == 0) find_all();
    if (i % 3 == 0) scan_some();
    if (i % 60 == 59) open();
    if (i % 50 == 49) {
      ASSERT_TRUE(index_->settle(true).ok());
      for (const std::string& fault : index_->check()) ADD_FAILURE() << fault;
    }
  }
  EXPECT_LT(index_->stats().runs, 60u);
}

TEST(IndexMemory, KeepsItsBudgetByLeavingTheOldestFiltersOut) {
  constexpr size_t kTableKeys = 2000;
  std::mt19937_64 random(test_seed());
  std::vector<Change> changes(60 * kTableKeys);
  std::vector<Key> keys;
  for (Change& change : changes) {
    for (uint8_t& byte : change.key) byte = static_cast<uint8_t>(random());
    change.value = random() % 1000;
    keys.push_back(change.key);
  }
  auto files = new_files();
  Background background;
  CountingOwner owner;
  Index::Options options{"index/test", kTableKeys, 4};
  const size_t tables = 3 * Table::memory_bytes_of(kTableKeys);
  options.memory_bytes = tables + keys.size() / 2;  // filters need more than a byte a key
  options.page_cache_bytes = 1 << 20;
  for (const bool reopened : {false, true}) {
    open_again(files);
    auto opened = Index::open(*files, background, owner, options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Index& index = **opened;
    for (size_t at = 0; !reopened && at < changes.size(); at += kTableKeys / 2) {
      ASSERT_TRUE(index.apply(std::span(changes).subspan(at, kTableKeys / 2)).ok());
    }
    ASSERT_TRUE(index.settle(true).ok());
    const IndexStats stats = index.stats();
    EXPECT_GT(stats.unfiltered_runs, 0u);
    EXPECT_LT(stats.unfiltered_runs, stats.runs);
    // The fences of the last run come on top.
    EXPECT_LE(stats.memory_bytes, options.memory_bytes + keys.size() / 10);
    std::vector<Found> found(keys.size());
    index.find_many(keys, found);
    for (size_t i = 0; i < keys.size(); i++) {
      ASSERT_EQ(found[i].state, Lookup::kFound);
      ASSERT_EQ(found[i].value, changes[i].value);
    }
    EXPECT_TRUE(index.check().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, IndexModelTest, ::testing::Range(0, 8));

}  // namespace
}  // namespace ipfs_zfs::test
