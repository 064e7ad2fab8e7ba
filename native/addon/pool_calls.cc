// Pools: each call is one method of PoolAdmin on a worker.
#include <functional>
#include <type_traits>
#include <utility>

#include "addon/convert.h"
#include "addon/handles.h"
#include "zfs/kernel/engine.h"

namespace ipfs_zfs::addon {

namespace {

class OpenPool : public Promised {
 public:
  using Open = std::function<Result<std::shared_ptr<SharedPool>>()>;
  explicit OpenPool(Open open) : Promised(nullptr), open_(std::move(open)) {}
  ~OpenPool() override {
    if (pool_ != nullptr) (void)pool_->release(false);  // JavaScript never got it
  }

 protected:
  Status work() override {
    Result<std::shared_ptr<SharedPool>> opened = open_();
    if (!opened) return opened.error();
    pool_ = *std::move(opened);
    return {};
  }
  Napi::Value value(Napi::Env env) override {
    return handle_to_js(env, std::make_shared<PoolHandle>(std::exchange(pool_, nullptr)));
  }

 private:
  Open open_;
  std::shared_ptr<SharedPool> pool_;
};

// One call of the pool's face that gives a T, or nothing.
template <typename T>
class PoolCall : public Promised {
 public:
  using Call = std::function<Result<T>(PoolAdmin&)>;
  PoolCall(std::shared_ptr<PoolHandle> pool, Call call)
      : Promised(pool), pool_(std::move(pool)), call_(std::move(call)) {}

 protected:
  Status work() override {
    Result<T> result = call_(pool_->shared().admin());
    if (!result) return result.error();
    if constexpr (!std::is_void_v<T>) got_ = *std::move(result);
    return {};
  }
  Napi::Value value(Napi::Env env) override {
    if constexpr (std::is_void_v<T>) {
      return env.Undefined();
    } else {
      return to_js(env, got_);
    }
  }

 private:
  struct Nothing {};
  std::shared_ptr<PoolHandle> pool_;
  Call call_;
  std::conditional_t<std::is_void_v<T>, Nothing, T> got_{};
};

class SyncPool : public Promised {
 public:
  explicit SyncPool(std::shared_ptr<PoolHandle> pool) : Promised(pool), pool_(std::move(pool)) {}

 protected:
  Status work() override {
    Result<Wait> everything = pool_->shared().everything_so_far();
    if (!everything) return everything.error();
    wait = *std::move(everything);
    return {};
  }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }

 private:
  std::shared_ptr<PoolHandle> pool_;
};

template <typename T>
Napi::Value call_pool(const Napi::CallbackInfo& info, Lane lane, typename PoolCall<T>::Call call) {
  const Napi::Env env = info.Env();
  if (env.IsExceptionPending()) return {};
  std::shared_ptr<PoolHandle> pool = pool_handle_from(info);
  if (pool == nullptr) return {};
  if (!pool->open()) return rejected(env, ErrorCode::kClosed, "the pool is closed");
  return Env::of(env).start(lane, std::make_unique<PoolCall<T>>(std::move(pool), std::move(call)));
}

Napi::Value create_pool(const Napi::CallbackInfo& info) {
  const Napi::Object options = info[0].ToObject();
  PoolCreate pool = pool_create_from(options);
  const EngineOptions engine = engine_options_from(options);
  if (info.Env().IsExceptionPending()) return {};
  return Env::of(info.Env())
      .start(Lane::kAdmin, std::make_unique<OpenPool>([pool = std::move(pool), engine] {
               return SharedPool::create(pool, engine);
             }));
}

Napi::Value open_pool(const Napi::CallbackInfo& info) {
  const Napi::Object options = info[0].ToObject();
  std::string name = string_from(options.Get("name"));
  std::vector<std::string> vdevs = strings_from(options.Get("vdevs"));
  const EngineOptions engine = engine_options_from(options);
  if (info.Env().IsExceptionPending()) return {};
  return Env::of(info.Env())
      .start(Lane::kAdmin,
             std::make_unique<OpenPool>([name = std::move(name), vdevs = std::move(vdevs), engine] {
               return SharedPool::open(name, vdevs, engine);
             }));
}

// Pools that stay imported, or go: what nobody holds open.
class MovePool : public Promised {
 public:
  using Move = std::function<Status()>;
  explicit MovePool(Move move) : Promised(nullptr), move_(std::move(move)) {}

 protected:
  Status work() override { return move_(); }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }

 private:
  Move move_;
};

Napi::Value import_pool(const Napi::CallbackInfo& info) {
  std::string name = string_from(info[0]);
  std::vector<std::string> vdevs = strings_from(info[1]);
  if (info.Env().IsExceptionPending()) return {};
  return Env::of(info.Env())
      .start(Lane::kAdmin,
             std::make_unique<MovePool>([name = std::move(name), vdevs = std::move(vdevs)] {
               return kernel::import_pool(name, vdevs);
             }));
}

Napi::Value export_pool(const Napi::CallbackInfo& info) {
  std::string name = string_from(info[0]);
  if (info.Env().IsExceptionPending()) return {};
  return Env::of(info.Env())
      .start(Lane::kAdmin, std::make_unique<MovePool>(
                               [name = std::move(name)] { return kernel::export_pool(name); }));
}

Napi::Value kernel_has_pool(const Napi::CallbackInfo& info) {
  const std::string name = string_from(info[0]);
  const std::vector<std::string> vdevs = strings_from(info[1]);
  if (info.Env().IsExceptionPending()) return {};
  return Napi::Boolean::New(info.Env(), kernel::has_pool(name, vdevs));
}

Napi::Value close_pool(const Napi::CallbackInfo& info) {
  const std::shared_ptr<PoolHandle> pool = pool_handle_from(info);
  if (pool == nullptr) return {};
  return pool->close(info.Env());
}

Napi::Value sync_pool(const Napi::CallbackInfo& info) {
  const std::shared_ptr<PoolHandle> pool = pool_handle_from(info);
  if (pool == nullptr) return {};
  if (!pool->open()) return rejected(info.Env(), ErrorCode::kClosed, "the pool is closed");
  return Env::of(info.Env()).start(Lane::kWrite, std::make_unique<SyncPool>(pool));
}

Napi::Value pool_status(const Napi::CallbackInfo& info) {
  return call_pool<PoolStatus>(info, Lane::kRead, [](PoolAdmin& pool) { return pool.status(); });
}

Napi::Value clear_errors(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [](PoolAdmin& pool) { return pool.clear_errors(); });
}

Napi::Value create_dataset(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [name = string_from(info[1]), properties = properties_from(info[2]),
                          key = wrapping_key_from(info[3])](PoolAdmin& pool) {
                           return pool.create_dataset(name, properties, key);
                         });
}

Napi::Value destroy_dataset(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [name = string_from(info[1])](PoolAdmin& pool) {
    return pool.destroy_dataset(name);
  });
}

Napi::Value list_datasets(const Napi::CallbackInfo& info) {
  return call_pool<std::vector<DatasetStatus>>(
      info, Lane::kAdmin,
      [root = string_from(info[1])](PoolAdmin& pool) { return pool.list_datasets(root); });
}

Napi::Value set_properties(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [name = string_from(info[1]), properties = properties_from(info[2])](
                             PoolAdmin& pool) { return pool.set_properties(name, properties); });
}

Napi::Value get_properties(const Napi::CallbackInfo& info) {
  return call_pool<Properties>(info, Lane::kAdmin, [name = string_from(info[1])](PoolAdmin& pool) {
    return pool.get_properties(name);
  });
}

Napi::Value snapshot(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [names = strings_from(info[1])](PoolAdmin& pool) {
    return pool.snapshot(names);
  });
}

Napi::Value list_snapshots(const Napi::CallbackInfo& info) {
  return call_pool<std::vector<DatasetStatus>>(
      info, Lane::kAdmin,
      [root = string_from(info[1])](PoolAdmin& pool) { return pool.list_snapshots(root); });
}

Napi::Value rollback(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [name = string_from(info[1])](PoolAdmin& pool) {
    return pool.rollback(name);
  });
}

Napi::Value destroy_snapshots(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [names = strings_from(info[1])](PoolAdmin& pool) {
    return pool.destroy_snapshots(names);
  });
}

Napi::Value clone(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [snapshot = string_from(info[1]), name = string_from(info[2])](
                             PoolAdmin& pool) { return pool.clone(snapshot, name); });
}

Napi::Value hold(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [snapshot = string_from(info[1]), tag = string_from(info[2])](
                             PoolAdmin& pool) { return pool.hold(snapshot, tag); });
}

Napi::Value release(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [snapshot = string_from(info[1]), tag = string_from(info[2])](
                             PoolAdmin& pool) { return pool.release(snapshot, tag); });
}

