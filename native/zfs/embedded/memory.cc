// libzpool invents memory pressure with random numbers, for its stress test. These take the place
// of its functions (weaken.txt) and tell the cache the truth.
#include "memory.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace ipfs_zfs::embedded {
namespace {

constexpr uint64_t kDefaultLimitBytes = uint64_t{2} << 30;
constexpr uint64_t kSmallestLimitBytes = uint64_t{128} << 20;  // one transaction group must fit
constexpr uint64_t kReserveMinBytes = uint64_t{128} << 20;
constexpr int64_t kReadingLifeMs = 100;

std::atomic<uint64_t> limit_bytes{0};

uint64_t read_number(const char* path, const char* key) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return 0;
  char line[256];
  uint64_t number = 0;
  const size_t key_length = std::strlen(key);
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::strncmp(line, key, key_length) != 0) continue;
    if (std::sscanf(line + key_length, "%" SCNu64, &number) != 1) number = 0;
    break;
  }
  std::fclose(file);
  return number;
}

uint64_t available_now_bytes() {
  uint64_t available = read_number("/proc/meminfo", "MemAvailable:") * 1024;
  const uint64_t group_limit = read_number("/sys/fs/cgroup/memory.max", "");
  if (group_limit > 0) {
    const uint64_t group_used = read_number("/sys/fs/cgroup/memory.current", "");
    // Clean page cache is given back on demand; it is not used up.
    const uint64_t group_cache = read_number("/sys/fs/cgroup/memory.stat", "inactive_file ");
    const uint64_t held = group_used - std::min(group_used, group_cache);
    available = std::min(available, group_limit - std::min(group_limit, held));
  }
  return available;
}

// OpenZFS asks on every eviction check, so a reading is kept for a moment.
uint64_t available_bytes() {
  static std::atomic<uint64_t> reading{0};
  static std::atomic<int64_t> expires_ms{0};
  const int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::steady_clock::now().time_since_epoch())
                             .count();
  int64_t expired_ms = expires_ms.load();
  if (now_ms >= expired_ms &&
      expires_ms.compare_exchange_strong(expired_ms, now_ms + kReadingLifeMs)) {
    reading = available_now_bytes();
  }
  const uint64_t bytes = reading.load();
  return bytes != 0 ? bytes : machine_memory_bytes();
}

}  // namespace

uint64_t machine_memory_bytes() {
  static const uint64_t bytes = [] {
    const uint64_t physical = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                              static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
    const uint64_t group = read_number("/sys/fs/cgroup/memory.max", "");
    return group > 0 ? std::min(physical, group) : physical;
  }();
  return bytes;
}

void set_cache_limit(uint64_t bytes) {
  if (bytes == 0) bytes = std::min(machine_memory_bytes() / 4, kDefaultLimitBytes);
  limit_bytes = std::max(bytes, kSmallestLimitBytes);
}

uint64_t cache_limit_bytes() { return limit_bytes; }

}  // namespace ipfs_zfs::embedded

using namespace ipfs_zfs::embedded;

extern "C" {

uint64_t arc_default_max(uint64_t min, uint64_t allmem) {
  (void)min;
  (void)allmem;
  return cache_limit_bytes();
}

uint64_t arc_all_memory(void) { return machine_memory_bytes(); }

uint64_t arc_free_memory(void) { return available_bytes(); }

// Below zero the cache shrinks. A little is left for everybody else.
int64_t arc_available_memory(void) {
  const uint64_t reserve = std::max(machine_memory_bytes() / 64, kReserveMinBytes);
  return static_cast<int64_t>(available_bytes()) - static_cast<int64_t>(reserve);
}

}  // extern "C"
