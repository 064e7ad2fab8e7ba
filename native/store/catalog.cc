#include "catalog.h"

#include <algorithm>
#include <string>

#include "ensure.h"
#include "index/counts.h"

namespace ipfs_zfs {

namespace {

// In passing by a record of a scan: what a lookup costs, and what putting a table in order costs
// for each of its records.
constexpr double kLookupCost = 3;
constexpr double kOrderCost = 0.3;
constexpr size_t kScanRecords = 8192;

constexpr std::array<const char*, kFamilies> kNames = {"pins", "refs", "held", "loose"};

constexpr Key last_key() {
  Key key{};
  for (uint8_t& byte : key) byte = 0xff;
  return key;
}

Error unreadable(ErrorCode code) {
  return Error{code, "a page of the catalog cannot be read: run repo verify"};
}

// A key that two parts give the same family has one change: they agree on the value.
void drop_repeated(std::vector<Change>& changes) {
  const auto by_key = [](const Change& a, const Change& b) { return less(a.key, b.key); };
  const auto same = [](const Change& a, const Change& b) { return a.key == b.key; };
  if (!std::ranges::is_sorted(changes, by_key)) {
    std::stable_sort(changes.begin(), changes.end(), by_key);
  }
  changes.erase(std::unique(changes.begin(), changes.end(), same), changes.end());
}

// Whether passing by all that lies from the first key to the last costs less than looking the keys
// up. What was deleted lies there too until it is merged away.
bool lie_close(const Index& index, std::span<const Key> keys) {
  if (keys.size() < 2 || !std::ranges::is_sorted(keys, less)) return false;
  const IndexStats stats = index.stats();
  const auto in_table = static_cast<double>(stats.table_keys);
  const auto in_runs = static_cast<double>(stats.run_bytes / sizeof(Record));
  const uint64_t range = prefix_of(keys.back()) - prefix_of(keys.front());
  const double passed_by = (in_table + in_runs) * (static_cast<double>(range) / 0x1p64);
  return passed_by + in_table * kOrderCost <= static_cast<double>(keys.size()) * kLookupCost;
}

// `keys` ascend.
Status find_by_scan(const Index& index, std::span<const Key> keys, std::span<Found> found) {
  std::ranges::fill(found, Found{});
  std::vector<Record> records;
  size_t at = 0;
  for (Key from = keys.front();;) {
    records.clear();
    const auto end = index.scan(from, keys.back(), kScanRecords, records);
    if (!end) return unreadable(end.error().code);
    for (const Record& record : records) {
      while (less(keys[at], record.key)) at++;
      for (; at < keys.size() && keys[at] == record.key; at++) {
        found[at] = Found{record.value, Lookup::kFound};
      }
      if (at == keys.size()) return {};
    }
    if (end->done) return {};
    from = end->next;
  }
}

// src/pins/node.ts: the kind of a node is in the last two bits of its block's key.
constexpr uint8_t kKinds = 4;
// src/pins/pin-value.ts: how its eight slots are pinned.
constexpr Value kPinnedBits = 0xffff;

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(std::shared_ptr<DatasetFiles> files,
                                               Options options) {
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(files)));
  // The last first: a batch goes on in a later one.
  for (size_t i = kFamilies; i-- > 0;) {
    Index::Options index;
    index.folder = std::string("index/") + kNames[i];
    index.table_keys = options.table_keys;
    auto opened = Index::open(*catalog->files_, catalog->background_, *catalog, std::move(index));
    if (!opened) {
      return Error{opened.error().code,
                   std::string("family ") + kNames[i] + ": " + opened.error().message};
    }
    catalog->indexes_[i] = *std::move(opened);
  }
  return catalog;
}

Catalog::~Catalog() {
  for (auto& index : indexes_) {
    if (index) index->close();
  }
}

bool Catalog::goes_on(const FrameLink& link) const {
  if (link.family >= kFamilies || !indexes_[link.family]) return false;
  return indexes_[link.family]->next_sequence() > link.sequence;
}

