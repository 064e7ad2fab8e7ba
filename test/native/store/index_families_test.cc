// Several families of one dataset under one owner: an ordinary one and one of counts, changed in
// one atomic batch, beside ordered maps. What the owner does here is what a catalog does.
#include <map>

#include "native/store/bytes.h"
#include "native/store/index/counts.h"
#include "native/store/index/index.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

using Model = std::map<Key, Value>;

class NoState : public IndexOwner {
 public:
  std::vector<uint8_t> checkpoint() override { return {}; }
  Status restore(std::span<const uint8_t>) override { return {}; }
  Status replay(const Change&) override { return {}; }
};

Key key_of(uint64_t number) {
  Key key{};
  std::mt19937_64 random(number);
  for (size_t at = 0; at < key.size(); at += 8) {
    const uint64_t word = random();
    std::memcpy(key.data() + at, &word, sizeof(word));
  }
  return key;
}

// Pins and reference counts.
class Families {
 public:
  static std::unique_ptr<Families> open(DatasetFiles& files, Background& background,
                                        size_t table_keys, size_t fan_out) {
    auto both = std::make_unique<Families>(files);
    auto pins = Index::open(files, background, both->owner_, {"index/pins", table_keys, fan_out});
    EXPECT_TRUE(pins.ok()) << pins.error().message;
    if (!pins) return nullptr;
    auto refs = Index::open(files, background, both->owner_, {"index/refs", table_keys, fan_out});
    EXPECT_TRUE(refs.ok()) << refs.error().message;
    if (!refs) return nullptr;
    both->pins_ = *std::move(pins);
    both->refs_ = *std::move(refs);
    return both;
  }
  explicit Families(DatasetFiles& files) : files_(files) {}

  Index& pins() { return *pins_; }
  Index& refs() { return *refs_; }

  // All of it or nothing.
  Status change(std::span<const Change> pins, std::vector<Delta> deltas) {
    Status done = merge_deltas(deltas);
    if (!done) return done;
    std::vector<Key> keys(deltas.size());
    for (size_t i = 0; i < keys.size(); i++) keys[i] = deltas[i].key;
    std::vector<Found> found(keys.size());
    const uint64_t generation = refs_->find_many(keys, found);
    // From here on it is the one writer.
    done = pins_->make_room(pins.size(), Index::Room::kPut);
    if (done) done = refs_->make_room(deltas.size(), Index::Room::kPut);
    if (!done) return done;
    refs_->find_again(generation, keys, found);
    std::vector<Change> counts;
    done = changes_of(deltas, found, counts);
    if (!done) return done;
    std::vector<FileOp> ops;
    if (!pins.empty()) ops.push_back(pins_->stage(pins));
    if (!counts.empty()) ops.push_back(refs_->stage(counts));
    if (ops.empty()) return {};
    const auto txg = files_.apply(ops);
    if (!txg) return txg.error();
    if (!pins.empty()) pins_->commit(pins);
    if (!counts.empty()) refs_->commit(counts);
    return {};
  }

 private:
  DatasetFiles& files_;
  NoState owner_;
  std::unique_ptr<Index> pins_;
  std::unique_ptr<Index> refs_;
};

struct Models {
  Model pins;
  Model refs;
};

void expect_model(const Index& index, const Model& model) {
  std::vector<Record> records;
  Key last;
  last.fill(0xff);
  const auto end = index.scan(Key{}, last, model.size() + 1, records);
  ASSERT_TRUE(end.ok()) << end.error().message;
  ASSERT_EQ(records.size(), model.size());
  auto expected = model.begin();
  for (const Record& record : records) {
    ASSERT_EQ(record.key, expected->first);
    ASSERT_EQ(record.value, expected->second);
    ++expected;
  }
  ASSERT_EQ(index.keys(), model.size());
  for (const std::string& fault : index.check()) ADD_FAILURE() << fault;
}

void expect_found(const Index& index, const Model& model, std::span<const Key> keys) {
  std::vector<Found> found(keys.size());
  index.find_many(keys, found);
  for (size_t i = 0; i < keys.size(); i++) {
    const auto there = model.find(keys[i]);
    ASSERT_EQ(found[i].state, there == model.end() ? Lookup::kAbsent : Lookup::kFound);
    if (there == model.end()) continue;
    ASSERT_EQ(found[i].value, there->second);
  }
}

