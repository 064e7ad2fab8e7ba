#include "stream_plan.h"

#include <libnvpair.h>
#include <zlib.h>

#include <charconv>
#include <vector>

#include "labels.h"

namespace ipfs_zfs {
namespace {

constexpr uint64_t kTokenVersion = 1;
constexpr uint64_t kMostPackedBytes = 1u << 20;

Error bad_token(const std::string& why) {
  return {ErrorCode::kResumeToken, "this is no resume token (" + why +
                                       "); take it whole from the receiver's property "
                                       "receive_resume_token"};
}

Error other_stream(const std::string& why) {
  return {ErrorCode::kResumeToken, "the resume token is of another stream: " + why};
}

// Takes a number and the dash after it off the front of `text`.
bool take_number(std::string_view& text, int base, uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || stop == end || *stop != '-') return false;
  text.remove_prefix(static_cast<size_t>(stop - text.data()) + 1);
  return true;
}

bool take_bytes(std::string_view hex, std::vector<uint8_t>& bytes) {
  if (hex.size() % 2 != 0) return false;
  bytes.resize(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); i++) {
    const char* at = hex.data() + 2 * i;
    const auto [stop, error] = std::from_chars(at, at + 2, bytes[i], 16);
    if (error != std::errc() || stop != at + 2) return false;
  }
  return true;
}

// The first word of Fletcher-4 over whole 32-bit words, which is what a token carries.
uint64_t first_sum(const std::vector<uint8_t>& bytes) {
  uint64_t sum = 0;
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    sum += bytes[at] | uint64_t{bytes[at + 1]} << 8 | uint64_t{bytes[at + 2]} << 16 |
           uint64_t{bytes[at + 3]} << 24;
  }
  return sum;
}

// Its form: version-checksum-length-bytes, where the bytes are an nvlist packed by zlib.
Result<Nvlist> unpack(std::string_view token) {
  uint64_t version = 0, sum = 0, packed_bytes = 0;
  if (!take_number(token, 10, version)) return bad_token("it has no version");
  if (version != kTokenVersion) {
    return Error{ErrorCode::kNewerVersion,
                 "the resume token has version " + std::to_string(version) +
                     ", and only version 1 is known; update ipfs-zfs, or send from the start"};
  }
  std::vector<uint8_t> bytes;
  if (!take_number(token, 16, sum) || !take_number(token, 16, packed_bytes) ||
      !take_bytes(token, bytes)) {
    return bad_token("it is cut or altered");
  }
  if (first_sum(bytes) != sum) return bad_token("its checksum is wrong");
  std::vector<char> packed(std::min(packed_bytes, kMostPackedBytes));
  uLongf length = packed.size();
  if (uncompress(reinterpret_cast<Bytef*>(packed.data()), &length, bytes.data(), bytes.size()) !=
          Z_OK ||
      length != packed_bytes) {
    return bad_token("its bytes do not unpack");
  }
  nvlist* raw = nullptr;
  if (nvlist_unpack(packed.data(), length, &raw, 0) != 0) return bad_token("it holds no list");
  return Nvlist(raw);
}

}  // namespace

Result<StreamPlan> plan_stream(const std::string& snapshot, const SendOptions& options,
                               const GuidOf& guid_of) {
  StreamPlan plan{.compressed = options.compressed || options.raw, .raw = options.raw};
  if (options.resume_token.empty()) return plan;
  const Result<Nvlist> unpacked = unpack(options.resume_token);
  if (!unpacked) return unpacked.error();
  nvlist* token = unpacked->get();
  uint64_t to = 0, from = 0;
  if (nvlist_lookup_uint64(token, "toguid", &to) != 0 ||
      nvlist_lookup_uint64(token, "object", &plan.object) != 0 ||
      nvlist_lookup_uint64(token, "offset", &plan.offset) != 0) {
    return bad_token("it does not say where to go on");
  }
  if (nvlist_exists(token, "redact_snaps") || nvlist_exists(token, "book_redact_snaps")) {
    return Error{ErrorCode::kInvalid, "a redacted stream is resumed by zfs-send(8) only"};
  }
  const Result<uint64_t> guid = guid_of(snapshot);
  if (!guid) return guid.error();
  if (*guid != to) return other_stream("it is not of " + snapshot);
  const bool is_incremental = nvlist_lookup_uint64(token, "fromguid", &from) == 0 && from != 0;
  if (is_incremental != !options.from.empty()) {
    return other_stream(is_incremental ? "that was incremental; say from what"
                                       : "that was not incremental");
  }
  if (is_incremental) {
    const Result<uint64_t> base = guid_of(options.from);
    if (!base) return base.error();
    if (*base != from) return other_stream("it does not go on from " + options.from);
  }
  plan.embedded = nvlist_exists(token, "embedok");
  plan.large_blocks = nvlist_exists(token, "largeblockok");
  plan.compressed = nvlist_exists(token, "compressok");
  plan.raw = nvlist_exists(token, "rawok");
  return plan;
}

}  // namespace ipfs_zfs