Status Catalog::begin(InFlight& in_flight) {
  if (!closed_.load()) {
    in_flight = InFlight(in_flight_);
    if (!closed_.load()) return {};
  }
  return Error{ErrorCode::kClosed, "the catalog is closed"};
}

// Found or absent; never anything else.
Status Catalog::find(Family family, std::span<const Key> keys, std::span<Found> found) const {
  ENSURE(keys.size() == found.size());
  if (lie_close(of(family), keys)) return find_by_scan(of(family), keys, found);
  of(family).find_many(keys, found);
  for (const Found& one : found) {
    if (one.state == Lookup::kFailed) return unreadable(one.error);
  }
  return {};
}

Status Catalog::get(Family family, std::span<const Key> keys, std::span<Value> values) {
  ENSURE(keys.size() == values.size());
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open;
  std::vector<Found> found(keys.size());
  const Status sought = find(family, keys, found);
  if (!sought) return sought;
  for (size_t i = 0; i < found.size(); i++) {
    values[i] = found[i].state == Lookup::kFound ? found[i].value : 0;
  }
  return {};
}

Status Catalog::alive(std::span<const Key> blocks, std::span<uint8_t> alive) {
  ENSURE(blocks.size() == alive.size());
  // The nodes of a block are neighbours, in the order of their last bits.
  std::vector<Key> nodes;
  nodes.reserve(blocks.size() * kKinds);
  for (const Key& block : blocks) {
    nodes.push_back(block);
    nodes.back().back() &= static_cast<uint8_t>(~(kKinds - 1));
    for (uint8_t kind = 1; kind < kKinds; kind++) {
      Key next = nodes.back();
      next.back()++;
      nodes.push_back(next);
    }
  }
  std::vector<Value> values(nodes.size());
  Status got = get(Family::kRefs, nodes, values);
  if (!got) return got;
  for (size_t i = 0; i < alive.size(); i++) {
    const auto counts = std::span(values).subspan(i * kKinds, kKinds);
    alive[i] = std::ranges::any_of(counts, [](Value value) { return value != 0; });
  }
  values.resize(blocks.size());
  got = get(Family::kPins, blocks, values);
  if (!got) return got;
  for (size_t i = 0; i < alive.size(); i++) alive[i] |= (values[i] & kPinnedBits) != 0;
  return {};
}

Result<CatalogPage> Catalog::scan(Family family, const Key& from, size_t limit) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  if (limit == 0) return Error{ErrorCode::kInvalid, "a scan takes a limit of 1 or more"};
  CatalogPage page;
  auto end = of(family).scan(from, last_key(), limit, page.records);
  if (!end) return end.error();
  page.done = end->done;
  page.next = end->next;
  return page;
}

Result<std::vector<std::string>> Catalog::check() {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  std::vector<std::string> faults;
  for (const auto& index : indexes_) {
    for (std::string& fault : index->check()) faults.push_back(std::move(fault));
  }
  return faults;
}

// Those that change something, with what they change.
Status Catalog::add_set(Family family, std::span<const Key> keys, std::span<const Value> values,
                        std::vector<Change>& changes) const {
  ENSURE(keys.size() == values.size());
  std::vector<Found> found(keys.size());
  const Status sought = find(family, keys, found);
  if (!sought) return sought;
  changes.reserve(changes.size() + found.size());
  for (size_t i = 0; i < found.size(); i++) {
    const Value old_value = found[i].state == Lookup::kFound ? found[i].value : kTombstone;
    const Value value = values[i] == 0 ? kTombstone : values[i];
    if (value != old_value) changes.push_back(Change{keys[i], value, old_value});
  }
  return {};
}

