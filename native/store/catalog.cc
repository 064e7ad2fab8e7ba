#include "catalog.h"

#include <string>

#include "ensure.h"

namespace ipfs_zfs {

namespace {

constexpr std::array<const char*, kFamilies> kNames = {"pins", "refs", "held", "loose"};

constexpr Key last_key() {
  Key key{};
  for (uint8_t& byte : key) byte = 0xff;
  return key;
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(std::shared_ptr<DatasetFiles> files,
                                               Options options) {
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(files)));
  for (size_t i = 0; i < kFamilies; i++) {
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

Status Catalog::begin(InFlight& in_flight) {
  if (!closed_.load()) {
    in_flight = InFlight(in_flight_);
    if (!closed_.load()) return {};
  }
  return Error{ErrorCode::kClosed, "the catalog is closed"};
}

Status Catalog::get(Family family, std::span<const Key> keys, std::span<Value> values) {
  ENSURE(keys.size() == values.size());
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open;
  std::vector<Found> found(keys.size());
  of(family).find_many(keys, found);
  for (size_t i = 0; i < found.size(); i++) {
    if (found[i].state == Lookup::kFailed) {
      return Error{found[i].error, "a page of the catalog cannot be read: run repo verify"};
    }
    values[i] = found[i].state == Lookup::kFound ? found[i].value : 0;
  }
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
Result<std::vector<Change>> Catalog::changes_of(const Part& part) const {
  ENSURE(part.keys.size() == part.values.size());
  std::vector<Found> found(part.keys.size());
  of(part.family).find_many(part.keys, found);
  std::vector<Change> changes;
  changes.reserve(found.size());
  for (size_t i = 0; i < found.size(); i++) {
    if (found[i].state == Lookup::kFailed) {
      return Error{found[i].error, "a page of the catalog cannot be read: run repo verify"};
    }
    const Value old_value = found[i].state == Lookup::kFound ? found[i].value : kTombstone;
    const Value value = part.values[i] == 0 ? kTombstone : part.values[i];
    if (value != old_value) changes.push_back(Change{part.keys[i], value, old_value});
  }
  return changes;
}

Result<Txg> Catalog::apply(std::span<const Part> parts, Purpose purpose) {
  InFlight in_flight;
  const Status open = begin(in_flight);
  if (!open) return open.error();
  const std::lock_guard writer(writer_);
  std::array<std::vector<Change>, kFamilies> changes;
  size_t bytes = 0;
  for (const Part& part : parts) {
    auto made = changes_of(part);
    if (!made) return made.error();
    std::vector<Change>& mine = changes[static_cast<size_t>(part.family)];
    ENSURE(mine.empty());
    mine = *std::move(made);
    bytes += Index::staged_bytes(mine.size());
  }
  if (bytes > files_->apply_limit_bytes()) {
    return Error{ErrorCode::kTooLarge, "more changes than one transaction carries"};
  }
  const bool freeing = purpose == Purpose::kFreeing;
  for (size_t i = 0; i < kFamilies; i++) {
    if (changes[i].empty()) continue;
    const Status room = indexes_[i]->make_room(changes[i].size(),
                                               freeing ? Index::Room::kDelete : Index::Room::kPut);
    if (!room) return room.error();
  }
  std::vector<FileOp> ops;
  for (size_t i = 0; i < kFamilies; i++) {
    if (changes[i].empty()) continue;
    ops.push_back(indexes_[i]->stage(changes[i]));
    if (freeing) ops.push_back(indexes_[i]->freeing_op(0));
  }
  if (ops.empty()) return files_->open_txg();
  auto txg = files_->apply(ops);
  if (!txg) return txg.error();
  for (size_t i = 0; i < kFamilies; i++) {
    if (!changes[i].empty()) indexes_[i]->commit(changes[i]);
  }
  return *txg;
}

Status Catalog::close() {
  if (closed_.exchange(true)) return {};
  const std::unique_lock all(in_flight_);
  for (auto& index : indexes_) index->close();
  return files_->wait_durable(files_->open_txg());
}

}  // namespace ipfs_zfs
