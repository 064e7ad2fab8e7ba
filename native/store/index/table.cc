#include "table.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <random>

#include "../bytes.h"
#include "../ensure.h"

namespace ipfs_zfs {

namespace {

constexpr size_t kPrefetchAhead = 16;  // enough to hide a cache miss behind other keys' probes
constexpr uint64_t kMix = 0x9E3779B97F4A7C15ull;

uint32_t fingerprint_of(const Key& key) { return load_le<uint32_t>(key.data() + 8); }

uint64_t slot_at(const uint64_t* slots, uint64_t at) {
  return std::atomic_ref<const uint64_t>(slots[at]).load(std::memory_order_acquire);
}

int slot_bits_of(size_t capacity_keys) {
  return std::max(4, static_cast<int>(std::bit_width(capacity_keys * 2 - 1)));
}

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

Table::Table(size_t capacity_keys, uint64_t log)
    : capacity_(capacity_keys), log_(log), seed_(random_seed()) {
  ENSURE(capacity_keys > 0 && capacity_keys < UINT32_MAX / 4);
  slot_bits_ = slot_bits_of(capacity_keys);
  // calloc, and records without initializers: pages that are never used are never touched.
  slots_ = static_cast<uint64_t*>(std::calloc(size_t{1} << slot_bits_, sizeof(uint64_t)));
  ENSURE(slots_ != nullptr);
  records_.reset(new Record[capacity_keys]);
}

Table::~Table() { std::free(slots_); }

uint64_t Table::home_of(const Key& key) const {
  const auto product = static_cast<unsigned __int128>(prefix_of(key) ^ seed_) * kMix;
  return (static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product)) >>
         (64 - slot_bits_);
}

uint64_t Table::probe(const Key& key, uint32_t fingerprint, uint64_t at) const {
  const uint64_t mask = (uint64_t{1} << slot_bits_) - 1;
  for (;; at = (at + 1) & mask) {
    const uint64_t slot = slot_at(slots_, at);
    if (slot == 0) return at;
    if (slot >> 32 != fingerprint) continue;
    if (records_[static_cast<uint32_t>(slot) - 1].key == key) return at;
  }
}

std::optional<Value> Table::find(const Key& key) const {
  const uint64_t slot = slot_at(slots_, probe(key, fingerprint_of(key), home_of(key)));
  if (slot == 0) return std::nullopt;
  return at(static_cast<uint32_t>(slot) - 1).value;
}

void Table::find_many(std::span<const Key> keys, std::span<Found> found) const {
  ENSURE(keys.size() == found.size());
  if (size() == 0) return;
  uint64_t homes[kPrefetchAhead];
  for (size_t start = 0; start < keys.size(); start += kPrefetchAhead) {
    const size_t count = std::min(kPrefetchAhead, keys.size() - start);
    for (size_t i = 0; i < count; i++) {
      homes[i] = home_of(keys[start + i]);
      __builtin_prefetch(&slots_[homes[i]]);
    }
    for (size_t i = 0; i < count; i++) {
      const uint64_t slot = slot_at(slots_, homes[i]);
      if (slot != 0) __builtin_prefetch(&records_[static_cast<uint32_t>(slot) - 1]);
    }
    for (size_t i = 0; i < count; i++) {
      Found& one = found[start + i];
      if (one.state != Lookup::kPending) continue;
      const Key& key = keys[start + i];
      const uint64_t slot = slot_at(slots_, probe(key, fingerprint_of(key), homes[i]));
      if (slot == 0) continue;
      one.value = at(static_cast<uint32_t>(slot) - 1).value;
      one.state = one.value == kTombstone ? Lookup::kAbsent : Lookup::kFound;
    }
  }
}

void Table::upsert(const Key& key, Value value) {
  const uint32_t fingerprint = fingerprint_of(key);
  const uint64_t at = probe(key, fingerprint, home_of(key));
  const uint64_t slot = slot_at(slots_, at);
  if (slot != 0) {
    Record& record = records_[static_cast<uint32_t>(slot) - 1];
    // Sequentially consistent: a delete relies on it (see epoch.h).
    std::atomic_ref<Value>(record.value).store(value);
    return;
  }
  const uint32_t position = count_.load(std::memory_order_relaxed);
  ENSURE(position < capacity_);
  records_[position].key = key;
  std::atomic_ref<Value>(records_[position].value).store(value);
  std::atomic_ref<uint64_t>(slots_[at]).store(uint64_t{fingerprint} << 32 | (position + 1));
  count_.store(position + 1, std::memory_order_release);
}

void Table::clear() {
  std::memset(slots_, 0, sizeof(uint64_t) << slot_bits_);
  count_.store(0);
  order_.reset();
}

std::shared_ptr<Table> TableMaker::make(uint64_t log) {
  std::unique_ptr<Table> table;
  {
    const std::lock_guard lock(spare_->mutex);
    table.swap(spare_->table);
  }
  if (table) {
    table->set_log(log);
  } else {
    table = std::make_unique<Table>(capacity_keys_, log);
  }
  const auto keep = [spare = spare_](Table* used) {
    std::unique_ptr<Table> one(used);
    one->clear();
    const std::lock_guard lock(spare->mutex);
    if (!spare->table) spare->table.swap(one);
  };
  return {table.release(), keep};
}

size_t TableMaker::spare_bytes() const {
  const std::lock_guard lock(spare_->mutex);
  return spare_->table ? Table::memory_bytes_of(capacity_keys_) : 0;
}

std::shared_ptr<Table> Table::grown() const {
  auto table = std::make_shared<Table>(capacity_ * 2, log_);
  const auto count = static_cast<uint32_t>(size());
  for (uint32_t i = 0; i < count; i++) {
    const Record record = at(i);
    table->upsert(record.key, record.value);
  }
  return table;
}

size_t Table::memory_bytes() const {
  return (sizeof(uint64_t) << slot_bits_) + size() * sizeof(Record);
}

size_t Table::memory_bytes_of(size_t capacity_keys) {
  return (sizeof(uint64_t) << slot_bits_of(capacity_keys)) + capacity_keys * sizeof(Record);
}

Record Table::at(uint32_t position) const {
  Record& record = records_[position];
  return Record{record.key, std::atomic_ref<Value>(record.value).load()};
}

std::shared_ptr<const std::vector<uint32_t>> Table::order() const {
  const std::lock_guard lock(order_mutex_);
  const auto count = static_cast<uint32_t>(size());
  const auto sorted = static_cast<uint32_t>(order_ ? order_->size() : 0);
  if (order_ && sorted == count) return order_;
  const std::vector<uint32_t> tail = sort_by_key(records_.get(), sorted, count);
  auto merged = std::make_shared<std::vector<uint32_t>>(count);
  const auto by_key = [this](uint32_t a, uint32_t b) {
    return less(records_[a].key, records_[b].key);
  };
  if (order_) {
    std::merge(order_->begin(), order_->end(), tail.begin(), tail.end(), merged->begin(), by_key);
  } else {
    std::copy(tail.begin(), tail.end(), merged->begin());
  }
  order_ = merged;
  return order_;
}

std::vector<uint32_t> sort_by_key(const Record* records, uint32_t first, uint32_t last,
                                  int same_bits) {
  struct Entry {
    uint64_t prefix;
    uint32_t position;
  };
  const uint32_t count = last - first;
  // Buckets of about eight keys when the keys are uniform; a skewed bucket is merely slower.
  const int bits = std::clamp(static_cast<int>(std::bit_width(count / 8)), 1, 18);
  const auto bucket_of = [=](uint64_t prefix) { return prefix << same_bits >> (64 - bits); };
  std::vector<uint32_t> starts((size_t{1} << bits) + 1);
  for (uint32_t i = first; i < last; i++) starts[bucket_of(prefix_of(records[i].key)) + 1]++;
  for (size_t i = 1; i < starts.size(); i++) starts[i] += starts[i - 1];
  std::vector<Entry> entries(count);
  for (uint32_t i = first; i < last; i++) {
    const uint64_t prefix = prefix_of(records[i].key);
    entries[starts[bucket_of(prefix)]++] = Entry{prefix, i};
  }
  const auto by_key = [records](const Entry& a, const Entry& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const int order = std::memcmp(&records[a.position].key, &records[b.position].key, 32);
    return order != 0 ? order < 0 : a.position < b.position;
  };
  uint32_t from = 0;  // after the scatter, starts[b] is the end of bucket b
  for (size_t bucket = 0; bucket + 1 < starts.size(); bucket++) {
    std::sort(entries.begin() + from, entries.begin() + starts[bucket], by_key);
    from = starts[bucket];
  }
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; i++) order[i] = entries[i].position;
  return order;
}

}  // namespace ipfs_zfs
