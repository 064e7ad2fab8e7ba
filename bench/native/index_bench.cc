// What the digest index and the put path cost by themselves: over files in memory, so that no
// figure hides behind a disk. Run it with the count of keys; the bounds are printed beside.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "native/store/block_store.h"
#include "native/store/checksum.h"
#include "native/store/index/index.h"
#include "native/store/sha256.h"
#include "test/native/store/memory_files.h"

namespace {

using namespace ipfs_zfs;

constexpr size_t kBatch = 1000;

class NoOwner : public IndexOwner {
 public:
  std::vector<uint8_t> checkpoint() override { return {}; }
  Status restore(std::span<const uint8_t>) override { return {}; }
  Status replay(const Change&) override { return {}; }
};

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

double cpu_now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void must(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "failed: %s\n", status.error().message.c_str());
  std::exit(1);
}

// Times `work` over `count` things and prints how many it does a second, and its CPU for each.
template <typename Work>
void measure(const char* what, size_t count, const Work& work) {
  const double began = now();
  const double cpu_began = cpu_now();
  work();
  const double seconds = now() - began;
  const double cpu = cpu_now() - cpu_began;
  const auto n = static_cast<double>(count);
  std::printf("%-34s %10.0f /s   %7.3f us   cpu %7.3f us\n", what, n / seconds, seconds / n * 1e6,
              cpu / n * 1e6);
}

std::vector<Key> random_keys(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Key> keys(count);
  for (Key& key : keys) {
    for (size_t i = 0; i < key.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(key.data() + i, &word, 8);
    }
  }
  return keys;
}

void look_up(const Index& index, const std::vector<Key>& keys, Lookup expected) {
  std::vector<Found> found(kBatch);
  for (size_t at = 0; at < keys.size(); at += kBatch) {
    const size_t count = std::min(kBatch, keys.size() - at);
    index.find_many(std::span(keys).subspan(at, count), std::span(found).first(count));
    for (size_t i = 0; i < count; i++) {
      if (found[i].state != expected) must(Error{ErrorCode::kCorrupt, "a wrong lookup"});
    }
  }
}

void insert(Index& index, const std::vector<Key>& keys) {
  std::vector<Change> changes;
  for (size_t at = 0; at < keys.size(); at += kBatch) {
    changes.clear();
    for (size_t i = at; i < std::min(at + kBatch, keys.size()); i++) {
      changes.push_back(Change{keys[i], i, kTombstone});
    }
    const auto applied = index.apply(changes);
    if (!applied) must(applied.error());
  }
}

void bench_index(size_t count) {
  test::MemoryFiles files;
  Background background;
  NoOwner owner;
  auto index = Index::open(files, background, owner, {"index/bench"});
  if (!index) must(index.error());
  std::vector<Key> keys = random_keys(count, 1);
  const std::vector<Key> others = random_keys(std::min<size_t>(count, 1u << 20), 2);
  const size_t in_table = std::min<size_t>(count, 200000);
  insert(**index, {keys.begin(), keys.begin() + static_cast<ptrdiff_t>(in_table)});
  const std::vector<Key> first(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(in_table));
  measure("hits, all in the table", in_table, [&] { look_up(**index, first, Lookup::kFound); });
  const std::vector<Key> rest(keys.begin() + static_cast<ptrdiff_t>(in_table), keys.end());
  measure("inserts with log, runs and merges", rest.size(), [&] {
    insert(**index, rest);
    must((*index)->settle(true));
  });
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(3));
  const std::vector<Key> some(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(others.size()));
  measure("hits", some.size(), [&] { look_up(**index, some, Lookup::kFound); });
  measure("misses", others.size(), [&] { look_up(**index, others, Lookup::kAbsent); });
  measure("scan", count, [&] {
    Index::ScanEnd end;
    Key last;
    last.fill(0xff);
    std::vector<Record> records;
    while (!end.done) {
      records.clear();
      auto scanned = (*index)->scan(end.next, last, kBatch, records);
      if (!scanned) must(scanned.error());
      end = *scanned;
    }
  });
  const Index::Stats stats = (*index)->stats();
  const auto n = static_cast<double>(count);
  std::printf("runs %llu, bytes a key: disk %.1f, memory %.1f\n",
              static_cast<unsigned long long>(stats.runs),
              static_cast<double>(stats.disk_bytes) / n,
              static_cast<double>(stats.memory_bytes) / n);
}

void bench_puts(size_t block_bytes, size_t blocks) {
  auto files = std::make_shared<test::MemoryFiles>();
  auto store = BlockStore::open({files}, std::vector<uint16_t>(kBuckets, 0), {});
  if (!store) must(store.error());
  const std::vector<Key> keys = random_keys(blocks, 4);
  std::vector<std::vector<uint8_t>> multihashes;
  for (const Key& key : keys) multihashes.push_back(sha2_256_multihash(key));
  std::vector<uint8_t> bytes(block_bytes);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i * 31);
  char name[64];
  std::snprintf(name, sizeof(name), "put blocks of %zu bytes", block_bytes);
  measure(name, blocks, [&] {
    std::vector<PutBlock> puts;
    for (size_t at = 0; at < blocks; at += kBatch) {
      puts.clear();
      for (size_t i = at; i < std::min(at + kBatch, blocks); i++) {
        puts.push_back(PutBlock{multihashes[i], bytes});
      }
      const auto put = (*store)->put(puts);
      if (!put) must(put.error());
    }
  });
  std::vector<GetBlock> gets(kBatch);
  std::vector<uint8_t> into(kBatch * block_bytes);
  std::snprintf(name, sizeof(name), "get blocks of %zu bytes", block_bytes);
  measure(name, blocks / kBatch * kBatch, [&] {
    for (size_t at = 0; at + kBatch <= blocks; at += kBatch) {
      for (size_t i = 0; i < kBatch; i++) gets[i] = GetBlock{.multihash = multihashes[at + i]};
      must((*store)->get(gets, [&](size_t i, size_t) { return into.data() + i * block_bytes; }));
    }
  });
  const StoreStats stats = (*store)->stats();
  const double data = static_cast<double>(stats.block_bytes);
  std::printf("disk over the blocks' own bytes: %.2f %%\n",
              (static_cast<double>(files->used_bytes()) / data - 1) * 100);
  must((*store)->close());
}

void bounds() {
  std::vector<uint8_t> from(64u << 20, 7);
  std::vector<uint8_t> into(from.size(), 1);
  const size_t kib = from.size() >> 10;
  measure("bound: copy 1 KiB", kib, [&] { std::memcpy(into.data(), from.data(), from.size()); });
  volatile uint64_t sum = 0;
  measure("bound: XXH64 of 4 KiB", from.size() >> 12, [&] {
    for (size_t at = 0; at < from.size(); at += 4096) sum = sum + checksum({&from[at], 4096});
  });
}

}  // namespace

int main(int argc, char** argv) {
  const size_t keys = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 4u << 20;
  bench_index(keys);
  bench_puts(1024, 200000);
  bench_puts(262144, 1000);
  bench_puts(262158, 1000);
  bounds();
  return 0;
}
