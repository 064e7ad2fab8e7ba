// Block stores: batches in, batches out. A block must cost well under a microsecond here.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>

#include "addon/convert.h"
#include "addon/handles.h"
#include "addon/pages.h"

namespace ipfs_zfs::addon {

namespace {

constexpr std::array<uint8_t, 2> kSha2_256Prefix = {0x12, 0x20};
constexpr size_t kDigestBytes = 32;

// The multihashes of a batch: JavaScript gives them back to back, with a byte for each length; or
// keys of blocks, and no lengths: those go as sha2-256 digests, whose keys they are.
class Multihashes {
 public:
  // Arguments `at` and `at + 1`. False, with a TypeError pending, when they do not fit together.
  bool from(const Napi::CallbackInfo& info, size_t at) {
    const std::span<const uint8_t> bytes = bytes_from(info[at]);
    if (info[at + 1].IsUndefined()) {
      add_digests(bytes);
      return !info.Env().IsExceptionPending();
    }
    const std::span<const uint8_t> lengths = bytes_from(info[at + 1]);
    if (info.Env().IsExceptionPending()) return false;
    bytes_.assign(bytes.begin(), bytes.end());
    all_.reserve(lengths.size());
    size_t offset = 0;
    for (const uint8_t length : lengths) {
      if (offset + length > bytes_.size()) break;
      all_.emplace_back(bytes_.data() + offset, length);
      offset += length;
    }
    if (all_.size() == lengths.size() && offset == bytes_.size()) return true;
    Napi::TypeError::New(info.Env(), "lengths and bytes of the multihashes differ")
        .ThrowAsJavaScriptException();
    return false;
  }

  std::span<const std::span<const uint8_t>> all() const { return all_; }

 private:
  void add_digests(std::span<const uint8_t> digests) {
    const size_t count = digests.size() / kDigestBytes;
    constexpr size_t kBytes = kSha2_256Prefix.size() + kDigestBytes;
    bytes_.resize(count * kBytes);
    all_.reserve(count);
    for (size_t i = 0; i < count; i++) {
      uint8_t* const into = bytes_.data() + i * kBytes;
      std::ranges::copy(kSha2_256Prefix, into);
      std::memcpy(into + kSha2_256Prefix.size(), digests.data() + i * kDigestBytes, kDigestBytes);
      all_.emplace_back(into, kBytes);
    }
  }

  std::vector<uint8_t> bytes_;
  std::vector<std::span<const uint8_t>> all_;
};

class StoreTask : public Promised {
 public:
  explicit StoreTask(const std::shared_ptr<StoreHandle>& store)
      : Promised(store), shared_(store->shared()) {}

 protected:
  BlockStore& store() { return shared_->store(); }
  const std::shared_ptr<SharedStore>& shared() const { return shared_; }

  Status committed(Result<CommitPoint> point, bool durable) {
    if (!point) return point.error();
    if (durable) wait = {&shared_->committer(), shared_, *std::move(point)};
    return {};
  }

 private:
  std::shared_ptr<SharedStore> shared_;
};

class Put : public StoreTask {
 public:
  using StoreTask::StoreTask;

  bool from(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!multihashes_.from(info, 1)) return false;
    if (!info[3].IsArray() || info[3].As<Napi::Array>().Length() != multihashes_.all().size()) {
      Napi::TypeError::New(env, "expected as many blocks as multihashes")
          .ThrowAsJavaScriptException();
      return false;
    }
    const auto array = info[3].As<Napi::Array>();
    const size_t count = multihashes_.all().size();
    blocks_.reserve(count);
    while (blocks_.size() < count) {
      const Napi::HandleScope scope(env);
      const size_t end = std::min(count, blocks_.size() + 1024);
      for (size_t i = blocks_.size(); i < end; i++) {
        napi_value block = nullptr;
        napi_typedarray_type type = napi_int8_array;
        size_t length = 0;
        void* data = nullptr;
        if (napi_get_element(env, array, static_cast<uint32_t>(i), &block) != napi_ok ||
            napi_get_typedarray_info(env, block, &type, &length, &data, nullptr, nullptr) !=
                napi_ok ||
            type != napi_uint8_array) {
          if (!env.IsExceptionPending()) {
            Napi::TypeError::New(env, "expected Uint8Arrays").ThrowAsJavaScriptException();
          }
          return false;
        }
        blocks_.push_back({multihashes_.all()[i], {static_cast<const uint8_t*>(data), length}});
      }
    }
    held_ = Napi::Persistent(array.As<Napi::Object>());
    durable_ = info[4].ToBoolean();
    return true;
  }

