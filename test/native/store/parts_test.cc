// The parts of the store by themselves: slot maps, locations, tables, filters, runs, merging.
#include <algorithm>
#include <map>
#include <set>

#include "native/store/blake2b.h"
#include "native/store/index/cursor.h"
#include "native/store/index/filter.h"
#include "native/store/index/page_cache.h"
#include "native/store/index/run.h"
#include "native/store/index/table.h"
#include "native/store/location.h"
#include "native/store/slots.h"
#include "support.h"

namespace ipfs_zfs::test {
namespace {

Key random_key(std::mt19937_64& random) {
  Key key;
  for (size_t i = 0; i < key.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(key.data() + i, &word, 8);
  }
  return key;
}

TEST(Location, SaysWhatItWasMadeFrom) {
  for (const uint32_t trailer : {0u, 1u, 2u, 3u}) {
    for (const uint32_t length : {65536u, 65537u, 262144u, 262158u, 4194303u, 4194304u}) {
      const Location location = Location::in_slots(length, trailer, kMaxSlot);
      EXPECT_TRUE(location.is_valid() && !location.is_pack());
      EXPECT_EQ(location.length_bytes(), length);
      EXPECT_EQ(location.trailer(), trailer);
      EXPECT_EQ(location.slot(), kMaxSlot);
      EXPECT_LE(location.class_bytes(), length);
      EXPECT_GT(location.class_bytes() * 2, length);
      EXPECT_GE(location.slot_count() * location.class_bytes(), length + kTrailerBytes[trailer]);
      EXPECT_LE(location.slot_count(), 3u);
    }
    for (const uint32_t length : {0u, 1u, 65535u}) {
      const Location location = Location::in_pack(length, trailer, kMaxPackId, kPackBytes - 4);
      EXPECT_TRUE(location.is_pack());
      EXPECT_EQ(location.length_bytes(), length);
      EXPECT_EQ(location.trailer(), trailer);
      EXPECT_EQ(location.pack(), kMaxPackId);
      EXPECT_EQ(location.offset_bytes(), kPackBytes - 4);
      EXPECT_NE(location.value(), kTombstone);
    }
  }
  EXPECT_EQ(Location::in_slots(262144, 0, 0).slot_count(), 1u);
  EXPECT_EQ(Location::in_slots(262158, 0, 0).slot_count(), 2u);
  EXPECT_FALSE(Location(0).is_valid());
  EXPECT_FALSE(Location(kTombstone).is_valid());
}

TEST(SlotMap, GivesEachSlotOnceAndFindsHolesAgain) {
  std::mt19937_64 random(test_seed());
  SlotMap map;
  std::map<uint64_t, uint32_t> taken;
  std::set<uint64_t> used;
  for (int i = 0; i < 20000; i++) {
    if (taken.empty() || random() % 100 < 52) {
      const auto count = static_cast<uint32_t>(1 + random() % 3);
      const auto slot = map.take(count);
      ASSERT_TRUE(slot.has_value());
      taken[*slot] = count;
      for (uint32_t k = 0; k < count; k++) ASSERT_TRUE(used.insert(*slot + k).second);
    } else {
      auto one = taken.lower_bound(random() % map.end());
      if (one == taken.end()) one = taken.begin();
      map.release(one->first, one->second);
      for (uint32_t k = 0; k < one->second; k++) used.erase(one->first + k);
      taken.erase(one);
    }
    ASSERT_EQ(map.used(), used.size());
  }
  EXPECT_LT(map.end(), used.size() * 2 + 200);  // holes were used
  std::vector<uint8_t> bytes;
  map.save(bytes);
  SlotMap loaded;
  Reader reader(bytes);
  ASSERT_TRUE(loaded.load(reader));
  EXPECT_EQ(loaded.used(), map.used());
  EXPECT_EQ(loaded.words(), map.words());
  for (const uint64_t slot : used) EXPECT_TRUE(loaded.is_used(slot));
}

TEST(SlotMap, RefusesADoubleClaim) {
  SlotMap map;
  EXPECT_TRUE(map.claim(70, 2));
  EXPECT_FALSE(map.claim(71, 1));
  EXPECT_FALSE(map.claim(69, 2));
  EXPECT_TRUE(map.claim(68, 2));
  EXPECT_FALSE(map.claim(kMaxSlot, 2));
}

TEST(Table, FindsTheNewestValueAndKeepsOrder) {
  std::mt19937_64 random(test_seed());
  auto table = std::make_shared<Table>(500, 1);
  std::map<Key, Value> model;
  std::vector<Key> keys;
  for (int i = 0; i < 400; i++) keys.push_back(random_key(random));
  keys[1] = keys[0];
  keys[1][31] ^= 1;  // the same in all but the last bit
  for (int i = 0; i < 2000; i++) {
    const Key& key = keys[random() % keys.size()];
    const Value value = random() % 5 == 0 ? kTombstone : random() % 1000;
    table->upsert(key, value);
    model[key] = value;
    if (i % 100 != 0) continue;
    const auto order = table->order();
    ASSERT_EQ(order->size(), model.size());
    size_t at = 0;
    for (const auto& [expected, value_there] : model) {
      const Record record = table->at((*order)[at++]);
      ASSERT_EQ(record.key, expected);
      ASSERT_EQ(record.value, value_there);
    }
  }
  const auto grown = table->grown();
  for (const Key& key : keys) {
    const auto expected = model.find(key);
    ASSERT_EQ(table->find(key).has_value(), expected != model.end());
    ASSERT_EQ(grown->find(key), table->find(key));
    if (expected != model.end()) {
      ASSERT_EQ(table->find(key), expected->second);
    }
  }
  EXPECT_EQ(grown->capacity(), 1000u);
}

TEST(TableMaker, GivesTheMemoryOfOneTableToTheNext) {
  TableMaker tables(100);
  const Key key{1, 2, 3};
  auto first = tables.make(1);
  const Table* place = first.get();
  first->upsert(key, 7);
  (void)first->order();
  EXPECT_EQ(tables.spare_bytes(), 0u);
  first.reset();
  EXPECT_EQ(tables.spare_bytes(), Table::memory_bytes_of(100));
  const auto next = tables.make(2);
  EXPECT_EQ(next.get(), place);
  EXPECT_EQ(tables.spare_bytes(), 0u);
  EXPECT_EQ(next->log(), 2u);
  EXPECT_EQ(next->size(), 0u);
  EXPECT_EQ(next->find(key), std::nullopt);
  EXPECT_TRUE(next->order()->empty());
  // One at most is kept, and none of the tables in use.
  auto other = tables.make(3);
  EXPECT_NE(other.get(), place);
}

TEST(PageCache, HoldsNearlyAllOfWhatThereIsRoomFor) {
  constexpr uint64_t kPages = 900;
  PageCache cache(1000 * (kPageBytes + 12));
  std::vector<uint8_t> page(kPageBytes);
  for (uint64_t i = 0; i < kPages; i++) {
    std::memcpy(page.data(), &i, sizeof(i));
    cache.insert(*page_tag(3, i), page.data());
  }
  uint64_t found = 0;
  for (uint64_t i = 0; i < kPages; i++) {
    found += cache.find(*page_tag(3, i), [i](const uint8_t* bytes) {
      EXPECT_EQ(std::memcmp(bytes, &i, sizeof(i)), 0);
    });
  }
  EXPECT_GT(found, kPages * 98 / 100);  // of pages that have one place only 90 in 100 stay
  EXPECT_FALSE(cache.find(*page_tag(4, 0), [](const uint8_t*) {}));
}

TEST(PageCache, LetsThoseGoThatWereNotUsed) {
  PageCache cache(64 * (kPageBytes + 12));
  const std::vector<uint8_t> page(kPageBytes);
  const auto find = [&cache](uint64_t i) {
    return cache.find(*page_tag(0, i), [](const uint8_t*) {});
  };
  for (uint64_t i = 0; i < 32; i++) cache.insert(*page_tag(0, i), page.data());
  for (uint64_t i = 32; i < 2000; i++) {
    for (uint64_t old = 0; old < 4; old++) find(old);
    cache.insert(*page_tag(0, i), page.data());
  }
  uint64_t kept = 0;
  for (uint64_t i = 0; i < 4; i++) kept += find(i);
  EXPECT_GE(kept, 3u);
  EXPECT_FALSE(find(32));
}

TEST(Filter, NeverDeniesAKeyAndSeldomAllowsAnother) {
  FilterBuilder builder;
  std::mt19937_64 random(test_seed());
  for (const size_t count : {size_t{1}, size_t{2}, size_t{10}, size_t{1000}, size_t{100000}}) {
    std::vector<uint64_t> hashes(count);
    for (uint64_t& hash : hashes) hash = random();
    hashes.push_back(hashes.front());  // twice the same must not make it fail
    std::vector<uint64_t> sorted = hashes;
    std::vector<uint8_t> fingerprints(5);  // not the first of its run
    const FilterShape shape = builder.build(sorted, fingerprints);
    EXPECT_EQ(shape.offset, 5u);
    EXPECT_GT(shape.segment_count, 0u);
    for (const uint64_t hash : hashes) {
      ASSERT_TRUE(filter_holds(shape, fingerprints.data(), hash));
    }
    int wrong = 0;
    for (int i = 0; i < 100000; i++) wrong += filter_holds(shape, fingerprints.data(), random());
    EXPECT_LT(wrong, 100000 / 256 * 1.3);
    if (count == 100000) {
      EXPECT_LT(static_cast<double>(fingerprints.size()) * 8 / static_cast<double>(count), 9.6);
    }
  }
  std::vector<uint64_t> none;
  std::vector<uint8_t> fingerprints;
  EXPECT_FALSE(filter_holds(builder.build(none, fingerprints), fingerprints.data(), 1));
}

class RunTest : public ::testing::Test {
 protected:
  std::shared_ptr<ipfs_zfs::Run> write(const std::map<Key, Value>& records) {
    const uint64_t id = next_id_++;
    const std::string path = "runs/" + std::to_string(id);
    RunWriter writer(files_, path, id, records.size());
    EXPECT_TRUE(writer.begin().ok());
    for (const auto& [key, value] : records) EXPECT_TRUE(writer.add(Record{key, value}).ok());
    const auto info = writer.finish();
    EXPECT_TRUE(info.ok());
    auto run = ipfs_zfs::Run::open(files_, path, *info);
    EXPECT_TRUE(run.ok()) << (run.ok() ? "" : run.error().message);
    return run.ok() ? *std::move(run) : nullptr;
  }

