#include "cursor.h"

#include <algorithm>

namespace ipfs_zfs {

namespace {

class TableCursor : public Cursor {
 public:
  TableCursor(std::shared_ptr<const Table> table, const Key& from)
      : table_(std::move(table)), order_(table_->order()) {
    const auto first = std::lower_bound(
        order_->begin(), order_->end(), from,
        [this](uint32_t at, const Key& key) { return less(table_->at(at).key, key); });
    at_ = static_cast<size_t>(first - order_->begin());
    load();
  }

  const Record* record() const override { return at_ < order_->size() ? &record_ : nullptr; }

  Status next() override {
    at_++;
    load();
    return {};
  }

 private:
  void load() {
    if (at_ < order_->size()) record_ = table_->at((*order_)[at_]);
  }

  const std::shared_ptr<const Table> table_;
  const std::shared_ptr<const std::vector<uint32_t>> order_;
  size_t at_ = 0;
  Record record_{};
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

  const Record* record() const override { return at_ < records_.size() ? &records_[at_] : nullptr; }

  Status next() override {
    if (++at_ < records_.size()) return {};
    if (++page_ < loaded_pages_) {
      open_page();
      return {};
    }
    return fill();
  }

 private:
  Status fill() {
    records_ = {};
    at_ = 0;
    page_ = 0;
    loaded_pages_ = std::min<uint64_t>(ahead_pages_, run_->pages() - next_page_);
    if (loaded_pages_ == 0) return {};
    bytes_.resize(loaded_pages_ * kPageBytes);
    const Status read = run_->read_pages(next_page_, loaded_pages_, bytes_.data());
    if (!read) return read;
    next_page_ += loaded_pages_;
    open_page();
    return {};
  }

  void open_page() {
    records_ = Run::records_of(bytes_.data() + page_ * kPageBytes);
    at_ = 0;
  }

  const std::shared_ptr<const Run> run_;
  const size_t ahead_pages_;
  uint64_t next_page_;
  uint64_t loaded_pages_ = 0;
  uint64_t page_ = 0;  // among the loaded ones
  std::vector<uint8_t> bytes_;
  std::span<const Record> records_;
  size_t at_ = 0;
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
    : sources_(std::move(sources)), prefixes_(sources_.size()), ended_(sources_.size()) {
  for (size_t i = 0; i < sources_.size(); i++) {
    const Record* record = sources_[i]->record();
    ended_[i] = record == nullptr;
    if (record != nullptr) prefixes_[i] = prefix_of(record->key);
  }
  choose();
}

Status MergeCursor::step(size_t source) {
  const Status stepped = sources_[source]->next();
  if (!stepped) return stepped;
  const Record* record = sources_[source]->record();
  ended_[source] = record == nullptr;
  if (record != nullptr) prefixes_[source] = prefix_of(record->key);
  return {};
}

// Linear: there are eight sources, seldom thirty, and a compare of neighbours in an array.
void MergeCursor::choose() {
  newest_ = -1;
  for (size_t i = 0; i < sources_.size(); i++) {
    if (ended_[i]) continue;
    if (newest_ >= 0) {
      const uint64_t best = prefixes_[at(newest_)];
      if (prefixes_[i] > best) continue;
      if (prefixes_[i] == best &&
          !less(sources_[i]->record()->key, sources_[at(newest_)]->record()->key)) {
        continue;
      }
    }
    newest_ = static_cast<int>(i);
  }
}

Status MergeCursor::next() {
  const Key key = record()->key;
  const uint64_t prefix = prefix_of(key);
  // Older records of the same key go with the newest one.
  for (size_t i = 0; i < sources_.size(); i++) {
    if (ended_[i] || prefixes_[i] != prefix || sources_[i]->record()->key != key) continue;
    const Status stepped = step(i);
    if (!stepped) return stepped;
  }
  choose();
  return {};
}

}  // namespace ipfs_zfs