 protected:
  Status work() override { return committed(store().put(blocks_), durable_); }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }

 private:
  Multihashes multihashes_;
  std::vector<PutBlock> blocks_;
  Napi::ObjectReference held_;  // the array, and so the blocks, until the promise settles
  bool durable_ = false;
};

class Remove : public StoreTask {
 public:
  using StoreTask::StoreTask;

  bool from(const Napi::CallbackInfo& info) {
    if (!multihashes_.from(info, 1)) return false;
    durable_ = info[3].ToBoolean();
    return true;
  }

 protected:
  Status work() override { return committed(store().remove(multihashes_.all()), durable_); }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }

 private:
  Multihashes multihashes_;
  bool durable_ = false;
};

// Gives [digests, multihashes]: what was there, the common ones back to back.
class RemoveKeys : public StoreTask {
 public:
  using StoreTask::StoreTask;

  bool from(const Napi::CallbackInfo& info) {
    keys_ = keys_from(info[1]);
    durable_ = info[2].ToBoolean();
    return !info.Env().IsExceptionPending();
  }

 protected:
  Status work() override {
    return committed(store().remove_keys(std::move(keys_), removed_), durable_);
  }
  Napi::Value value(Napi::Env env) override {
    Napi::Array multihashes = Napi::Array::New(env, removed_.multihashes.size());
    for (uint32_t i = 0; i < removed_.multihashes.size(); i++) {
      multihashes.Set(i, bytes_to_js(env, removed_.multihashes[i]));
    }
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, keys_to_js(env, removed_.digests));
    pair.Set(1u, multihashes);
    return pair;
  }

 private:
  std::vector<Key> keys_;
  RemovedBlocks removed_;
  bool durable_ = false;
};

class Flush : public StoreTask {
 public:
  using StoreTask::StoreTask;
  bool from(const Napi::CallbackInfo&) { return true; }

 protected:
  Status work() override { return committed(store().commit_point(), true); }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }
};

// Gives [buffers, places]: for each block the index of its buffer, its offset and its length. The
// index is -1 for one that is absent and -2 - code for one that failed.
class Get : public StoreTask {
 public:
  using StoreTask::StoreTask;
  bool from(const Napi::CallbackInfo& info) { return multihashes_.from(info, 1); }

 protected:
  Status work() override {
    const size_t count = multihashes_.all().size();
    blocks_.resize(count);
    places_.resize(count);
    for (size_t i = 0; i < count; i++) blocks_[i].multihash = multihashes_.all()[i];
    Status status = store().get(blocks_, [this](size_t index, size_t size_bytes) {
      return catch_.place(size_bytes, &places_[index]);
    });
    if (status && catch_.overflowed()) {
      return Error{ErrorCode::kTooLarge, "these blocks are over 1 GiB in all: ask for fewer"};
    }
    return status;
  }