  Found find(const ipfs_zfs::Run& run, const Key& key) {
    Found found{.state = Lookup::kPending};
    Lookups lookups({&key, 1}, {&found, 1});
    run.find_many(lookups, no_cache_);
    return found;
  }

  MemoryFiles files_;
  PageCache no_cache_{0};
  uint64_t next_id_ = 1;
  std::mt19937_64 random_{test_seed()};
};

TEST_F(RunTest, FindsEveryKeyWithOnePageRead) {
  for (const size_t count : {size_t{1}, size_t{102}, size_t{103}, size_t{20000}}) {
    std::map<Key, Value> records;
    while (records.size() < count) records[random_key(random_)] = random_() % 1000;
    const auto run = write(records);
    ASSERT_NE(run, nullptr);
    EXPECT_TRUE(run->check().empty());
    for (const auto& [key, value] : records) {
      const Found found = find(*run, key);
      ASSERT_EQ(found.state, Lookup::kFound);
      ASSERT_EQ(found.value, value);
    }
    for (int i = 0; i < 1000; i++) {
      const Key key = random_key(random_);
      const Found found = find(*run, key);
      ASSERT_EQ(found.state, Lookup::kPending);
    }
  }
}

// Digests are uniform; keys that are not must still be found.
TEST_F(RunTest, FindsKeysThatShareTheirPrefix) {
  std::map<Key, Value> records;
  for (int i = 0; i < 3000; i++) {
    Key key = random_key(random_);
    if (i % 2 == 0) std::fill(key.begin(), key.begin() + 8, 0x77);
    records[key] = static_cast<Value>(i);
  }
  const auto run = write(records);
  EXPECT_TRUE(run->check().empty());
  for (const auto& [key, value] : records) {
    const Found found = find(*run, key);
    ASSERT_EQ(found.state, Lookup::kFound);
    ASSERT_EQ(found.value, value);
    auto cursor = run_cursor(run, key, 3);
    ASSERT_TRUE(cursor.ok());
    ASSERT_EQ((*cursor)->record()->key, key);
  }
}

TEST_F(RunTest, MergesWithTheNewestFirst) {
  std::vector<Key> keys;
  for (int i = 0; i < 3000; i++) keys.push_back(random_key(random_));
  std::map<Key, Value> model;
  std::vector<std::shared_ptr<ipfs_zfs::Run>> runs;
  for (int age = 0; age < 5; age++) {  // oldest first
    std::map<Key, Value> records;
    for (int i = 0; i < 1000; i++) {
      records[keys[random_() % keys.size()]] = random_() % 4 == 0 ? kTombstone : random_() % 999;
    }
    for (const auto& [key, value] : records) model[key] = value;
    runs.insert(runs.begin(), write(records));
  }
  auto table = std::make_shared<Table>(100, 9);
  for (int i = 0; i < 100; i++) {
    table->upsert(keys[static_cast<size_t>(i)], 7);
    model[keys[static_cast<size_t>(i)]] = 7;
  }
  for (const Key& from : {Key{}, keys[5], random_key(random_)}) {
    std::vector<std::unique_ptr<Cursor>> sources;
    sources.push_back(table_cursor(table, from));
    for (const auto& run : runs) sources.push_back(*run_cursor(run, from, 2));
    MergeCursor merged(std::move(sources));
    for (auto expected = model.lower_bound(from); expected != model.end(); ++expected) {
      ASSERT_NE(merged.record(), nullptr);
      ASSERT_EQ(merged.record()->key, expected->first);
      ASSERT_EQ(merged.record()->value, expected->second);
      ASSERT_TRUE(merged.next().ok());
    }
    EXPECT_EQ(merged.record(), nullptr);
  }
}

TEST_F(RunTest, AFileOfADoomedRunGoesWithItsLastUser) {
  auto run = write({{random_key(random_), 1}});
  const std::string path = run->path();
  auto graveyard = std::make_shared<Graveyard>();
  auto reader = run;
  run->doom(graveyard);
  run.reset();
  graveyard->unlink_all(files_);
  EXPECT_TRUE(files_.lookup(path).ok());
  reader.reset();
  graveyard->unlink_all(files_);
  EXPECT_FALSE(files_.lookup(path).ok());
}

TEST(Hashes, KnowsTheFunctionsThatPeopleUse) {
  const Bytes text = {'a', 'b', 'c'};
  // From the functions' own standards.
  const std::vector<std::pair<Bytes, const char*>> kKnown = {
      {{0x12}, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {{0x11}, "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {{0x16}, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
      {{0xc0, 0xe4, 0x02},
       "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
       "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"},
      {{0xa0, 0xe4, 0x02}, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"}};
  for (const auto& [code, digest] : kKnown) {
    Bytes multihash = code;
    const std::string hex = digest;
    multihash.push_back(static_cast<uint8_t>(hex.size() / 2));
    for (size_t i = 0; i < hex.size(); i += 2) {
      multihash.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    EXPECT_EQ(check_multihash(multihash, text), HashCheck::kMatch) << digest;
    multihash.back() ^= 1;
    EXPECT_EQ(check_multihash(multihash, text), HashCheck::kMismatch) << digest;
    multihash.pop_back();
    EXPECT_EQ(check_multihash(multihash, text), HashCheck::kUnknown) << digest;
  }
  // Longer than a block of BLAKE2b, and exactly two.
  for (const size_t size : {129, 256}) {
    const Bytes zeros(size);
    Bytes digest(32);
    blake2b(zeros, digest);
    EXPECT_EQ(hex_of(digest),
              size == 129 ? "baadfb64c3bd2cd187b54accc5e61a0720ed86bf48c28017873536cf9015d1b8"
                          : "2b69702a889248a4d6620475a105dccd5e0d4230aca8a492aaf6510e55d55b02");
  }
  EXPECT_EQ(check_multihash(Bytes{}, text), HashCheck::kUnknown);
  EXPECT_EQ(check_multihash(Bytes{0xff, 0xff}, text), HashCheck::kUnknown);
  EXPECT_EQ(check_multihash(Bytes{0x1e, 2, 1, 2}, text), HashCheck::kUnknown);  // blake3
}

}  // namespace
}  // namespace ipfs_zfs::test