Status Catalog::add_sums(const Part& part, Changes& changes) const {
  std::vector<Delta> deltas;
  deltas.reserve(part.keys.size());
  for (const Key& key : part.keys) deltas.push_back(Delta{key, *part.added});
  const Status merged = merge_deltas(deltas);
  if (!merged) return merged;
  std::vector<Key> keys;
  keys.reserve(deltas.size());
  for (const Delta& delta : deltas) keys.push_back(delta.key);
  std::vector<Found> found(keys.size());
  of(part.family).find_many(keys, found);
  std::vector<Change> sums;
  const Status summed = ipfs_zfs::changes_of(deltas, found, sums);
  if (!summed) return summed;
  std::vector<Key> gone;
  for (const Change& change : sums) {
    if (change.value == kTombstone) gone.push_back(change.key);
  }
  std::vector<Change>& mine = changes[static_cast<size_t>(part.family)];
  mine.insert(mine.end(), sums.begin(), sums.end());
  if (gone.empty() || part.gone_value == 0) return {};
  const std::vector<Value> values(gone.size(), part.gone_value);
  return add_set(part.gone_family, gone, values, changes[static_cast<size_t>(part.gone_family)]);
}

Status Catalog::add_changes(const Part& part, Changes& changes) const {
  if (part.added) return add_sums(part, changes);
  return add_set(part.family, part.keys, part.values, changes[static_cast<size_t>(part.family)]);
}

// Frames in the order of the families. Each but the last links to the next.
std::vector<FileOp> Catalog::stage(const Changes& changes, bool freeing) {
  std::array<std::optional<FrameLink>, kFamilies> links;
  std::optional<FrameLink> next;
  for (size_t i = kFamilies; i-- > 0;) {
    if (changes[i].empty()) continue;
    links[i] = next;
    next = FrameLink{static_cast<uint32_t>(i), indexes_[i]->next_sequence()};
  }
  std::vector<FileOp> ops;
  for (size_t i = 0; i < kFamilies; i++) {
    if (changes[i].empty()) continue;
    ops.push_back(indexes_[i]->stage(changes[i], links[i]));
    if (freeing) ops.push_back(indexes_[i]->freeing_op(0));
  }
  return ops;
}

Result<Txg> Catalog::apply(std::span<const Part> parts, Purpose purpose) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  const std::lock_guard writer(writer_);
  for (size_t i = 0; failed_ && i < kFamilies; i++) {
    const Status cut = indexes_[i]->cut_back();
    if (!cut) return cut.error();
  }
  failed_ = false;
  Changes changes;
  for (const Part& part : parts) {
    const Status added = add_changes(part, changes);
    if (!added) return added.error();
  }
  size_t bytes = 0;
  for (std::vector<Change>& mine : changes) {
    if (parts.size() > 1) drop_repeated(mine);
    bytes += Index::staged_bytes(mine.size());
  }
  if (bytes > files_->apply_limit_bytes()) {
    return Error{ErrorCode::kTooLarge, "more changes than one transaction carries"};
  }
  const bool freeing = purpose == Purpose::kFreeing;
  if (!freeing) {
    const Status kept = files_->keep_room(bytes);
    if (!kept) return kept.error();
  }
  for (size_t i = 0; i < kFamilies; i++) {
    if (changes[i].empty()) continue;
    const Status room = indexes_[i]->make_room(changes[i].size(),
                                               freeing ? Index::Room::kDelete : Index::Room::kPut);
    if (!room) return room.error();
  }
  const std::vector<FileOp> ops = stage(changes, freeing);
  if (ops.empty()) return files_->open_txg();
  auto txg = files_->apply(ops);
  failed_ = !txg;
  if (!txg) return txg.error();
  for (size_t i = 0; i < kFamilies; i++) {
    if (!changes[i].empty()) indexes_[i]->commit(changes[i]);
  }
  return *txg;
}

uint64_t Catalog::log_bytes() const {
  uint64_t bytes = 0;
  for (const auto& index : indexes_) bytes += index->stats().log_bytes;
  return bytes;
}

Status Catalog::write_out() {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open;
  const std::lock_guard writer(writer_);
  for (const auto& index : indexes_) {
    const Status written = index->write_out();
    if (!written) return written;
  }
  return {};
}

Status Catalog::close() {
  if (closed_.exchange(true)) return {};
  const std::unique_lock all(in_flight_);
  for (auto& index : indexes_) index->close();
  return files_->wait_durable(files_->open_txg());
}

}  // namespace ipfs_zfs