class IndexFamiliesTest : public ::testing::TestWithParam<int> {
 protected:
  static constexpr uint64_t kKeys = 120;

  void SetUp() override {
    random_.seed(test_seed() + static_cast<uint64_t>(GetParam()) * 104729);
    table_keys_ = 4 + random_() % 20;
    for (uint64_t i = 0; i < kKeys; i++) keys_.push_back(key_of(i));
  }

  void begin(std::shared_ptr<DatasetFiles> files) {
    files_ = std::move(files);
    open();
  }

  void open() {
    families_.reset();
    open_again(files_);
    families_ = Families::open(*files_, background_, table_keys_, 2);
    ASSERT_NE(families_, nullptr);
  }

  // Batch `number` pins or unpins some keys, notes its own number under key 0, and counts some
  // links up and down; now and then below zero, which must change nothing at all.
  void batch(uint64_t number) {
    Models next = models_;
    std::map<Key, Change> pins;
    const auto pin = [&](const Key& key, Value value) {
      const auto there = next.pins.find(key);
      const Value old = there == next.pins.end() ? kTombstone : there->second;
      if (value == kTombstone && old == kTombstone) return;
      pins.insert_or_assign(key, Change{key, value, old});
    };
    pin(keys_[0], number);
    for (size_t i = random_() % 6; i > 0; i--) {
      pin(keys_[1 + random_() % (kKeys - 1)], random_() % 3 == 0 ? kTombstone : random_() % 9);
    }
    std::vector<Change> changes;
    for (const auto& [key, change] : pins) {
      changes.push_back(change);
      if (change.value == kTombstone) next.pins.erase(key);
      if (change.value != kTombstone) next.pins[key] = change.value;
    }
    const bool below = random_() % 10 == 0;
    const std::vector<Delta> deltas = some_deltas(next.refs, below);
    const Status done = families_->change(changes, deltas);
    if (below) {
      ASSERT_FALSE(done.ok());
    }
    if (done) models_ = std::move(next);
    if (!done && !faults_) {
      ASSERT_EQ(done.error().code, ErrorCode::kInvalid);
    }
  }

  std::vector<Delta> some_deltas(Model& refs, bool below) {
    std::vector<Delta> deltas;
    for (size_t i = random_() % 12; i > 0; i--) {
      const Key& key = keys_[random_() % kKeys];
      int64_t by = 1 + static_cast<int64_t>(random_() % 3);
      if (random_() % 2 == 0) {
        // Not below zero, whatever order they come in.
        by = -static_cast<int64_t>(std::min<Value>(refs.contains(key) ? refs[key] : 0, 3));
      }
      deltas.push_back(Delta{key, by});
      if (by == 0) continue;
      refs[key] += static_cast<Value>(by);
      if (refs[key] == 0) refs.erase(key);
    }
    if (!below) return deltas;
    const Key& key = keys_[random_() % kKeys];
    const Value count = refs.contains(key) ? refs[key] : 0;
    deltas.push_back(Delta{key, -static_cast<int64_t>(count) - 1});
    return deltas;
  }

  void expect_all() {
    expect_model(families_->pins(), models_.pins);
    expect_model(families_->refs(), models_.refs);
    expect_found(families_->pins(), models_.pins, keys_);
    expect_found(families_->refs(), models_.refs, keys_);
  }

  std::mt19937_64 random_;
  size_t table_keys_ = 0;
  bool faults_ = false;
  std::shared_ptr<DatasetFiles> files_;
  Background background_;
  std::unique_ptr<Families> families_;
  std::vector<Key> keys_;
  Models models_;
};

TEST_P(IndexFamiliesTest, BehaveLikeMaps) {
  begin(new_files());
  for (int i = 0; i < rounds(400) && !HasFatalFailure(); i++) {
    batch(static_cast<uint64_t>(i));
    if (i % 10 == 0) expect_all();
    if (i % 60 == 59) open();
  }
  ASSERT_TRUE(families_->refs().settle(true).ok());
  expect_all();
}

