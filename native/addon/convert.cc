#include "addon/convert.h"

#include <algorithm>
#include <cstring>

#include "store/bytes.h"
#include "store/location.h"

namespace ipfs_zfs::addon {

namespace {

void type_error(Napi::Env env, const char* message) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

uint64_t number_from(const Napi::Value& value, uint64_t missing) {
  if (value.IsUndefined()) return missing;
  if (!value.IsNumber()) {
    type_error(value.Env(), "expected a number");
    return missing;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  return number > 0 ? static_cast<uint64_t>(number) : 0;
}

Napi::Value vdev_to_js(Napi::Env env, const VdevStatus& vdev) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("name", vdev.name);
  value.Set("state", vdev.state);
  value.Set("readErrors", to_js(env, vdev.read_errors));
  value.Set("writeErrors", to_js(env, vdev.write_errors));
  value.Set("checksumErrors", to_js(env, vdev.checksum_errors));
  Napi::Array children = Napi::Array::New(env, vdev.children.size());
  for (uint32_t i = 0; i < vdev.children.size(); i++) {
    children.Set(i, vdev_to_js(env, vdev.children[i]));
  }
  value.Set("children", children);
  return value;
}

}  // namespace

std::string string_from(const Napi::Value& value) {
  if (!value.IsString()) {
    type_error(value.Env(), "expected a string");
    return {};
  }
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> strings_from(const Napi::Value& value) {
  if (!value.IsArray()) {
    type_error(value.Env(), "expected an array of strings");
    return {};
  }
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); i++) strings.push_back(string_from(array[i]));
  return strings;
}

Properties properties_from(const Napi::Value& value) {
  if (!value.IsObject()) {
    if (!value.IsUndefined()) type_error(value.Env(), "expected an object of properties");
    return {};
  }
  const auto object = value.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  Properties properties;
  for (uint32_t i = 0; i < names.Length(); i++) {
    const Napi::Value name = names[i];
    properties[string_from(name)] = string_from(object.Get(name));
  }
  return properties;
}

PoolCreate pool_create_from(const Napi::Object& options) {
  static constexpr const char* kLayouts[] = {"stripe", "mirror", "raidz1", "raidz2", "raidz3"};
  PoolCreate pool;
  pool.name = string_from(options.Get("name"));
  pool.vdevs = strings_from(options.Get("vdevs"));
  const std::string layout = string_from(options.Get("layout"));
  const auto* const found = std::ranges::find(kLayouts, layout);
  if (found == std::end(kLayouts)) type_error(options.Env(), "no such layout");
  pool.layout = static_cast<Layout>(found - std::begin(kLayouts));
  pool.size_bytes = number_from(options.Get("sizeBytes"), 0);
  pool.ashift = static_cast<uint32_t>(number_from(options.Get("ashift"), pool.ashift));
  pool.root_properties = properties_from(options.Get("rootProperties"));
  return pool;
}

EngineOptions engine_options_from(const Napi::Object& options) {
  static constexpr const char* kEngines[] = {"embedded", "kernel", "auto"};
  const std::string engine = string_from(options.Get("engine"));
  const auto* const found = std::ranges::find(kEngines, engine);
  if (found == std::end(kEngines)) type_error(options.Env(), "no such engine");
  return {.engine = static_cast<Engine>(found - std::begin(kEngines)),
          .arc_max_bytes = number_from(options.Get("arcMaxBytes"), 0)};
}

SendOptions send_options_from(const Napi::Value& value) {
  const Napi::Object options = value.ToObject();
  SendOptions send;
  const Napi::Value from = options.Get("from");
  if (!from.IsUndefined()) send.from = string_from(from);
  send.compressed = options.Get("compressed").ToBoolean();
  send.raw = options.Get("raw").ToBoolean();
  const Napi::Value token = options.Get("resumeToken");
  if (!token.IsUndefined()) send.resume_token = string_from(token);
  return send;
}

ReceiveOptions receive_options_from(const Napi::Value& value) {
  const Napi::Object options = value.ToObject();
  return {.force = options.Get("force").ToBoolean(),
          .resumable = options.Get("resumable").ToBoolean()};
}

Key32 wrapping_key_from(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const std::span<const uint8_t> bytes = bytes_from(value);
  return {bytes.begin(), bytes.end()};
}

int descriptor_from(const Napi::Value& value) { return static_cast<int>(number_from(value, 0)); }

std::span<const uint8_t> bytes_from(const Napi::Value& value) {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) {
    type_error(value.Env(), "expected a Uint8Array");
    return {};
  }
  return {static_cast<const uint8_t*>(data), length};
}

Key key_from(const Napi::Value& value) {
  Key key{};
  if (value.IsUndefined()) return key;
  const std::span<const uint8_t> bytes = bytes_from(value);
  if (bytes.size() == key.size()) {
    std::ranges::copy(bytes, key.begin());
  } else {
    type_error(value.Env(), "expected a key of 32 bytes");
  }
  return key;
}

