// Very many operations on one index of counts beside an array. The long run takes hours:
//   INDEX_OPS=1e9 TEST_TIMEOUT=86400 SANITIZE= test/native/run.sh store_index_operations
// And crashes that tear a write, for an engine whose applies can be torn.
#include <algorithm>

#include "native/store/index/counts.h"
#include "native/store/index/index.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

class NoState : public IndexOwner {
 public:
  std::vector<uint8_t> checkpoint() override { return {}; }
  Status restore(std::span<const uint8_t>) override { return {}; }
  Status replay(const Change&) override { return {}; }
};

uint64_t wanted_operations() {
  const char* text = std::getenv("INDEX_OPS");
  return text ? static_cast<uint64_t>(std::atof(text)) : 10'000'000;
}

Key random_key(std::mt19937_64& random) {
  Key key;
  for (size_t at = 0; at < key.size(); at += 8) {
    const uint64_t word = random();
    std::memcpy(key.data() + at, &word, sizeof(word));
  }
  return key;
}

// The keys are few enough that each changes often, and their model is an array in their order.
class Operations {
 public:
  static constexpr size_t kKeys = 30'000;
  static constexpr size_t kBatch = 1000;

  explicit Operations(uint64_t seed) : random_(seed), counts_(kKeys) {
    for (size_t i = 0; i < kKeys; i++) keys_.push_back(random_key(random_));
    std::sort(keys_.begin(), keys_.end());
    reopen();
  }

  uint64_t done() const { return done_; }

  // In memory as after a crash at any moment: what had been applied is there.
  void reopen() {
    if (const auto* memory = dynamic_cast<MemoryFiles*>(files_.get()); memory && index_) {
      MemoryFiles::State state = memory->state();
      index_.reset();
      files_ = std::make_shared<MemoryFiles>(std::move(state));
    }
    index_.reset();
    open_again(files_);
    auto index = Index::open(*files_, background_, owner_, options_);
    ASSERT_TRUE(index.ok()) << index.error().message;
    index_ = *std::move(index);
    ASSERT_EQ(index_->keys(), live_);
  }

  void change() {
    std::vector<Delta> deltas;
    for (size_t i = 0; i < kBatch; i++) {
      const size_t at = random_() % kKeys;
      const auto up = static_cast<int64_t>(random_() % 3);
      // Half of them go down to nothing.
      int64_t by = random_() % 2 == 0 ? up : -static_cast<int64_t>(counts_[at]);
      deltas.push_back({keys_[at], by});
      live_ -= counts_[at] != 0 ? 1 : 0;
      counts_[at] += static_cast<Value>(by);
      live_ += counts_[at] != 0 ? 1 : 0;
    }
    ASSERT_TRUE(merge_deltas(deltas).ok());
    std::vector<Key> keys(deltas.size());
    for (size_t i = 0; i < keys.size(); i++) keys[i] = deltas[i].key;
    std::vector<Found> found(keys.size());
    index_->find_many(keys, found);
    std::vector<Change> changes;
    const Status made = changes_of(deltas, found, changes);
    ASSERT_TRUE(made.ok()) << made.error().message;
    const auto applied = index_->apply(changes);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
    ASSERT_EQ(index_->keys(), live_);
    done_ += kBatch;
  }

  void find() {
    std::vector<size_t> places(kBatch);
    std::vector<Key> keys(kBatch);
    for (size_t i = 0; i < kBatch; i++) {
      places[i] = random_() % kKeys;
      keys[i] = keys_[places[i]];
      if (i % 8 == 0) keys[i][31] ^= 1;  // one that is not there
    }
    std::vector<Found> found(kBatch);
    index_->find_many(keys, found);
    for (size_t i = 0; i < kBatch; i++) {
      const Value count = i % 8 == 0 ? 0 : counts_[places[i]];
      ASSERT_EQ(found[i].state, count == 0 ? Lookup::kAbsent : Lookup::kFound);
      if (count != 0) {
        ASSERT_EQ(found[i].value, count);
      }
    }
    done_ += kBatch;
  }

