// The catalog: keys back to back, values beside them as doubles, whole below 2^53.
#include <algorithm>
#include <cstring>
#include <utility>

#include "addon/convert.h"
#include "addon/handles.h"

namespace ipfs_zfs::addon {

namespace {

constexpr size_t kKeyBytes = sizeof(Key);

Family family_from(const Napi::Value& value) {
  return static_cast<Family>(std::min<uint32_t>(value.ToNumber().Uint32Value(), kFamilies - 1));
}

Napi::Value values_to_js(Napi::Env env, std::span<const Value> values) {
  Napi::Float64Array array;
  if (!new_array(env, values.size(), &array)) return {};
  std::ranges::transform(values, array.Data(),
                         [](Value value) { return static_cast<double>(value); });
  return array;
}

class CatalogTask : public Promised {
 public:
  explicit CatalogTask(const std::shared_ptr<CatalogHandle>& catalog)
      : Promised(catalog), shared_(catalog->shared()) {}

 protected:
  Catalog& catalog() { return shared_->catalog(); }
  const std::shared_ptr<SharedCatalog>& shared() const { return shared_; }

 private:
  std::shared_ptr<SharedCatalog> shared_;
};

class CatalogGet : public CatalogTask {
 public:
  using CatalogTask::CatalogTask;
  bool from(const Napi::CallbackInfo& info) {
    family_ = family_from(info[1]);
    keys_ = keys_from(info[2]);
    values_.resize(keys_.size());
    return !info.Env().IsExceptionPending();
  }

 protected:
  Status work() override { return catalog().get(family_, keys_, values_); }
  Napi::Value value(Napi::Env env) override { return values_to_js(env, values_); }

 private:
  Family family_ = Family::kPins;
  std::vector<Key> keys_;
  std::vector<Value> values_;
};

class CatalogAlive : public CatalogTask {
 public:
  using CatalogTask::CatalogTask;
  bool from(const Napi::CallbackInfo& info) {
    keys_ = keys_from(info[1]);
    alive_.resize(keys_.size());
    return !info.Env().IsExceptionPending();
  }

 protected:
  Status work() override { return catalog().alive(keys_, alive_); }
  Napi::Value value(Napi::Env env) override { return bytes_to_js(env, alive_); }

 private:
  std::vector<Key> keys_;
  std::vector<uint8_t> alive_;
};

class CatalogApply : public CatalogTask {
 public:
  using CatalogTask::CatalogTask;
  // Arguments: an array of [family, keys, values or a number to add, gone family, gone value],
  // whether it frees, whether to wait for the disk.
  bool from(const Napi::CallbackInfo& info) {
    const auto array = info[1].As<Napi::Array>();
    const uint32_t count = array.Length();
    changes_.resize(count);
    for (uint32_t i = 0; i < count; i++) {
      const auto one = array.Get(i).As<Napi::Array>();
      Changes& changes = changes_[i];
      changes.family = family_from(one.Get(0u));
      changes.keys = keys_from(one.Get(1u));
      if (const Napi::Value third = one.Get(2u); third.IsNumber()) {
        changes.added = third.As<Napi::Number>().Int64Value();
        changes.gone_family = family_from(one.Get(3u));
        changes.gone_value = static_cast<Value>(one.Get(4u).ToNumber().Int64Value());
        continue;
      }
      const auto values = one.Get(2u).As<Napi::Float64Array>();
      changes.values.reserve(values.ElementLength());
      for (size_t at = 0; at < values.ElementLength(); at++) {
        changes.values.push_back(static_cast<Value>(values.Data()[at]));
      }
    }
    freeing_ = info[2].ToBoolean();
    durable_ = info[3].ToBoolean();
    return !info.Env().IsExceptionPending();
  }

 protected:
  Status work() override {
    std::vector<Catalog::Part> parts;
    parts.reserve(changes_.size());
    for (const Changes& one : changes_) {
      parts.push_back(
          {one.family, one.keys, one.values, one.added, one.gone_family, one.gone_value});
    }
    const auto txg =
        catalog().apply(parts, freeing_ ? Catalog::Purpose::kFreeing : Catalog::Purpose::kAdding);
    if (!txg) return txg.error();
    if (durable_) wait = {&shared()->committer(), shared(), CommitPoint{{*txg}}};
    return {};
  }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }

 private:
  struct Changes {
    Family family = Family::kPins;
    std::vector<Key> keys;
    std::vector<Value> values;
    std::optional<int64_t> added;
    Family gone_family = Family::kLoose;
    Value gone_value = 0;
  };
  std::vector<Changes> changes_;
  bool freeing_ = false;
  bool durable_ = false;
};

class CatalogScan : public CatalogTask {
 public:
  using CatalogTask::CatalogTask;
  bool from(const Napi::CallbackInfo& info) {
    family_ = family_from(info[1]);
    from_ = key_from(info[2]);
    limit_ = info[3].ToNumber().Uint32Value();
    return !info.Env().IsExceptionPending();
  }

