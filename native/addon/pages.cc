#include "addon/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace ipfs_zfs::addon {

namespace {

// Sizes in eighths of a power of two, so that few distinct ones are kept and little is wasted.
size_t real_size(size_t size_bytes) {
  const size_t step = std::max<size_t>(4096, std::bit_floor(size_bytes) / 8);
  return (size_bytes + step - 1) / step * step;
}

}  // namespace

PagePool& PagePool::instance() {
  static PagePool* const pool = new PagePool;
  return *pool;
}

uint8_t* PagePool::take(size_t size_bytes) {
  const size_t real = real_size(size_bytes);
  {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(real);
    if (found != kept_.end() && !found->second.empty()) {
      uint8_t* const buffer = found->second.back();
      found->second.pop_back();
      kept_bytes_ -= real;
      return buffer;
    }
  }
  void* const pages =
      mmap(nullptr, real, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : static_cast<uint8_t*>(pages);
}

void PagePool::give(uint8_t* buffer, size_t size_bytes) {
  const size_t real = real_size(size_bytes);
  const std::lock_guard lock(mutex_);
  // What was just used is what will be wanted: other sizes make room for it.
  for (auto& [other, buffers] : kept_) {
    if (other == real) continue;
    while (kept_bytes_ + real > kKeptBytes && !buffers.empty()) {
      munmap(buffers.back(), other);
      buffers.pop_back();
      kept_bytes_ -= other;
    }
  }
  if (kept_bytes_ + real > kKeptBytes) {
    munmap(buffer, real);
    return;
  }
  kept_[real].push_back(buffer);
  kept_bytes_ += real;
}

Catch::~Catch() {
  for (const Buffer& buffer : buffers_) {
    if (buffer.bytes != nullptr) PagePool::instance().give(buffer.bytes, buffer.capacity_bytes);
  }
}

uint8_t* Catch::place(size_t size_bytes, Place* where) {
  total_bytes_ += size_bytes;
  if (total_bytes_ > kMaxBytes) {
    overflowed_ = true;
    return nullptr;
  }
  const bool shared = size_bytes < kSharedBelowBytes;
  if (shared && chunk_ != SIZE_MAX) {
    Buffer& chunk = buffers_[chunk_];
    if (chunk.capacity_bytes - chunk.used_bytes >= size_bytes) {
      *where = {static_cast<uint32_t>(chunk_), static_cast<uint32_t>(chunk.used_bytes)};
      chunk.used_bytes += size_bytes;
      return chunk.bytes + where->offset_bytes;
    }
  }
  size_t capacity = size_bytes;
  if (shared) {
    capacity = std::max(next_chunk_bytes_, std::bit_ceil(size_bytes));
    next_chunk_bytes_ = std::min(kChunkBytes, 2 * capacity);
    chunk_ = buffers_.size();
  }
  uint8_t* const bytes = PagePool::instance().take(std::max<size_t>(capacity, 1));
  if (bytes == nullptr) {
    overflowed_ = true;
    return nullptr;
  }
  *where = {static_cast<uint32_t>(buffers_.size()), 0};
  buffers_.push_back({bytes, capacity, size_bytes});
  return bytes;
}

}  // namespace ipfs_zfs::addon
