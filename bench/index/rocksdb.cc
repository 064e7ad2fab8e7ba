// RocksDB, set up as its own tuning guide says for point lookups of small random keys on a small
// machine: Bloom filters of 10 bits, no compression of what cannot be compressed, large write
// buffers with pipelined writes, level compaction with dynamic level sizes, index and filters in
// memory. (https://github.com/facebook/rocksdb/wiki/Setup-Options-and-Basic-Tuning)
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <array>
#include <chrono>
#include <thread>

#include "contender.h"

namespace ipfs_zfs::bench {

namespace {

rocksdb::Slice slice_of(const Key& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

void must(const rocksdb::Status& status) {
  if (!status.ok()) fail(status.ToString());
}

class RocksDb : public Contender {
 public:
  RocksDb(std::string folder, uint64_t keys) : folder_(std::move(folder)), keys_(keys) { open(); }

  void put(std::span<const Record> records) override {
    rocksdb::WriteBatch batch;
    for (const Record& record : records) {
      batch.Put(slice_of(record.key),
                {reinterpret_cast<const char*>(&record.value), sizeof(record.value)});
    }
    must(db_->Write({}, &batch));
  }

  void erase(std::span<const Key> keys) override {
    rocksdb::WriteBatch batch;
    for (const Key& key : keys) batch.Delete(slice_of(key));
    must(db_->Write({}, &batch));
  }

  void sync() override { must(db_->SyncWAL()); }

  size_t get(std::span<const Key> keys) override {
    std::vector<rocksdb::Slice> slices;
    for (const Key& key : keys) slices.push_back(slice_of(key));
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_->MultiGet({}, db_->DefaultColumnFamily(), slices.size(), slices.data(), values.data(),
                  statuses.data());
    size_t hits = 0;
    for (const rocksdb::Status& status : statuses) hits += status.ok() ? 1 : 0;
    return hits;
  }

  size_t scan(const Deadline& deadline) override {
    rocksdb::ReadOptions options;
    options.readahead_size = 2u << 20;
    const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options));
    size_t count = 0;
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      if (++count % kScanStep == 0 && deadline.passed()) break;
    }
    return count;
  }

  void settle() override {
    must(db_->Flush({}));
    for (;;) {
      uint64_t running = 0;
      uint64_t pending = 0;
      db_->GetIntProperty("rocksdb.num-running-compactions", &running);
      db_->GetIntProperty("rocksdb.compaction-pending", &pending);
      if (running == 0 && pending == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  void reopen() override {
    must(db_->Close());
    db_.reset();
    open();
  }

  Footprint footprint() override {
    uint64_t memory = 0;
    for (const char* what : {"rocksdb.cur-size-all-mem-tables",
                             "rocksdb.estimate-table-readers-mem", "rocksdb.block-cache-usage"}) {
      uint64_t bytes = 0;
      db_->GetIntProperty(what, &bytes);
      memory += bytes;
    }
    return {disk_bytes_of(folder_), memory, 0};
  }

 private:
  void open() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.IncreaseParallelism(2);
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = 64u << 20;
    options.max_write_buffer_number = 4;
    options.level_compaction_dynamic_level_bytes = true;
    options.enable_pipelined_write = true;
    options.max_background_jobs = 2;
    options.bytes_per_sync = 1u << 20;
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
    table.block_cache = rocksdb::NewLRUCache(cache_bytes_for(keys_));
    table.block_size = 4096;
    table.format_version = 5;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    must(rocksdb::DB::Open(options, folder_, &db));
    db_.reset(db);
  }

  const std::string folder_;
  const uint64_t keys_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Contender> open_rocksdb(const std::string& folder, uint64_t keys) {
  return std::make_unique<RocksDb>(folder, keys);
}

}  // namespace ipfs_zfs::bench