 protected:
  Status work() override {
    auto page = catalog().scan(family_, from_, limit_);
    if (!page) return page.error();
    page_ = *std::move(page);
    return {};
  }
  Napi::Value value(Napi::Env env) override {
    const std::vector<Record>& records = page_.records;
    Napi::Uint8Array keys;
    Napi::Float64Array values;
    if (!new_array(env, records.size() * kKeyBytes, &keys)) return {};
    if (!new_array(env, records.size(), &values)) return {};
    for (size_t i = 0; i < records.size(); i++) {
      std::memcpy(keys.Data() + i * kKeyBytes, records[i].key.data(), kKeyBytes);
      values.Data()[i] = static_cast<double>(records[i].value);
    }
    Napi::Object value = Napi::Object::New(env);
    value.Set("keys", keys);
    value.Set("values", values);
    if (!page_.done) value.Set("next", bytes_to_js(env, page_.next));
    return value;
  }

 private:
  Family family_ = Family::kPins;
  Key from_{};
  size_t limit_ = 0;
  CatalogPage page_;
};

class CatalogCheck : public CatalogTask {
 public:
  using CatalogTask::CatalogTask;
  bool from(const Napi::CallbackInfo&) { return true; }

 protected:
  Status work() override {
    auto faults = catalog().check();
    if (!faults) return faults.error();
    faults_ = *std::move(faults);
    return {};
  }
  Napi::Value value(Napi::Env env) override { return to_js(env, faults_); }

 private:
  std::vector<std::string> faults_;
};

class CatalogWriteOut : public CatalogTask {
 public:
  using CatalogTask::CatalogTask;
  bool from(const Napi::CallbackInfo&) { return true; }

 protected:
  Status work() override { return catalog().write_out(); }
  Napi::Value value(Napi::Env env) override { return env.Undefined(); }
};

class OpenCatalog : public Promised {
 public:
  OpenCatalog(std::shared_ptr<PoolHandle> pool, std::string dataset)
      : Promised(pool), pool_(std::move(pool)), dataset_(std::move(dataset)) {}
  ~OpenCatalog() override {
    bool still_open = false;
    if (catalog_ != nullptr) (void)catalog_->release(&still_open);  // JavaScript never got it
  }

 protected:
  Status work() override {
    auto opened = pool_->shared().open_catalog(dataset_);
    if (!opened) return opened.error();
    catalog_ = *std::move(opened);
    return {};
  }
  Napi::Value value(Napi::Env env) override {
    return handle_to_js(env, std::make_shared<CatalogHandle>(std::exchange(catalog_, nullptr)));
  }

 private:
  std::shared_ptr<PoolHandle> pool_;
  std::string dataset_;
  std::shared_ptr<SharedCatalog> catalog_;
};

Napi::Value open_catalog(const Napi::CallbackInfo& info) {
  std::shared_ptr<PoolHandle> pool = pool_handle_from(info);
  if (pool == nullptr) return {};
  if (!pool->open()) return rejected(info.Env(), ErrorCode::kClosed, "the pool is closed");
  std::string dataset = string_from(info[1]);
  if (info.Env().IsExceptionPending()) return {};
  return Env::of(info.Env())
      .start(Lane::kAdmin, std::make_unique<OpenCatalog>(std::move(pool), std::move(dataset)));
}

Napi::Value close_catalog(const Napi::CallbackInfo& info) {
  const std::shared_ptr<CatalogHandle> catalog = catalog_handle_from(info);
  if (catalog == nullptr) return {};
  return catalog->close(info.Env());
}

template <typename Call, Lane lane>
Napi::Value call(const Napi::CallbackInfo& info) {
  const std::shared_ptr<CatalogHandle> catalog = catalog_handle_from(info);
  if (catalog == nullptr) return {};
  if (!catalog->open()) return rejected(info.Env(), ErrorCode::kClosed, "the catalog is closed");
  auto task = std::make_unique<Call>(catalog);
  if (!task->from(info)) return {};
  return Env::of(info.Env()).start(lane, std::move(task));
}

Napi::Value count(const Napi::CallbackInfo& info) {
  const std::shared_ptr<CatalogHandle> catalog = catalog_handle_from(info);
  if (catalog == nullptr) return {};
  if (!catalog->open()) return Napi::Number::New(info.Env(), 0);
  return to_js(info.Env(), catalog->shared()->catalog().count(family_from(info[1])));
}

Napi::Value log_bytes(const Napi::CallbackInfo& info) {
  const std::shared_ptr<CatalogHandle> catalog = catalog_handle_from(info);
  if (catalog == nullptr) return {};
  if (!catalog->open()) return Napi::Number::New(info.Env(), 0);
  return to_js(info.Env(), catalog->shared()->catalog().log_bytes());
}

}  // namespace

void add_catalog_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("openCatalog", Napi::Function::New<open_catalog>(env));
  exports.Set("closeCatalog", Napi::Function::New<close_catalog>(env));
  exports.Set("catalogGet", Napi::Function::New<call<CatalogGet, Lane::kRead>>(env));
  exports.Set("catalogAlive", Napi::Function::New<call<CatalogAlive, Lane::kRead>>(env));
  exports.Set("catalogApply", Napi::Function::New<call<CatalogApply, Lane::kWrite>>(env));
  exports.Set("catalogScan", Napi::Function::New<call<CatalogScan, Lane::kRead>>(env));
  exports.Set("catalogCheck", Napi::Function::New<call<CatalogCheck, Lane::kAdmin>>(env));
  exports.Set("catalogWriteOut", Napi::Function::New<call<CatalogWriteOut, Lane::kAdmin>>(env));
  exports.Set("catalogLogBytes", Napi::Function::New<log_bytes>(env));
  exports.Set("catalogCount", Napi::Function::New<count>(env));
}

}  // namespace ipfs_zfs::addon
