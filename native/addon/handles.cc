#include "addon/handles.h"

namespace ipfs_zfs::addon {

namespace {

struct Held {
  std::shared_ptr<Env> env;
  std::shared_ptr<Handle> handle;
};

// Tells our externals from those of other addons.
constexpr napi_type_tag kTag = {0x6970'6673'2d7a'6673, 0x9c1d'4b70'55e2'a83f};

std::shared_ptr<Handle> handle_from(const Napi::CallbackInfo& info) {
  bool ours = false;
  if (info[0].IsExternal()) napi_check_object_type_tag(info.Env(), info[0], &kTag, &ours);
  if (!ours) return nullptr;
  return info[0].As<Napi::External<Held>>().Data()->handle;
}

template <typename T>
std::shared_ptr<T> handle_of(const Napi::CallbackInfo& info, Handle::Kind kind,
                             const char* expected) {
  std::shared_ptr<Handle> handle = handle_from(info);
  if (handle != nullptr && handle->kind() == kind) return std::static_pointer_cast<T>(handle);
  Napi::TypeError::New(info.Env(), expected).ThrowAsJavaScriptException();
  return nullptr;
}

}  // namespace

Napi::Value handle_to_js(Napi::Env env, std::shared_ptr<Handle> handle) {
  Env& owner = Env::of(env);
  owner.add(handle);
  auto external = Napi::External<Held>::New(
      env, new Held{owner.shared_from_this(), std::move(handle)}, [](Napi::Env, Held* held) {
        held->handle->forget(*held->env);
        delete held;
      });
  napi_type_tag_object(env, external, &kTag);
  return external;
}

std::shared_ptr<PoolHandle> pool_handle_from(const Napi::CallbackInfo& info) {
  return handle_of<PoolHandle>(info, Handle::Kind::kPool, "expected a pool");
}

std::shared_ptr<StoreHandle> store_handle_from(const Napi::CallbackInfo& info) {
  return handle_of<StoreHandle>(info, Handle::Kind::kStore, "expected a store");
}

std::shared_ptr<CatalogHandle> catalog_handle_from(const Napi::CallbackInfo& info) {
  return handle_of<CatalogHandle>(info, Handle::Kind::kCatalog, "expected a catalog");
}

}  // namespace ipfs_zfs::addon
