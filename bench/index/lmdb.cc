// LMDB: a transaction a window, which is how it commits many batches at once; sync() commits it.
#include <lmdb.h>

#include "contender.h"

namespace ipfs_zfs::bench {

namespace {

void must(int code) {
  if (code != 0) fail(mdb_strerror(code));
}

MDB_val value_of(const void* data, size_t bytes) { return {bytes, const_cast<void*>(data)}; }

class Lmdb : public Contender {
 public:
  Lmdb(std::string folder, uint64_t keys) : folder_(std::move(folder)), keys_(keys) { open(); }
  ~Lmdb() override { close(); }

  void put(std::span<const Record> records) override {
    begin();
    for (const Record& record : records) {
      MDB_val key = value_of(record.key.data(), record.key.size());
      MDB_val value = value_of(&record.value, sizeof(record.value));
      must(mdb_put(writing_, table_, &key, &value, 0));
    }
  }

  void erase(std::span<const Key> keys) override {
    begin();
    for (const Key& one : keys) {
      MDB_val key = value_of(one.data(), one.size());
      must(mdb_del(writing_, table_, &key, nullptr));
    }
  }

  void sync() override {
    if (writing_ == nullptr) return;
    must(mdb_txn_commit(writing_));
    writing_ = nullptr;
  }
  bool syncs_beside_writes() const override { return false; }

  size_t get(std::span<const Key> keys) override {
    MDB_txn* reading = nullptr;
    must(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading));
    size_t hits = 0;
    for (const Key& one : keys) {
      MDB_val key = value_of(one.data(), one.size());
      MDB_val value;
      hits += mdb_get(reading, table_, &key, &value) == 0 ? 1 : 0;
    }
    mdb_txn_abort(reading);
    return hits;
  }

  size_t scan(const Deadline& deadline) override {
    MDB_txn* reading = nullptr;
    must(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading));
    MDB_cursor* cursor = nullptr;
    must(mdb_cursor_open(reading, table_, &cursor));
    size_t count = 0;
    MDB_val key;
    MDB_val value;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
      if (++count % kScanStep == 0 && deadline.passed()) break;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(reading);
    return count;
  }

  void settle() override { sync(); }
  void reopen() override {
    close();
    open();
  }
  Footprint footprint() override { return {disk_bytes_of(folder_), 0, 0}; }

 private:
  void open() {
    must(mdb_env_create(&environment_));
    must(mdb_env_set_mapsize(environment_, std::max<uint64_t>(keys_ * 250, 1u << 28)));
    must(mdb_env_open(environment_, folder_.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0644));
    MDB_txn* opening = nullptr;
    must(mdb_txn_begin(environment_, nullptr, 0, &opening));
    must(mdb_dbi_open(opening, nullptr, 0, &table_));
    must(mdb_txn_commit(opening));
  }
  void close() {
    sync();
    mdb_env_close(environment_);
  }
  void begin() {
    if (writing_ == nullptr) must(mdb_txn_begin(environment_, nullptr, 0, &writing_));
  }

  const std::string folder_;
  const uint64_t keys_;
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
  MDB_txn* writing_ = nullptr;
};

}  // namespace

std::unique_ptr<Contender> open_lmdb(const std::string& folder, uint64_t keys) {
  return std::make_unique<Lmdb>(folder, keys);
}

}  // namespace ipfs_zfs::bench
