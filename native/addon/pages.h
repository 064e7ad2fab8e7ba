// Memory for blocks on their way to JavaScript: page-aligned buffers that are touched once and
// kept, since fresh pages cost more to fault in than to fill.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace ipfs_zfs::addon {

class PagePool {
 public:
  static constexpr size_t kKeptBytes = 64u << 20;

  static PagePool& instance();  // never destroyed

  // At least `size_bytes`; null when the machine has no memory left.
  uint8_t* take(size_t size_bytes);
  // `size_bytes` as it was taken.
  void give(uint8_t* buffer, size_t size_bytes);

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<uint8_t*>> kept_;  // by real size
  size_t kept_bytes_ = 0;
};

// The memory of one batched get: small blocks share chunks, large ones have a buffer each.
class Catch {
 public:
  // A view that JavaScript holds on to pins its chunk, so chunks stay small.
  static constexpr size_t kChunkBytes = 256u << 10;
  static constexpr size_t kSharedBelowBytes = 64u << 10;

  // What one get may bring, so that a batch cannot take all memory.
  static constexpr size_t kMaxBytes = 1u << 30;

  struct Buffer {
    uint8_t* bytes = nullptr;
    size_t capacity_bytes = 0;
    size_t used_bytes = 0;
  };
  struct Place {
    uint32_t buffer = 0;
    uint32_t offset_bytes = 0;
  };

  Catch() = default;
  Catch(const Catch&) = delete;
  Catch& operator=(const Catch&) = delete;
  ~Catch();

  // Null when the batch is over its limit, or the machine has no memory left.
  uint8_t* place(size_t size_bytes, Place* where);
  bool overflowed() const { return overflowed_; }
  std::vector<Buffer>& buffers() { return buffers_; }

 private:
  std::vector<Buffer> buffers_;
  size_t chunk_ = SIZE_MAX;  // the one that small blocks go into
  size_t next_chunk_bytes_ = 4096;
  size_t total_bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace ipfs_zfs::addon
