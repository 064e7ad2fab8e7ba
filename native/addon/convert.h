// Between JavaScript values and the native side's plain structures.
//
// Counts are numbers (exact below 2^53), object numbers decimal strings. src/native.ts has checked
// the types; what still does not fit leaves a TypeError pending and gives an empty value.
#pragma once

#include <napi.h>

#include <span>
#include <string>
#include <vector>

#include "store/block_store.h"
#include "zfs/engine.h"
#include "zfs/pool_admin.h"

namespace ipfs_zfs::addon {

std::string string_from(const Napi::Value& value);
std::vector<std::string> strings_from(const Napi::Value& value);
Properties properties_from(const Napi::Value& value);
PoolCreate pool_create_from(const Napi::Object& options);
SendOptions send_options_from(const Napi::Value& value);
ReceiveOptions receive_options_from(const Napi::Value& value);
Key32 wrapping_key_from(const Napi::Value& value);  // undefined: none
int descriptor_from(const Napi::Value& value);
EngineOptions engine_options_from(const Napi::Object& options);
std::span<const uint8_t> bytes_from(const Napi::Value& value);  // valid while JavaScript waits
Key key_from(const Napi::Value& value);                         // undefined: the smallest key
std::vector<Key> keys_from(const Napi::Value& value);           // whole ones, back to back

Napi::Value to_js(Napi::Env env, const PoolStatus& status);
Napi::Value to_js(Napi::Env env, const std::vector<DatasetStatus>& datasets);
Napi::Value to_js(Napi::Env env, const Properties& properties);
Napi::Value to_js(Napi::Env env, const std::vector<DamagedRecord>& records);
Napi::Value to_js(Napi::Env env, const std::vector<std::string>& strings);
Napi::Value to_js(Napi::Env env, const StoreStats& stats);
Napi::Value to_js(Napi::Env env, const std::vector<IndexStats>& indexes);
Napi::Value to_js(Napi::Env env, const IndexPage& page);
Napi::Value to_js(Napi::Env env, const VerifyPage& page);
Napi::Value to_js(Napi::Env env, const ScanPage& page);
Napi::Value to_js(Napi::Env env, uint64_t number);

// Makes a typed array of `count` elements. False when the environment is being terminated: then no
// call makes anything, and nothing must be written.
template <typename T>
bool new_array(Napi::Env env, size_t count, Napi::TypedArrayOf<T>* array) {
  *array = Napi::TypedArrayOf<T>::New(env, count);
  return !array->IsEmpty() && (count == 0 || array->Data() != nullptr);
}

Napi::Value bytes_to_js(Napi::Env env, std::span<const uint8_t> bytes);
Napi::Value keys_to_js(Napi::Env env, std::span<const Key> keys);

}  // namespace ipfs_zfs::addon
