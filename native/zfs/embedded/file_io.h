// The vdev files and block devices: OpenZFS's zfs_file_*() calls, one system call each.
#pragma once

#include <cstdint>
#include <string>

namespace ipfs_zfs::embedded {

// For tests of lost disks: makes I/O on the file at `path` fail with EIO until healed.
enum class FileFault : uint8_t { kNone = 0, kReads = 1, kWrites = 2, kAll = 3 };
void set_file_fault(const std::string& path, FileFault fault);

struct FileIoStats {
  uint64_t direct_reads = 0;
  uint64_t buffered_reads = 0;
  uint64_t direct_writes = 0;
  uint64_t buffered_writes = 0;
};
FileIoStats file_io_stats();

}  // namespace ipfs_zfs::embedded
