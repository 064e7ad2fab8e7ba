// The module: what Node calls when it loads the addon, once in each environment.
#include <napi.h>

#include "addon/env.h"
#include "addon/handles.h"

namespace ipfs_zfs::addon {

namespace {

Napi::Object start(Napi::Env env, Napi::Object exports) {
  Env::attach(env);
  add_pool_calls(env, exports);
  add_store_calls(env, exports);

  // By number, for the blocks of a batch that failed.
  Napi::Array names = Napi::Array::New(env);
  for (uint32_t i = 0; i <= static_cast<uint32_t>(ErrorCode::kAborted); i++) {
    names.Set(i, Napi::String::New(env, error_name(static_cast<ErrorCode>(i))));
  }
  exports.Set("errorCodes", names);
  exports.Set("end", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                Env::of(info.Env()).end();
              }));
  return exports;
}

}  // namespace

NODE_API_MODULE(ipfs_zfs, start)

}  // namespace ipfs_zfs::addon