  Napi::Value value(Napi::Env env) override {
    std::vector<Catch::Buffer>& buffers = catch_.buffers();
    Napi::Array array = Napi::Array::New(env, buffers.size());
    for (uint32_t i = 0; i < buffers.size(); i++) {
      const Napi::Value buffer = buffer_to_js(env, &buffers[i]);
      if (buffer.IsEmpty()) return buffer;
      array.Set(i, buffer);
    }
    Napi::Int32Array places;
    if (!new_array(env, 3 * blocks_.size(), &places)) return {};
    int32_t* into = places.Data();
    for (size_t i = 0; i < blocks_.size(); i++, into += 3) {
      const GetBlock& block = blocks_[i];
      switch (block.outcome) {
        case Outcome::kFound:
          into[0] = static_cast<int32_t>(places_[i].buffer);
          into[1] = static_cast<int32_t>(places_[i].offset_bytes);
          into[2] = static_cast<int32_t>(block.size_bytes);
          break;
        case Outcome::kAbsent: into[0] = -1; break;
        case Outcome::kFailed: into[0] = -2 - static_cast<int32_t>(block.error); break;
      }
    }
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, array);
    pair.Set(1u, places);
    return pair;
  }

 private:
  static constexpr size_t kCopiedBytes = 16u << 10;  // cheaper to copy than to hand over

  static Napi::Value buffer_to_js(Napi::Env env, Catch::Buffer* buffer) {
    napi_value value = nullptr;
    if (buffer->used_bytes > kCopiedBytes) {
      const napi_status status = napi_create_external_arraybuffer(
          env, buffer->bytes, buffer->used_bytes,
          [](napi_env, void* bytes, void* capacity) {
            PagePool::instance().give(static_cast<uint8_t*>(bytes),
                                      reinterpret_cast<size_t>(capacity));
          },
          reinterpret_cast<void*>(buffer->capacity_bytes), &value);
      if (status == napi_ok) {
        buffer->bytes = nullptr;  // the finalizer gives it back
        return {env, value};
      }
    }
    void* bytes = nullptr;
    if (napi_create_arraybuffer(env, buffer->used_bytes, &bytes, &value) != napi_ok) return {};
    std::memcpy(bytes, buffer->bytes, buffer->used_bytes);
    return {env, value};
  }

  Multihashes multihashes_;
  std::vector<GetBlock> blocks_;
  std::vector<Catch::Place> places_;
  Catch catch_;
};

class Sizes : public StoreTask {
 public:
  using StoreTask::StoreTask;
  bool from(const Napi::CallbackInfo& info) { return multihashes_.from(info, 1); }

 protected:
  Status work() override {
    sizes_.resize(multihashes_.all().size());
    return store().sizes(multihashes_.all(), sizes_);
  }
  Napi::Value value(Napi::Env env) override {
    Napi::Float64Array array;
    if (!new_array(env, sizes_.size(), &array)) return {};
    std::transform(sizes_.begin(), sizes_.end(), array.Data(),
                   [](int64_t size) { return static_cast<double>(size); });
    return array;
  }

 private:
  Multihashes multihashes_;
  std::vector<int64_t> sizes_;
};

// Answers on JavaScript's thread, so they may not wait: undefined means "ask get() or sizes()".
constexpr size_t kNowMaxBytes = 64u << 10;  // a copy of a few microseconds

Napi::Value size_now(const Napi::CallbackInfo& info) {
  const std::shared_ptr<StoreHandle> store = store_handle_from(info);
  if (store == nullptr) return {};
  const std::span<const uint8_t> multihash = bytes_from(info[1]);
  int64_t size_bytes = 0;
  if (!store->open() || !store->shared()->store().size_now(multihash, &size_bytes)) {
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(size_bytes));
}

Napi::Value get_now(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<StoreHandle> store = store_handle_from(info);
  if (store == nullptr) return {};
  GetBlock block;
  block.multihash = bytes_from(info[1]);
  napi_value buffer = nullptr;
  const auto sink = [&](size_t, size_t size_bytes) -> uint8_t* {
    void* bytes = nullptr;
    if (size_bytes > kNowMaxBytes) return nullptr;
    if (napi_create_arraybuffer(env, size_bytes, &bytes, &buffer) != napi_ok) return nullptr;
    return static_cast<uint8_t*>(bytes);
  };
  if (!store->open() || !store->shared()->store().get_now(block, sink)) return env.Undefined();
  if (block.outcome != Outcome::kFound) return env.Null();
  napi_value view = nullptr;
  if (napi_create_typedarray(env, napi_uint8_array, block.size_bytes, buffer, 0, &view) !=
      napi_ok) {
    return {};
  }
  return {env, view};
}

// One call of the store's face that gives a T.
template <typename T>
class StoreCall : public StoreTask {
 public:
  using Call = std::function<Result<T>(BlockStore&)>;
  StoreCall(const std::shared_ptr<StoreHandle>& store, Call call)
      : StoreTask(store), call_(std::move(call)) {}

 protected:
  Status work() override {
    Result<T> result = call_(store());
    if (!result) return result.error();
    got_ = *std::move(result);
    return {};
  }
  Napi::Value value(Napi::Env env) override { return to_js(env, got_); }

