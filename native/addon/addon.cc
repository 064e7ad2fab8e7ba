// The module: what Node calls when it loads the addon, once in each environment.
#include <napi.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "addon/convert.h"
#include "addon/env.h"
#include "addon/handles.h"
#include "zfs/embedded/file_io.h"

namespace ipfs_zfs::addon {

namespace {

void end(const Napi::CallbackInfo& info) { Env::of(info.Env()).end(); }

void set_file_fault(const Napi::CallbackInfo& info) {
  static constexpr std::string_view kFaults[] = {"none", "reads", "writes", "all"};
  const std::string path = string_from(info[0]);
  const auto* const fault = std::ranges::find(kFaults, string_from(info[1]));
  if (info.Env().IsExceptionPending() || fault == std::end(kFaults)) return;
  embedded::set_file_fault(path, static_cast<embedded::FileFault>(fault - std::begin(kFaults)));
}

// Lost disks are for tests: nothing in a running node can turn this on.
bool faults_wanted() {
  const char* const wanted = std::getenv("IPFS_ZFS_TEST_FAULTS");
  return wanted != nullptr && std::string_view(wanted) == "1";
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  Env::attach(env);
  add_pool_calls(env, exports);
  add_store_calls(env, exports);
  add_catalog_calls(env, exports);

  // By number, for the blocks of a batch that failed.
  Napi::Array names = Napi::Array::New(env);
  for (uint32_t i = 0; i <= static_cast<uint32_t>(ErrorCode::kAborted); i++) {
    names.Set(i, Napi::String::New(env, error_name(static_cast<ErrorCode>(i))));
  }
  exports.Set("errorCodes", names);
  exports.Set("end", Napi::Function::New<end>(env));
  if (faults_wanted()) exports.Set("setFileFault", Napi::Function::New<set_file_fault>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(ipfs_zfs, start)

}  // namespace ipfs_zfs::addon
