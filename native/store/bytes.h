// Numbers to and from the bytes of a file. Everything on disk is little-endian, and so is every
// machine this is built for; memcpy then is the whole conversion.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace ipfs_zfs {

static_assert(std::endian::native == std::endian::little, "the file formats are little-endian");

template <typename T>
T load_le(const uint8_t* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
void store_le(uint8_t* into, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(into, &value, sizeof(T));
}

template <typename T>
void append_le(std::vector<uint8_t>& bytes, T value) {
  const size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  store_le(bytes.data() + at, value);
}

// Reads fields one after another and remembers whether it ran over the end, so that a parser
// checks once, after the last field.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <typename T>
  T take() {
    if (bytes_.size() - at_ < sizeof(T)) {
      failed_ = true;
      at_ = bytes_.size();
      return T{};
    }
    const T value = load_le<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return value;
  }

  std::span<const uint8_t> take_bytes(size_t count) {
    if (bytes_.size() - at_ < count) {
      failed_ = true;
      at_ = bytes_.size();
      return {};
    }
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }

  bool failed() const { return failed_; }
  size_t left() const { return bytes_.size() - at_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

inline std::string hex_of(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace ipfs_zfs
