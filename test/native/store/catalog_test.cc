// The catalog beside ordered maps, where an engine cannot make a batch one transaction: its ops are
// done one after another, and a crash or a full pool comes between them or in the middle of one.
#include <algorithm>
#include <map>

#include "native/store/catalog.h"

#include "native/store/bytes.h"
#include "native/store/checksum.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

using Model = std::array<std::map<Key, Value>, kFamilies>;

constexpr uint64_t kKeys = 40;
constexpr Value kGone = 7;

Key key_of(uint64_t number) {
  std::mt19937_64 random(number);
  Key key;
  const Bytes bytes = random_bytes(random, key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

std::unique_ptr<Catalog> open_catalog(std::shared_ptr<DatasetFiles> files, size_t table_keys = 8) {
  auto catalog = Catalog::open(std::move(files), {table_keys});
  EXPECT_TRUE(catalog.ok()) << catalog.error().message;
  return catalog ? *std::move(catalog) : nullptr;
}

Model content_of(Catalog& catalog) {
  Model model;
  for (size_t i = 0; i < kFamilies; i++) {
    const auto page = catalog.scan(static_cast<Family>(i), Key{}, 10'000);
    EXPECT_TRUE(page.ok() && page->done);
    for (const Record& record : page->records) model[i][record.key] = record.value;
    EXPECT_EQ(catalog.count(static_cast<Family>(i)), model[i].size());
  }
  const auto faults = catalog.check();
  EXPECT_TRUE(faults.ok() && faults->empty());
  return model;
}

// A batch as pins make them: a pin that comes or goes, counts of links up or down, those that come
// to nothing noted as loose, something held; any part of it may be missing.
struct Batch {
  std::vector<Key> pins, refs, held;
  std::vector<Value> pin_values, held_values;
  int64_t added = 1;
  Catalog::Purpose purpose = Catalog::Purpose::kAdding;

  std::vector<Catalog::Part> parts() const {
    std::vector<Catalog::Part> parts;
    if (!pins.empty()) parts.push_back({Family::kPins, pins, pin_values, {}});
    if (!held.empty()) parts.push_back({Family::kHeld, held, held_values, {}});
    if (!refs.empty()) parts.push_back({Family::kRefs, refs, {}, added, Family::kLoose, kGone});
    return parts;
  }
};

Batch random_batch(std::mt19937_64& random, Model& model) {
  Batch batch;
  const auto family = [&model](Family one) -> auto& { return model[static_cast<size_t>(one)]; };
  const auto set = [&](Family one, std::vector<Key>& keys, std::vector<Value>& values) {
    const Key key = key_of(random() % kKeys);
    keys.push_back(key);
    values.push_back(random() % 3);
    if (values.back() == 0) family(one).erase(key);
    if (values.back() != 0) family(one)[key] = values.back();
  };
  if (random() % 2 == 0) set(Family::kPins, batch.pins, batch.pin_values);
  if (random() % 3 == 0) set(Family::kHeld, batch.held, batch.held_values);
  batch.added = random() % 2 == 0 ? 1 : -1;
  if (batch.added < 0) batch.purpose = Catalog::Purpose::kFreeing;
  for (uint64_t i = random() % 6; i > 0; i--) {
    const Key key = key_of(random() % kKeys);
    auto& refs = family(Family::kRefs);
    if (batch.added < 0 && !refs.contains(key)) continue;
    batch.refs.push_back(key);
    refs[key] += static_cast<Value>(batch.added);
    if (refs[key] != 0) continue;
    refs.erase(key);
    family(Family::kLoose)[key] = kGone;
  }
  return batch;
}

TEST(CatalogCrash, LeavesAllOfABatchOrNoneBetweenAndInsideItsWrites) {
  std::mt19937_64 random(test_seed());
  const auto files = std::make_shared<MemoryFiles>();
  const auto catalog = open_catalog(files);
  ASSERT_NE(catalog, nullptr);
  files->keep_history();
  files->keep_torn_moments();
  std::vector<Model> models(1);      // after batch i - 1
  std::vector<size_t> acknowledged;  // the moments there were after batch i
  for (int i = 0; i < rounds(40); i++) {
    if (random() % 8 == 0) {
      ASSERT_TRUE(catalog->write_out().ok());
    }
    Model next = models.back();
    const Batch batch = random_batch(random, next);
    // Now and then one fails halfway first: nothing of it may come back later.
    if (random() % 4 == 0) {
      Model other = models.back();
      const Batch failed = random_batch(random, other);
      files->fail_next_apply_at(random() % 3);
      if (catalog->apply(failed.parts(), failed.purpose)) {
        models.push_back(other);
        acknowledged.push_back(files->history_size());
        files->fail_next_apply_at(4096);
        continue;
      }
    }
    files->fail_next_apply_at(4096);
    const auto applied = catalog->apply(batch.parts(), batch.purpose);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
    models.push_back(std::move(next));
    acknowledged.push_back(files->history_size());
  }
  for (size_t moment = 0; moment < files->history_size(); moment++) {
    const auto crashed = std::make_shared<MemoryFiles>(files->history_at(moment));
    auto opened = open_catalog(crashed);
    ASSERT_NE(opened, nullptr) << "at moment " << moment;
    const Model found = content_of(*opened);
    const auto past = std::upper_bound(acknowledged.begin(), acknowledged.end(), moment + 1);
    const auto least = static_cast<size_t>(past - acknowledged.begin());
    ASSERT_TRUE(found == models[least] || (least + 1 < models.size() && found == models[least + 1]))
        << "at moment " << moment << " of " << files->history_size();
    // What it goes on with is whole too.
    Model next = found;
    const Batch more = random_batch(random, next);
    ASSERT_TRUE(opened->apply(more.parts(), more.purpose).ok());
    opened.reset();
    opened = open_catalog(crashed);
    ASSERT_NE(opened, nullptr) << "again at moment " << moment;
    ASSERT_EQ(content_of(*opened), next) << "again at moment " << moment;
  }
}

TEST(CatalogLogs, KeepWhatWasUndoneUntilTheyAreWrittenOut) {
  const auto files = std::make_shared<MemoryFiles>();
  auto catalog = open_catalog(files);
  ASSERT_NE(catalog, nullptr);
  const std::vector<Key> keys{key_of(1), key_of(2)};
  const auto add = [&](int64_t added) {
    const Catalog::Part part{Family::kRefs, keys, {}, added, Family::kLoose, kGone};
    ASSERT_TRUE(catalog->apply({&part, 1}, Catalog::Purpose::kAdding).ok());
  };
  for (int i = 0; i < 5; i++) {
    add(1);
    add(-1);
  }
  const Model model = content_of(*catalog);
  const uint64_t before = catalog->log_bytes();
  EXPECT_GT(before, 10 * keys.size() * sizeof(Record));
  ASSERT_TRUE(catalog->write_out().ok());
  EXPECT_EQ(catalog->log_bytes(), 0);
  EXPECT_EQ(content_of(*catalog), model);
  // Without room it fails, loses nothing, and is done when it is asked again.
  add(1);
  const Model later = content_of(*catalog);
  files->set_space(0);
  EXPECT_FALSE(catalog->write_out().ok());
  EXPECT_EQ(content_of(*catalog), later);
  files->set_space(UINT64_MAX);
  ASSERT_TRUE(catalog->write_out().ok());
  EXPECT_EQ(catalog->log_bytes(), 0);
  catalog.reset();
  catalog = open_catalog(files);
  ASSERT_NE(catalog, nullptr);
  EXPECT_EQ(content_of(*catalog), later);
}

// A catalog that a version without links has written: its frames stay, a new log begins.
TEST(CatalogVersions, OpensWhatTheFormerVersionWrote) {
  const auto files = std::make_shared<MemoryFiles>();
  auto catalog = open_catalog(files);
  ASSERT_NE(catalog, nullptr);
  std::mt19937_64 random(test_seed());
  for (const Family family : {Family::kPins, Family::kRefs}) {
    const std::vector<Key> keys{key_of(1), key_of(2)};
    const std::vector<Value> values{3, 4};
    const Catalog::Part part{family, keys, values, {}};
    ASSERT_TRUE(catalog->apply({&part, 1}, Catalog::Purpose::kAdding).ok());
  }
  Model model = content_of(*catalog);
  catalog.reset();
  std::map<std::string, Bytes> former;
  for (const char* name : {"pins", "refs"}) {
    const std::string log = std::string("index/") + name + "/0000000000000001.log";
    std::vector<uint8_t> bytes = files->content(log);
    store_le(bytes.data() + offsetof(LogHeader, version), uint32_t{1});
    store_le(bytes.data() + offsetof(LogHeader, checksum),
             checksum({bytes.data(), offsetof(LogHeader, checksum)}));
    files->set_content(log, bytes);
    former[log] = bytes;
  }
  catalog = open_catalog(files);
  ASSERT_NE(catalog, nullptr);
  EXPECT_EQ(content_of(*catalog), model);
  for (int i = 0; i < 20; i++) {
    const Batch batch = random_batch(random, model);
    ASSERT_TRUE(catalog->apply(batch.parts(), batch.purpose).ok());
  }
  catalog.reset();
  catalog = open_catalog(files);
  ASSERT_NE(catalog, nullptr);
  EXPECT_EQ(content_of(*catalog), model);
  // Gone when their tables are runs; else as they were.
  for (const auto& [path, bytes] : former) {
    if (files->lookup(path).ok()) {
      EXPECT_EQ(files->content(path), bytes);
    }
  }
}

// Keys that ascend and lie close are found by a scan, single ones by lookups.
TEST(Catalog, FindsTogetherWhatItFindsOneByOne) {
  std::mt19937_64 random(test_seed());
  const auto catalog = open_catalog(new_files(), 1000);
  ASSERT_NE(catalog, nullptr);
  constexpr uint64_t kMany = 4000;
  std::vector<Key> keys;
  for (uint64_t i = 0; i < kMany; i++) keys.push_back(key_of(i));
  std::ranges::sort(keys);
  for (uint64_t i = 0; i < 2 * kMany; i += 100) {
    std::vector<Value> values;
    while (values.size() < 100) values.push_back(random() % 3);
    const auto some = std::span(keys).subspan(random() % (kMany - 100), 100);
    const Catalog::Part part{Family::kRefs, some, values, {}};
    ASSERT_TRUE(catalog->apply({&part, 1}, Catalog::Purpose::kAdding).ok());
  }
  for (int round = 0; round < 16; round++) {
    // From all of them to few, with some twice and some that were never there.
    std::vector<Key> some;
    const uint64_t share = 1 + random() % 8;
    for (const Key& key : keys) {
      if (random() % share == 0) some.push_back(key);
      if (random() % 9 == 0) some.push_back(key);
    }
    for (int i = 0; i < 5; i++) some.push_back(key_of(kMany + random() % 1000));
    std::ranges::sort(some);
    std::vector<Value> together(some.size());
    ASSERT_TRUE(catalog->get(Family::kRefs, some, together).ok());
    std::vector<uint8_t> alive(some.size());
    ASSERT_TRUE(catalog->alive(some, alive).ok());
    for (size_t i = 0; i < some.size(); i++) {
      Value value = 99;
      ASSERT_TRUE(catalog->get(Family::kRefs, {&some[i], 1}, {&value, 1}).ok());
      EXPECT_EQ(together[i], value);
      EXPECT_EQ(alive[i], value != 0);
    }
  }
}

}  // namespace
}  // namespace ipfs_zfs::test
