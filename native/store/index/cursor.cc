#include "cursor.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ipfs_zfs {

namespace {

// Records of a table are gathered this many at a time.
constexpr size_t kGathered = 64;

class TableCursor : public Cursor {
 public:
  TableCursor(std::shared_ptr<const Table> table, const Key& from)
      : table_(std::move(table)), order_(table_->order()) {
    const auto first = std::lower_bound(
        order_->begin(), order_->end(), from,
        [this](uint32_t at, const Key& key) { return less(table_->at(at).key, key); });
    next_ = static_cast<size_t>(first - order_->begin());
    gather();
  }

 private:
  Status load() override {
    gather();
    return {};
  }

  void gather() {
    const size_t count = std::min(kGathered, order_->size() - next_);
    for (size_t i = 0; i < count; i++) table_->prefetch_at((*order_)[next_ + i]);
    for (size_t i = 0; i < count; i++) records_[i] = table_->at((*order_)[next_ + i]);
    next_ += count;
    stand_on(std::span(records_).first(count));
  }

  const std::shared_ptr<const Table> table_;
  const std::shared_ptr<const std::vector<uint32_t>> order_;
  size_t next_ = 0;
  std::array<Record, kGathered> records_;
};

class RunCursor : public Cursor {
 public:
  RunCursor(std::shared_ptr<const Run> run, size_t ahead_pages)
      : run_(std::move(run)), ahead_pages_(ahead_pages), next_page_(run_->pages()) {}

  Status seek(const Key& from) {
    if (run_->pages() == 0) return {};
    next_page_ = run_->page_of(from);
    if (next_page_ == run_->pages()) next_page_ = 0;
    // Earlier pages with the same prefix may hold keys from `from` on.
    while (next_page_ > 0 && run_->first_prefix(next_page_) == prefix_of(from)) next_page_--;
    Status filled = fill();
    while (filled && record() != nullptr && less(record()->key, from)) filled = next();
    return filled;
  }

 private:
  Status load() override {
    if (++page_ >= loaded_pages_) return fill();
    open_page();
    return {};
  }

  Status fill() {
    stand_on({});
    page_ = 0;
    loaded_pages_ = std::min<uint64_t>(ahead_pages_, run_->pages() - next_page_);
    if (loaded_pages_ == 0) return {};
    if (!bytes_) bytes_ = std::make_unique_for_overwrite<uint8_t[]>(loaded_pages_ * kPageBytes);
    const Status read = run_->read_pages(next_page_, loaded_pages_, bytes_.get());
    if (!read) return read;
    next_page_ += loaded_pages_;
    open_page();
    return {};
  }

  void open_page() { stand_on(Run::records_of(bytes_.get() + page_ * kPageBytes)); }

  const std::shared_ptr<const Run> run_;
  const size_t ahead_pages_;
  uint64_t next_page_;
  uint64_t loaded_pages_ = 0;
  uint64_t page_ = 0;                 // among the loaded ones
  std::unique_ptr<uint8_t[]> bytes_;  // of the first load, which is the largest
};

}  // namespace

std::unique_ptr<Cursor> table_cursor(std::shared_ptr<const Table> table, const Key& from) {
  return std::make_unique<TableCursor>(std::move(table), from);
}

Result<std::unique_ptr<Cursor>> run_cursor(std::shared_ptr<const Run> run, const Key& from,
                                           size_t ahead_pages) {
  auto cursor = std::make_unique<RunCursor>(std::move(run), ahead_pages);
  const Status sought = cursor->seek(from);
  if (!sought) return sought.error();
  return std::unique_ptr<Cursor>(std::move(cursor));
}

MergeCursor::MergeCursor(std::vector<std::unique_ptr<Cursor>> sources)
    : sources_(std::move(sources)), losers_(sources_.size()) {
  if (!sources_.empty()) winner_ = play(1);
}

MergeCursor::Player MergeCursor::player(size_t source) const {
  const Record* record = sources_[source]->record();
  return Player{record == nullptr ? UINT64_MAX : prefix_of(record->key), source};
}

// With equal prefixes: by the rest of the key, of equal keys the newest first, and who has ended
// last.
bool MergeCursor::beats_slowly(size_t one, size_t other) const {
  const Record* mine = sources_[one]->record();
  const Record* theirs = sources_[other]->record();
  if (mine == nullptr || theirs == nullptr) return theirs == nullptr && mine != nullptr;
  const int order = std::memcmp(mine->key.data(), theirs->key.data(), mine->key.size());
  return order != 0 ? order < 0 : one < other;
}

// The winner among the leaves below `node`.
MergeCursor::Player MergeCursor::play(size_t node) {
  const size_t count = sources_.size();
  if (node >= count) return player(node - count);
  const Player left = play(2 * node);
  const Player right = play(2 * node + 1);
  const bool left_wins = beats(left, right);
  losers_[node] = left_wins ? right : left;
  return left_wins ? left : right;
}

// Moves the winner on, and lets its next record play its way up.
Status MergeCursor::step() {
  const Status stepped = sources_[winner_.source]->next();
  if (!stepped) return stepped;
  Player best = player(winner_.source);
  for (size_t node = (sources_.size() + best.source) / 2; node > 0; node /= 2) {
    if (beats(losers_[node], best)) std::swap(losers_[node], best);
  }
  winner_ = best;
  return {};
}

Status MergeCursor::next() {
  const Key key = record()->key;
  const uint64_t prefix = winner_.prefix;
  // Older records of the same key go with the newest one.
  do {
    const Status stepped = step();
    if (!stepped) return stepped;
  } while (winner_.prefix == prefix && record() != nullptr && record()->key == key);
  return {};
}

}  // namespace ipfs_zfs
