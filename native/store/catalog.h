// The catalog's records: a family of digests for each thing that pins must know, each an index of
// its own, all changed together.
//
// What a value means is the business of src/pins; here it is a number, and 0 is as good as absent.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "index/index.h"

namespace ipfs_zfs {

enum class Family : uint8_t { kPins, kRefs, kHeld, kLoose };
inline constexpr size_t kFamilies = 4;

struct CatalogPage {
  std::vector<Record> records;  // ascending by key
  bool done = false;            // else go on with `next`
  Key next{};
};

class Catalog : private IndexOwner {
 public:
  struct Options {
    size_t table_keys = 1u << 18;  // keys in memory, per family, before they become a run
  };

  // Changes of one family: what keys have from now on, each at most once; or what is added to what
  // they have, where a key may come more than once and a sum of 0 takes it away. Those that an
  // addition takes away are given `gone_value` in another family, in the same batch.
  struct Part {
    Family family = Family::kPins;
    std::span<const Key> keys;
    std::span<const Value> values;  // as many as keys, or none:
    std::optional<int64_t> added;   // to all of them
    Family gone_family = Family::kLoose;
    Value gone_value = 0;  // 0: nowhere
  };
  // `kFreeing` takes more away than it writes: it finds room on a full pool as well.
  enum class Purpose : uint8_t { kAdding, kFreeing };

  static Result<std::unique_ptr<Catalog>> open(std::shared_ptr<DatasetFiles> files,
                                               Options options);
  ~Catalog() override;

  // Any thread. Values in the order of the keys.
  Status get(Family family, std::span<const Key> keys, std::span<Value> values);
  // Whether a block with one of these keys is alive: some node of it counts, or a pin is on it.
  Status alive(std::span<const Key> blocks, std::span<uint8_t> alive);
  Result<CatalogPage> scan(Family family, const Key& from, size_t limit);
  uint64_t count(Family family) const { return of(family).keys(); }  // exact
  Result<std::vector<std::string>> check();

  // All of the parts, one a family, or none of them, also after a crash. kTooLarge when they are
  // more than one transaction carries.
  Result<Txg> apply(std::span<const Part> parts, Purpose purpose);
  // What the logs of all families take, and what makes them short: on a full pool they may hold
  // much that later changes have undone.
  uint64_t log_bytes() const;
  Status write_out();
  Status wait_durable(Txg txg) { return files_->wait_durable(txg); }

  // Waits for work in flight and for the last transaction group.
  Status close();

 private:
  using InFlight = std::shared_lock<std::shared_mutex>;

  explicit Catalog(std::shared_ptr<DatasetFiles> files) : files_(std::move(files)) {}

  // The values are all there is to know: no state of its own goes with them.
  std::vector<uint8_t> checkpoint() override { return {}; }
  Status restore(std::span<const uint8_t>) override { return {}; }
  Status replay(const Change&) override { return {}; }
  bool goes_on(const FrameLink& link) const override;

  Status begin(InFlight& in_flight);
  Status find(Family family, std::span<const Key> keys, std::span<Found> found) const;
  using Changes = std::array<std::vector<Change>, kFamilies>;
  Status add_changes(const Part& part, Changes& changes) const;
  Status add_set(Family family, std::span<const Key> keys, std::span<const Value> values,
                 std::vector<Change>& changes) const;
  Status add_sums(const Part& part, Changes& changes) const;
  std::vector<FileOp> stage(const Changes& changes, bool freeing);
  Index& of(Family family) const { return *indexes_[static_cast<size_t>(family)]; }

  const std::shared_ptr<DatasetFiles> files_;
  Background background_;  // outlives the indexes, whose work it does
  std::array<std::unique_ptr<Index>, kFamilies> indexes_;
  std::mutex writer_;
  bool failed_ = false;  // the last apply; the writer's own
  std::shared_mutex in_flight_;
  std::atomic<bool> closed_{false};
};

}  // namespace ipfs_zfs
