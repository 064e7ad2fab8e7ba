// Bulk loads beside an ordered map: unsorted with keys that come twice, sorted, over what is there.
#include <map>

#include "native/store/index/bulk_load.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

class NoState : public IndexOwner {
 public:
  std::vector<uint8_t> checkpoint() override { return {}; }
  Status restore(std::span<const uint8_t>) override { return {}; }
  Status replay(const Change&) override { return {}; }
};

class IndexBulk : public ::testing::Test {
 protected:
  void begin(std::shared_ptr<DatasetFiles> files) {
    files_ = std::move(files);
    open();
  }

  void open() {
    index_.reset();
    open_again(files_);
    auto index = Index::open(*files_, background_, owner_, {"index/test", 200, 3});
    ASSERT_TRUE(index.ok()) << index.error().message;
    index_ = *std::move(index);
  }

  Key random_key() {
    Key key;
    for (uint8_t& byte : key) byte = static_cast<uint8_t>(random_());
    return key;
  }

  void load(std::span<const Record> records, BulkLoad::Options options) {
    auto load = BulkLoad::begin(*index_, options);
    ASSERT_TRUE(load.ok()) << load.error().message;
    for (size_t at = 0; at < records.size(); at += 700) {
      const auto some = records.subspan(at, std::min<size_t>(700, records.size() - at));
      ASSERT_TRUE((*load)->add(some).ok());
    }
    const uint64_t before = index_->keys();
    const auto added = (*load)->finish();
    ASSERT_TRUE(added.ok()) << added.error().message;
    for (const Record& record : records) model_[record.key] = record.value;
    EXPECT_EQ(*added, model_.size() - before);
  }

  void expect_all(const Index& index) {
    ASSERT_EQ(index.keys(), model_.size());
    std::vector<Record> records;
    Key last;
    last.fill(0xff);
    ASSERT_TRUE(index.scan(Key{}, last, model_.size() + 1, records).ok());
    ASSERT_EQ(records.size(), model_.size());
    auto expected = model_.begin();
    for (const Record& record : records) {
      ASSERT_EQ(record.key, expected->first);
      ASSERT_EQ(record.value, expected->second);
      ++expected;
    }
    for (const std::string& fault : index.check()) ADD_FAILURE() << fault;
  }

  std::mt19937_64 random_{test_seed()};
  std::shared_ptr<DatasetFiles> files_;
  Background background_;
  NoState owner_;
  std::unique_ptr<Index> index_;
  std::map<Key, Value> model_;
};

TEST_F(IndexBulk, UnsortedWithKeysThatComeTwice) {
  begin(new_files());
  std::vector<Record> records;
  for (uint64_t i = 0; i < 50'000; i++) {
    const bool again = i > 0 && i % 10 == 0;
    records.push_back({again ? records[random_() % i].key : random_key(), i});
  }
  // Four parts, several buffers each.
  load(records, {.expected_records = 3u << 20});
  expect_all(*index_);
  open();
  expect_all(*index_);
}

TEST_F(IndexBulk, OverWhatIsThereAndUnderWhatComes) {
  begin(new_files());
  std::vector<Change> changes;
  for (uint64_t i = 0; i < 150; i++) {
    changes.push_back({random_key(), i, kTombstone});
    model_[changes.back().key] = i;
  }
  ASSERT_TRUE(index_->apply(changes).ok());
  std::vector<Record> records;
  for (uint64_t i = 0; i < 5'000; i++) {
    records.push_back({i % 50 == 0 ? changes[i / 50].key : random_key(), 1'000 + i});
  }
  load(records, {.expected_records = records.size()});
  expect_all(*index_);
  for (const Record& record : std::span(records).first(300)) {
    const Change gone{record.key, kTombstone, record.value};
    ASSERT_TRUE(index_->apply({&gone, 1}).ok());
    model_.erase(record.key);
  }
  ASSERT_TRUE(index_->compact().ok());
  expect_all(*index_);
  open();
  expect_all(*index_);
}

TEST_F(IndexBulk, SortedInputIsHeldToItsWord) {
  begin(new_files());
  std::map<Key, Value> sorted;
  for (uint64_t i = 0; i < 3'000; i++) sorted[random_key()] = i;
  std::vector<Record> records;
  for (const auto& [key, value] : sorted) records.push_back({key, value});
  load(records, {.expected_records = records.size(), .sorted = true});
  expect_all(*index_);
  auto wrong = BulkLoad::begin(*index_, {.expected_records = 2, .sorted = true});
  ASSERT_TRUE(wrong.ok());
  const Status added = (*wrong)->add(std::vector<Record>{records[1], records[0]});
  EXPECT_EQ(added.error().code, ErrorCode::kInvalid);
  const Record deleted{records[2].key, kTombstone};
  EXPECT_EQ((*wrong)->add({&deleted, 1}).error().code, ErrorCode::kInvalid);
  wrong->reset();
  expect_all(*index_);
}

TEST_F(IndexBulk, ACrashLeavesNothingOfALoadOrAllOfIt) {
  std::vector<Record> records;
  for (uint64_t i = 0; i < 9'000; i++) records.push_back({random_key(), i});
  const auto memory = std::make_shared<MemoryFiles>();
  begin(memory);
  memory->keep_history();
  load(records, {.expected_records = 3u << 20});
  index_.reset();
  const std::map<Key, Value> all = model_;
  size_t whole = 0;
  for (size_t moment = 0; moment < memory->history_size(); moment++) {
    MemoryFiles crashed(memory->history_at(moment));
    auto index = Index::open(crashed, background_, owner_, {"index/test", 200, 3});
    ASSERT_TRUE(index.ok()) << index.error().message;
    model_ = (*index)->keys() == 0 ? std::map<Key, Value>() : all;
    whole += model_.empty() ? 0 : 1;
    expect_all(**index);
    for (const DirEntry& entry : entries_of(crashed, "index/test")) {
      EXPECT_FALSE(entry.name.ends_with(".part")) << entry.name;
    }
  }
  EXPECT_GT(whole, 0u);
}

}  // namespace
}  // namespace ipfs_zfs::test
