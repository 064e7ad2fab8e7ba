// What a fuzz input is: one byte of choices, then patches of a valid file (offset 4, length 1,
// bytes). Almost any other input would end at the first checksum; with kForge the target makes the
// checksums right again, so that the parsers behind them see the damage too.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace ipfs_zfs::fuzz {

inline constexpr uint8_t kForge = 1;
inline constexpr uint8_t kCut = 2;  // the first four bytes say where the file ends

class Patches {
 public:
  explicit Patches(std::span<const uint8_t> input) : input_(input) {
    if (!input_.empty()) choices_ = input_[0];
    input_ = input_.subspan(input_.empty() ? 0 : 1);
  }

  bool forge() const { return (choices_ & kForge) != 0; }

  void apply(std::vector<uint8_t>& file) {
    if ((choices_ & kCut) != 0) file.resize(number() % (file.size() + 1));
    while (input_.size() >= 5 && !file.empty()) {
      size_t at = number() % file.size();
      size_t length = take();
      for (; length > 0 && !input_.empty() && at < file.size(); length--) file[at++] = take();
    }
  }

 private:
  uint8_t take() {
    if (input_.empty()) return 0;
    const uint8_t byte = input_[0];
    input_ = input_.subspan(1);
    return byte;
  }
  uint32_t number() {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value |= uint32_t{take()} << (8 * i);
    return value;
  }

  std::span<const uint8_t> input_;
  uint8_t choices_ = 0;
};

// Aborts, which is what the fuzzer looks for.
inline void must(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace ipfs_zfs::fuzz