  // By cursor, from anywhere, while merges go on.
  void scan() {
    size_t at = random_() % kKeys;
    const size_t last = std::min(kKeys - 1, at + 3 * kBatch);
    Key from = keys_[at];
    for (bool end = false; !end;) {
      std::vector<Record> records;
      const auto page = index_->scan(from, keys_[last], 1 + random_() % kBatch, records);
      ASSERT_TRUE(page.ok()) << page.error().message;
      for (const Record& record : records) {
        while (at <= last && counts_[at] == 0) at++;
        ASSERT_LE(at, last);
        ASSERT_EQ(record.key, keys_[at]);
        ASSERT_EQ(record.value, counts_[at]);
        at++;
      }
      done_ += records.size();
      from = page->next;
      end = page->done;
    }
    while (at <= last && counts_[at] == 0) at++;
    ASSERT_EQ(at, last + 1);
  }

  void check() {
    ASSERT_TRUE(index_->settle(true).ok());
    for (const std::string& fault : index_->check()) ADD_FAILURE() << fault;
  }

 private:
  std::mt19937_64 random_;
  std::vector<Key> keys_;
  std::vector<Value> counts_;
  uint64_t live_ = 0;
  uint64_t done_ = 0;
  NoState owner_;
  Index::Options options_{"index/test", 4096, 3, SIZE_MAX, size_t{256} << 10};
  Background background_;
  std::shared_ptr<DatasetFiles> files_ = new_files();
  std::unique_ptr<Index> index_;
};

TEST(IndexOperations, BehaveLikeAnArray) {
  Operations operations(test_seed());
  const uint64_t wanted = wanted_operations();
  for (uint64_t i = 0; operations.done() < wanted && !::testing::Test::HasFatalFailure(); i++) {
    operations.change();
    operations.find();
    if (i % 4 == 0) operations.scan();
    if (i % 300 == 299) operations.check();
    if (i % 100 == 99) operations.reopen();
  }
  operations.check();
  EXPECT_GE(operations.done(), wanted);
}

// An engine that cannot make an apply one transaction writes its ops in order, and a crash may
// leave the first part of one. Every such moment opens, at the batch before or at this one.
TEST(IndexTornWrites, LeaveTheBatchBeforeOrThisOne) {
  std::mt19937_64 random(test_seed());
  MemoryFiles files;
  Background background;
  NoState owner;
  const Index::Options options{"index/test", 12, 2};
  auto opened = Index::open(files, background, owner, options);
  ASSERT_TRUE(opened.ok());
  files.keep_history();
  files.keep_torn_moments();
  std::vector<size_t> acknowledged;  // the moments there were after batch i
  const Key marker{};
  std::vector<Key> keys;
  for (uint64_t batch = 0; batch < 60; batch++) {
    // The marker has the number of the batch, one key more comes with each.
    keys.push_back(random_key(random));
    const Change changes[] = {{marker, batch, batch == 0 ? kTombstone : batch - 1},
                              {keys.back(), batch, kTombstone}};
    ASSERT_TRUE((*opened)->apply(changes).ok());
    acknowledged.push_back(files.history_size());
  }
  ASSERT_TRUE((*opened)->settle(true).ok());
  for (size_t moment = 0; moment < files.history_size(); moment++) {
    MemoryFiles crashed(files.history_at(moment));
    auto index = Index::open(crashed, background, owner, options);
    ASSERT_TRUE(index.ok()) << "at moment " << moment << ": " << index.error().message;
    Found last;
    (*index)->find_many({&marker, 1}, {&last, 1});
    const uint64_t batches = last.state == Lookup::kFound ? last.value + 1 : 0;
    const auto past = std::upper_bound(acknowledged.begin(), acknowledged.end(), moment + 1);
    const auto least = static_cast<uint64_t>(past - acknowledged.begin());
    ASSERT_TRUE(batches == least || batches == least + 1) << "at moment " << moment;
    ASSERT_EQ((*index)->keys(), batches == 0 ? 0 : batches + 1);
    std::vector<Found> found(keys.size());
    (*index)->find_many(keys, found);
    for (size_t i = 0; i < keys.size(); i++) {
      ASSERT_EQ(found[i].state, i < batches ? Lookup::kFound : Lookup::kAbsent);
    }
    for (const std::string& fault : (*index)->check()) ADD_FAILURE() << fault;
    // What it goes on with is whole too.
    const Key more = random_key(random);
    const Change change{more, 1, kTombstone};
    ASSERT_TRUE((*index)->apply({&change, 1}).ok());
    index->reset();
    auto again = Index::open(crashed, background, owner, options);
    ASSERT_TRUE(again.ok()) << "again at moment " << moment << ": " << again.error().message;
    ASSERT_EQ((*again)->keys(), (batches == 0 ? 0 : batches + 1) + 1);
  }
}

}  // namespace
}  // namespace ipfs_zfs::test