Napi::Value bookmark(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [snapshot = string_from(info[1]), name = string_from(info[2])](
                             PoolAdmin& pool) { return pool.bookmark(snapshot, name); });
}

Napi::Value load_key(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [dataset = string_from(info[1]), key = wrapping_key_from(info[2])](
                             PoolAdmin& pool) { return pool.load_key(dataset, key); });
}

Napi::Value unload_key(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [dataset = string_from(info[1])](PoolAdmin& pool) {
    return pool.unload_key(dataset);
  });
}

Napi::Value change_key(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [dataset = string_from(info[1]), key = wrapping_key_from(info[2])](
                             PoolAdmin& pool) { return pool.change_key(dataset, key); });
}

Napi::Value send(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [snapshot = string_from(info[1]), options = send_options_from(info[2]),
                          fd = descriptor_from(info[3])](PoolAdmin& pool) {
                           return pool.send(snapshot, options, fd);
                         });
}

Napi::Value receive(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin,
                         [snapshot = string_from(info[1]), options = receive_options_from(info[2]),
                          fd = descriptor_from(info[3])](PoolAdmin& pool) {
                           return pool.receive(snapshot, options, fd);
                         });
}

Napi::Value abort_receive(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [dataset = string_from(info[1])](PoolAdmin& pool) {
    return pool.abort_receive(dataset);
  });
}

Napi::Value scrub_start(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [](PoolAdmin& pool) { return pool.scrub_start(); });
}

Napi::Value scrub_stop(const Napi::CallbackInfo& info) {
  return call_pool<void>(info, Lane::kAdmin, [](PoolAdmin& pool) { return pool.scrub_stop(); });
}

Napi::Value damaged_records(const Napi::CallbackInfo& info) {
  return call_pool<std::vector<DamagedRecord>>(
      info, Lane::kAdmin,
      [](PoolAdmin& pool) -> Result<std::vector<DamagedRecord>> { return pool.damaged_records(); });
}

}  // namespace

void add_pool_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("createPool", Napi::Function::New<create_pool>(env));
  exports.Set("openPool", Napi::Function::New<open_pool>(env));
  exports.Set("importPool", Napi::Function::New<import_pool>(env));
  exports.Set("exportPool", Napi::Function::New<export_pool>(env));
  exports.Set("kernelHasPool", Napi::Function::New<kernel_has_pool>(env));
  exports.Set("closePool", Napi::Function::New<close_pool>(env));
  exports.Set("syncPool", Napi::Function::New<sync_pool>(env));
  exports.Set("poolStatus", Napi::Function::New<pool_status>(env));
  exports.Set("clearErrors", Napi::Function::New<clear_errors>(env));
  exports.Set("createDataset", Napi::Function::New<create_dataset>(env));
  exports.Set("destroyDataset", Napi::Function::New<destroy_dataset>(env));
  exports.Set("listDatasets", Napi::Function::New<list_datasets>(env));
  exports.Set("setProperties", Napi::Function::New<set_properties>(env));
  exports.Set("getProperties", Napi::Function::New<get_properties>(env));
  exports.Set("snapshot", Napi::Function::New<snapshot>(env));
  exports.Set("listSnapshots", Napi::Function::New<list_snapshots>(env));
  exports.Set("rollback", Napi::Function::New<rollback>(env));
  exports.Set("destroySnapshots", Napi::Function::New<destroy_snapshots>(env));
  exports.Set("clone", Napi::Function::New<clone>(env));
  exports.Set("hold", Napi::Function::New<hold>(env));
  exports.Set("release", Napi::Function::New<release>(env));
  exports.Set("bookmark", Napi::Function::New<bookmark>(env));
  exports.Set("loadKey", Napi::Function::New<load_key>(env));
  exports.Set("unloadKey", Napi::Function::New<unload_key>(env));
  exports.Set("changeKey", Napi::Function::New<change_key>(env));
  exports.Set("send", Napi::Function::New<send>(env));
  exports.Set("receive", Napi::Function::New<receive>(env));
  exports.Set("abortReceive", Napi::Function::New<abort_receive>(env));
  exports.Set("scrubStart", Napi::Function::New<scrub_start>(env));
  exports.Set("scrubStop", Napi::Function::New<scrub_stop>(env));
  exports.Set("damagedRecords", Napi::Function::New<damaged_records>(env));
}

}  // namespace ipfs_zfs::addon