 private:
  Call call_;
  T got_{};
};

class OpenStore : public Promised {
 public:
  explicit OpenStore(std::shared_ptr<PoolHandle> pool) : Promised(pool), pool_(std::move(pool)) {}
  ~OpenStore() override {
    bool still_open = false;
    if (store_ != nullptr) (void)store_->release(&still_open);  // JavaScript never got it
  }

  bool from(const Napi::CallbackInfo& info) {
    shards_ = strings_from(info[1]);
    if (!info[2].IsTypedArray() ||
        info[2].As<Napi::TypedArray>().TypedArrayType() != napi_uint16_array) {
      Napi::TypeError::New(info.Env(), "expected a Uint16Array").ThrowAsJavaScriptException();
      return false;
    }
    const auto buckets = info[2].As<Napi::Uint16Array>();
    bucket_shards_.assign(buckets.Data(), buckets.Data() + buckets.ElementLength());
    if (info[3].IsNumber()) options_.table_keys = info[3].As<Napi::Number>().Uint32Value();
    if (info[4].IsNumber()) {
      options_.index_memory_bytes = static_cast<size_t>(info[4].As<Napi::Number>().Int64Value());
    }
    return !info.Env().IsExceptionPending();
  }

 protected:
  Status work() override {
    Result<std::shared_ptr<SharedStore>> opened =
        pool_->shared().open_store(shards_, bucket_shards_, options_);
    if (!opened) return opened.error();
    store_ = *std::move(opened);
    return {};
  }
  Napi::Value value(Napi::Env env) override {
    return handle_to_js(env, std::make_shared<StoreHandle>(std::exchange(store_, nullptr)));
  }

 private:
  std::shared_ptr<PoolHandle> pool_;
  std::vector<std::string> shards_;
  std::vector<uint16_t> bucket_shards_;
  BlockStore::Options options_;
  std::shared_ptr<SharedStore> store_;
};

Napi::Value open_store(const Napi::CallbackInfo& info) {
  std::shared_ptr<PoolHandle> pool = pool_handle_from(info);
  if (pool == nullptr) return {};
  if (!pool->open()) return rejected(info.Env(), ErrorCode::kClosed, "the pool is closed");
  auto task = std::make_unique<OpenStore>(std::move(pool));
  if (!task->from(info)) return {};
  return Env::of(info.Env()).start(Lane::kAdmin, std::move(task));
}

Napi::Value close_store(const Napi::CallbackInfo& info) {
  const std::shared_ptr<StoreHandle> store = store_handle_from(info);
  if (store == nullptr) return {};
  return store->close(info.Env());
}

constexpr char kClosed[] = "the store is closed";

template <typename Batch, Lane lane>
Napi::Value batch(const Napi::CallbackInfo& info) {
  const std::shared_ptr<StoreHandle> store = store_handle_from(info);
  if (store == nullptr) return {};
  if (!store->open()) return rejected(info.Env(), ErrorCode::kClosed, kClosed);
  auto task = std::make_unique<Batch>(store);
  if (!task->from(info)) return {};
  return Env::of(info.Env()).start(lane, std::move(task));
}

template <typename T>
Napi::Value call_store(const Napi::CallbackInfo& info, Lane lane,
                       typename StoreCall<T>::Call call) {
  const Napi::Env env = info.Env();
  if (env.IsExceptionPending()) return {};
  const std::shared_ptr<StoreHandle> store = store_handle_from(info);
  if (store == nullptr) return {};
  if (!store->open()) return rejected(env, ErrorCode::kClosed, kClosed);
  return Env::of(env).start(lane, std::make_unique<StoreCall<T>>(store, std::move(call)));
}

Napi::Value scan(const Napi::CallbackInfo& info) {
  const Key from = key_from(info[1]);
  const size_t limit = info[2].ToNumber().Uint32Value();
  return call_store<ScanPage>(info, Lane::kAdmin,
                              [from, limit](BlockStore& store) { return store.scan(from, limit); });
}