std::vector<Key> keys_from(const Napi::Value& value) {
  const std::span<const uint8_t> bytes = bytes_from(value);
  std::vector<Key> keys(bytes.size() / sizeof(Key));
  if (!keys.empty()) std::memcpy(keys.data(), bytes.data(), keys.size() * sizeof(Key));
  return keys;
}

Napi::Value to_js(Napi::Env env, uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

Napi::Value bytes_to_js(Napi::Env env, std::span<const uint8_t> bytes) {
  Napi::Uint8Array array;
  if (!new_array(env, bytes.size(), &array)) return {};
  std::ranges::copy(bytes, array.Data());
  return array;
}

Napi::Value keys_to_js(Napi::Env env, std::span<const Key> keys) {
  return bytes_to_js(env, {reinterpret_cast<const uint8_t*>(keys.data()), keys.size_bytes()});
}

Napi::Value to_js(Napi::Env env, const PoolStatus& status) {
  Napi::Object scrub = Napi::Object::New(env);
  scrub.Set("state", status.scrub.state);
  scrub.Set("examinedBytes", to_js(env, status.scrub.examined_bytes));
  scrub.Set("toExamineBytes", to_js(env, status.scrub.to_examine_bytes));
  scrub.Set("repairedBytes", to_js(env, status.scrub.repaired_bytes));
  scrub.Set("errors", to_js(env, status.scrub.errors));
  scrub.Set("startSeconds", to_js(env, status.scrub.start_s));
  scrub.Set("endSeconds", to_js(env, status.scrub.end_s));

  Napi::Object value = Napi::Object::New(env);
  value.Set("name", status.name);
  value.Set("guid", status.guid);
  value.Set("state", status.state);
  value.Set("sizeBytes", to_js(env, status.size_bytes));
  value.Set("allocatedBytes", to_js(env, status.allocated_bytes));
  value.Set("freeBytes", to_js(env, status.free_bytes));
  value.Set("txg", to_js(env, status.txg));
  value.Set("root", vdev_to_js(env, status.root));
  value.Set("scrub", scrub);
  return value;
}

Napi::Value to_js(Napi::Env env, const std::vector<DatasetStatus>& datasets) {
  Napi::Array array = Napi::Array::New(env, datasets.size());
  for (uint32_t i = 0; i < datasets.size(); i++) {
    const DatasetStatus& dataset = datasets[i];
    Napi::Object value = Napi::Object::New(env);
    value.Set("name", dataset.name);
    value.Set("isSnapshot", dataset.is_snapshot);
    value.Set("usedBytes", to_js(env, dataset.used_bytes));
    value.Set("referencedBytes", to_js(env, dataset.referenced_bytes));
    value.Set("logicalReferencedBytes", to_js(env, dataset.logical_referenced_bytes));
    value.Set("availableBytes", to_js(env, dataset.available_bytes));
    value.Set("createdSeconds", to_js(env, dataset.created_s));
    value.Set("createdTxg", to_js(env, dataset.created_txg));
    value.Set("compressRatio", dataset.compress_ratio);
    array.Set(i, value);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const Properties& properties) {
  Napi::Object value = Napi::Object::New(env);
  for (const auto& [name, text] : properties) value.Set(name, text);
  return value;
}

Napi::Value to_js(Napi::Env env, const std::vector<DamagedRecord>& records) {
  Napi::Array array = Napi::Array::New(env, records.size());
  for (uint32_t i = 0; i < records.size(); i++) {
    Napi::Object value = Napi::Object::New(env);
    value.Set("dataset", records[i].dataset);
    value.Set("file", std::to_string(records[i].file));
    value.Set("level", to_js(env, records[i].level));
    value.Set("record", to_js(env, records[i].record));
    array.Set(i, value);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<std::string>& strings) {
  Napi::Array array = Napi::Array::New(env, strings.size());
  for (uint32_t i = 0; i < strings.size(); i++) array.Set(i, strings[i]);
  return array;
}

Napi::Value to_js(Napi::Env env, const StoreStats& stats) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("blocks", to_js(env, stats.blocks));
  value.Set("blockBytes", to_js(env, stats.block_bytes));
  value.Set("slotRecordsUsed", to_js(env, stats.slot_records_used));
  value.Set("packs", to_js(env, stats.packs));
  value.Set("packLiveBytes", to_js(env, stats.pack_live_bytes));
  value.Set("packDeadBytes", to_js(env, stats.pack_dead_bytes));
  value.Set("indexRuns", to_js(env, stats.index_runs));
  value.Set("indexTableKeys", to_js(env, stats.index_table_keys));
  value.Set("indexDiskBytes", to_js(env, stats.index_disk_bytes));
  value.Set("indexMemoryBytes", to_js(env, stats.index_memory_bytes));
  return value;
}

Napi::Value to_js(Napi::Env env, const std::vector<IndexStats>& indexes) {
  Napi::Array array = Napi::Array::New(env, indexes.size());
  for (uint32_t i = 0; i < indexes.size(); i++) {
    const IndexStats& stats = indexes[i];
    Napi::Object value = Napi::Object::New(env);
    value.Set("keys", to_js(env, stats.keys));
    value.Set("runs", to_js(env, stats.runs));
    value.Set("tableKeys", to_js(env, stats.table_keys));
    value.Set("logBytes", to_js(env, stats.log_bytes));
    value.Set("runBytes", to_js(env, stats.run_bytes));
    value.Set("filterBytes", to_js(env, stats.filter_bytes));
    value.Set("cacheBytes", to_js(env, stats.cache_bytes));
    value.Set("memoryBytes", to_js(env, stats.memory_bytes));
    value.Set("changes", to_js(env, stats.changes));
    value.Set("logWrittenBytes", to_js(env, stats.log_written_bytes));
    value.Set("runWrittenBytes", to_js(env, stats.run_written_bytes));
    value.Set("merges", to_js(env, stats.merges));
    value.Set("lookups", to_js(env, stats.lookups.keys));
    value.Set("filterProbes", to_js(env, stats.lookups.filter_probes));
    value.Set("falsePositives", to_js(env, stats.lookups.false_positives));
    value.Set("cachedPages", to_js(env, stats.lookups.cached_pages));
    value.Set("readPages", to_js(env, stats.lookups.read_pages));
    value.Set("stalls", to_js(env, stats.stalls));
    value.Set("stalledMs", static_cast<double>(stats.stalled_us) / 1e3);
    value.Set("longestStallMs", static_cast<double>(stats.longest_stall_us) / 1e3);
    array.Set(i, value);
  }
  return array;
}

// Keys and places as text: it is read by people, and 64 bits do not fit a number.
Napi::Value to_js(Napi::Env env, const IndexPage& page) {
  Napi::Array records = Napi::Array::New(env, page.records.size());
  for (uint32_t i = 0; i < page.records.size(); i++) {
    Napi::Object value = Napi::Object::New(env);
    value.Set("key", hex_of(page.records[i].key));
    value.Set("place", Location(page.records[i].value).text());
    records.Set(i, value);
  }
  Napi::Object value = Napi::Object::New(env);
  value.Set("records", records);
  if (!page.done) value.Set("next", bytes_to_js(env, page.next));
  return value;
}

Napi::Value to_js(Napi::Env env, const VerifyPage& page) {
  Napi::Array bad = Napi::Array::New(env, page.bad.size());
  for (uint32_t i = 0; i < page.bad.size(); i++) {
    Napi::Object value = Napi::Object::New(env);
    value.Set("key", bytes_to_js(env, page.bad[i].key));
    value.Set("multihash", bytes_to_js(env, page.bad[i].multihash));
    value.Set("code", error_name(page.bad[i].error));
    value.Set("why", page.bad[i].why);
    bad.Set(i, value);
  }
  Napi::Object value = Napi::Object::New(env);
  value.Set("byPointer", to_js(env, page.by_pointer));
  value.Set("byHash", to_js(env, page.by_hash));
  value.Set("unhashed", to_js(env, page.unhashed));
  value.Set("bytes", to_js(env, page.bytes));
  value.Set("bad", bad);
  if (!page.done) value.Set("next", bytes_to_js(env, page.next));
  return value;
}

// All multihashes back to back, their lengths, and the blocks' sizes.
Napi::Value to_js(Napi::Env env, const ScanPage& page) {
  size_t total = 0;
  for (const ScannedBlock& block : page.blocks) total += block.multihash.size();
  Napi::Uint8Array bytes;
  Napi::Uint8Array lengths;
  Napi::Array sizes = Napi::Array::New(env, page.blocks.size());
  if (!new_array(env, total, &bytes) || !new_array(env, page.blocks.size(), &lengths)) return {};
  uint8_t* into = bytes.Data();
  for (uint32_t i = 0; i < page.blocks.size(); i++) {
    const ScannedBlock& block = page.blocks[i];
    into = std::ranges::copy(block.multihash, into).out;
    lengths.Data()[i] = static_cast<uint8_t>(block.multihash.size());
    sizes.Set(i, Napi::Number::New(env, block.size_bytes));
  }
  Napi::Object value = Napi::Object::New(env);
  value.Set("multihashes", bytes);
  value.Set("lengths", lengths);
  value.Set("sizesBytes", sizes);
  if (!page.done) value.Set("next", bytes_to_js(env, page.next));
  return value;
}

}  // namespace ipfs_zfs::addon
