// A pool, a store or a catalog as JavaScript holds it: an external value, which closes when it is
// collected.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "addon/env.h"
#include "addon/shared.h"

namespace ipfs_zfs::addon {

class PoolHandle : public Handle {
 public:
  explicit PoolHandle(std::shared_ptr<SharedPool> pool) : pool_(std::move(pool)) {}
  Status release(bool* still_open) override {
    Status status = pool_->release(true);
    *still_open = !status.ok();
    return status;
  }
  Kind kind() const override { return Kind::kPool; }
  SharedPool& shared() { return *pool_; }

 private:
  std::shared_ptr<SharedPool> pool_;
};

class StoreHandle : public Handle {
 public:
  explicit StoreHandle(std::shared_ptr<SharedStore> store) : store_(std::move(store)) {}
  Status release(bool* still_open) override { return store_->release(still_open); }
  Kind kind() const override { return Kind::kStore; }
  const std::shared_ptr<SharedStore>& shared() const { return store_; }

 private:
  std::shared_ptr<SharedStore> store_;
};

class CatalogHandle : public Handle {
 public:
  explicit CatalogHandle(std::shared_ptr<SharedCatalog> catalog) : catalog_(std::move(catalog)) {}
  Status release(bool* still_open) override { return catalog_->release(still_open); }
  Kind kind() const override { return Kind::kCatalog; }
  const std::shared_ptr<SharedCatalog>& shared() const { return catalog_; }

 private:
  std::shared_ptr<SharedCatalog> catalog_;
};

Napi::Value handle_to_js(Napi::Env env, std::shared_ptr<Handle> handle);

// The handle of a call's first argument. Null, with a TypeError pending, when it is not one.
std::shared_ptr<PoolHandle> pool_handle_from(const Napi::CallbackInfo& info);
std::shared_ptr<StoreHandle> store_handle_from(const Napi::CallbackInfo& info);
std::shared_ptr<CatalogHandle> catalog_handle_from(const Napi::CallbackInfo& info);

// What the module exports.
void add_pool_calls(Napi::Env env, Napi::Object exports);
void add_store_calls(Napi::Env env, Napi::Object exports);
void add_catalog_calls(Napi::Env env, Napi::Object exports);

}  // namespace ipfs_zfs::addon