// Of the pool's damaged records, those in this store's shards.
std::vector<DamagedInShard> damaged_from(const Napi::Value& value,
                                         const std::vector<std::string>& shards) {
  std::vector<DamagedInShard> damaged;
  if (!value.IsArray()) return damaged;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object record = array.Get(i).ToObject();
    const auto shard = std::ranges::find(shards, string_from(record.Get("dataset")));
    if (shard == shards.end()) continue;
    const std::string file = string_from(record.Get("file"));
    DamagedInShard& one = damaged.emplace_back();
    one.shard = static_cast<size_t>(shard - shards.begin());
    std::from_chars(file.data(), file.data() + file.size(), one.file);
    one.level = static_cast<uint64_t>(record.Get("level").ToNumber().Int64Value());
    one.record = static_cast<uint64_t>(record.Get("record").ToNumber().Int64Value());
  }
  return damaged;
}

Napi::Value verify(const Napi::CallbackInfo& info) {
  const std::shared_ptr<StoreHandle> store = store_handle_from(info);
  if (store == nullptr) return {};
  const Key from = key_from(info[1]);
  const size_t limit = info[2].ToNumber().Uint32Value();
  return call_store<VerifyPage>(
      info, Lane::kAdmin,
      [from, limit, damaged = damaged_from(info[3], store->shared()->shards())](BlockStore& open) {
        return open.verify(from, limit, damaged);
      });
}

Napi::Value check(const Napi::CallbackInfo& info) {
  return call_store<std::vector<std::string>>(info, Lane::kAdmin,
                                              [](BlockStore& store) { return store.check(); });
}

Napi::Value stats(const Napi::CallbackInfo& info) {
  return call_store<StoreStats>(
      info, Lane::kRead, [](BlockStore& store) -> Result<StoreStats> { return store.stats(); });
}

Napi::Value index_stats(const Napi::CallbackInfo& info) {
  return call_store<std::vector<IndexStats>>(
      info, Lane::kRead,
      [](BlockStore& store) -> Result<std::vector<IndexStats>> { return store.index_stats(); });
}

Napi::Value index_dump(const Napi::CallbackInfo& info) {
  const Key from = key_from(info[1]);
  const size_t limit = info[2].ToNumber().Uint32Value();
  return call_store<IndexPage>(info, Lane::kAdmin, [from, limit](BlockStore& store) {
    return store.dump_index(from, limit);
  });
}

// Gives 1, since a call has to give something.
Napi::Value index_compact(const Napi::CallbackInfo& info) {
  return call_store<uint64_t>(info, Lane::kAdmin, [](BlockStore& store) -> Result<uint64_t> {
    const Status compacted = store.compact_index();
    if (!compacted) return compacted.error();
    return uint64_t{1};
  });
}

Napi::Value compact_step(const Napi::CallbackInfo& info) {
  return call_store<uint64_t>(info, Lane::kAdmin,
                              [](BlockStore& store) { return store.compact_step(); });
}

}  // namespace

void add_store_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("openStore", Napi::Function::New<open_store>(env));
  exports.Set("closeStore", Napi::Function::New<close_store>(env));
  exports.Set("put", Napi::Function::New<batch<Put, Lane::kWrite>>(env));
  exports.Set("get", Napi::Function::New<batch<Get, Lane::kRead>>(env));
  exports.Set("sizes", Napi::Function::New<batch<Sizes, Lane::kRead>>(env));
  exports.Set("getNow", Napi::Function::New<get_now>(env));
  exports.Set("sizeNow", Napi::Function::New<size_now>(env));
  exports.Set("remove", Napi::Function::New<batch<Remove, Lane::kWrite>>(env));
  exports.Set("removeKeys", Napi::Function::New<batch<RemoveKeys, Lane::kWrite>>(env));
  exports.Set("flush", Napi::Function::New<batch<Flush, Lane::kRead>>(env));
  exports.Set("scan", Napi::Function::New<scan>(env));
  exports.Set("verify", Napi::Function::New<verify>(env));
  exports.Set("check", Napi::Function::New<check>(env));
  exports.Set("stats", Napi::Function::New<stats>(env));
  exports.Set("indexStats", Napi::Function::New<index_stats>(env));
  exports.Set("indexDump", Napi::Function::New<index_dump>(env));
  exports.Set("indexCompact", Napi::Function::New<index_compact>(env));
  exports.Set("compactStep", Napi::Function::New<compact_step>(env));
}

}  // namespace ipfs_zfs::addon