TEST_P(IndexFamiliesTest, ABatchThatFailsChangesNoFamily) {
  std::mt19937_64 fault_random(random_());
  std::mutex mutex;
  const auto memory = std::make_shared<MemoryFiles>();
  begin(memory);
  memory->set_fault([&](const char*) -> Status {
    const std::lock_guard lock(mutex);
    if (fault_random() % 8 == 0) return Error{ErrorCode::kNoSpace, "injected"};
    return {};
  });
  faults_ = true;
  for (int i = 0; i < rounds(300) && !HasFatalFailure(); i++) {
    batch(static_cast<uint64_t>(i));
    if (i % 10 == 0) expect_all();
  }
  families_.reset();
  memory->set_fault({});
  open();
  expect_all();
}

// Every moment that a crash can leave is opened, and both families must be at the same batch.
TEST_P(IndexFamiliesTest, ACrashLeavesBothFamiliesAtTheSameBatch) {
  const auto memory = std::make_shared<MemoryFiles>();
  begin(memory);
  memory->keep_history();
  std::vector<Models> after;         // after batch i
  std::vector<size_t> acknowledged;  // the moments there were by then
  for (uint64_t i = 0; i < 30 && !HasFatalFailure(); i++) {
    batch(i);
    after.push_back(models_);
    acknowledged.push_back(memory->history_size());
  }
  families_.reset();
  const size_t moments = memory->history_size();
  for (size_t moment = 0; moment < moments && !HasFatalFailure(); moment++) {
    MemoryFiles files(memory->history_at(moment));
    const auto families = Families::open(files, background_, table_keys_, 2);
    ASSERT_NE(families, nullptr) << "at moment " << moment;
    Found marker;
    families->pins().find_many({keys_.data(), 1}, {&marker, 1});
    Models expected;
    const bool any = marker.state == Lookup::kFound;
    if (any) {
      ASSERT_LT(marker.value, after.size());
      expected = after[marker.value];
    }
    const auto past = std::upper_bound(acknowledged.begin(), acknowledged.end(), moment + 1);
    if (past != acknowledged.begin()) {
      // At least what had been acknowledged.
      const Model& least = after[static_cast<size_t>(past - acknowledged.begin()) - 1].pins;
      const auto number = least.find(keys_[0]);
      if (number != least.end()) {
        ASSERT_TRUE(any && marker.value >= number->second) << "at moment " << moment;
      }
    }
    expect_model(families->pins(), expected.pins);
    expect_model(families->refs(), expected.refs);
  }
}

// One key that changes for ever fills no table; its log must not grow for ever either.
TEST(IndexCounts, AKeyThatChangesOftenLeavesNoLongLog) {
  const auto files = new_files();
  Background background;
  const auto families = Families::open(*files, background, 10, 2);
  ASSERT_NE(families, nullptr);
  for (int i = 0; i < 2000; i++) {
    ASSERT_TRUE(families->change({}, {Delta{key_of(1), 1}}).ok());
  }
  Found found;
  const Key key = key_of(1);
  families->refs().find_many({&key, 1}, {&found, 1});
  EXPECT_EQ(found.value, 2000u);
  EXPECT_EQ(families->refs().keys(), 1u);
  ASSERT_TRUE(families->refs().settle(true).ok());
  EXPECT_LT(families->refs().stats().disk_bytes, 200'000u);
}

TEST(IndexCounts, DeltasOfAKeyAddUpAndBadOnesAreNamed) {
  std::vector<Delta> deltas{{key_of(2), 3}, {key_of(1), 1}, {key_of(2), -3}, {key_of(1), 1}};
  ASSERT_TRUE(merge_deltas(deltas).ok());
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].key, key_of(1));
  EXPECT_EQ(deltas[0].by, 2);

  std::vector<Delta> beyond{{key_of(1), INT64_MAX}, {key_of(1), 1}};
  EXPECT_EQ(merge_deltas(beyond).error().code, ErrorCode::kInvalid);

  std::vector<Change> changes;
  Found failed;
  failed.state = Lookup::kFailed;
  failed.error = ErrorCode::kCorrupt;
  EXPECT_EQ(changes_of(deltas, {&failed, 1}, changes).error().code, ErrorCode::kCorrupt);
  const Found full{kMaxCount, Lookup::kFound};
  const Status over = changes_of(deltas, {&full, 1}, changes);
  EXPECT_EQ(over.error().code, ErrorCode::kInvalid);
  EXPECT_NE(over.error().message.find(hex_of(key_of(1))), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Seeds, IndexFamiliesTest, ::testing::Range(0, 4));

}  // namespace
}  // namespace ipfs_zfs::test
