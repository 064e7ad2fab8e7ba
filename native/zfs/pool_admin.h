// One open pool: what an administrator does with it. `embedded/` and `kernel/` implement it.
//
// All calls are thread-safe and may block; names are full (`pool/ipfs/shard-0000`, snapshots
// `dataset@name`). Property names and values are those of zfsprops(7) and zpoolprops(7), as text.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../result.h"
#include "dataset_files.h"

namespace ipfs_zfs {

using Properties = std::map<std::string, std::string>;

enum class Layout : uint8_t { kStripe, kMirror, kRaidz1, kRaidz2, kRaidz3 };

struct PoolCreate {
  std::string name;
  std::vector<std::string> vdevs;  // absolute paths of files (made sparse) or block devices
  Layout layout = Layout::kStripe;
  uint64_t size_bytes = 0;  // of each file that does not exist yet; at least 64 MiB
  uint32_t ashift = 12;
  Properties root_properties;  // of the pool's root dataset, inherited by all below
};

struct VdevStatus {
  std::string name;   // path, or "mirror-0"
  std::string state;  // as zpool-status(8) prints it: ONLINE, DEGRADED, FAULTED, …
  uint64_t read_errors = 0;
  uint64_t write_errors = 0;
  uint64_t checksum_errors = 0;
  std::vector<VdevStatus> children;
};

struct ScrubStatus {
  std::string state;  // none, scanning, finished, canceled
  uint64_t examined_bytes = 0;
  uint64_t to_examine_bytes = 0;
  uint64_t repaired_bytes = 0;
  uint64_t errors = 0;
  uint64_t start_s = 0;  // seconds since 1970
  uint64_t end_s = 0;
};

struct PoolStatus {
  std::string name;
  std::string guid;   // decimal
  std::string state;  // ONLINE, DEGRADED, SUSPENDED, …
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t txg = 0;
  VdevStatus root;
  ScrubStatus scrub;
};

struct DatasetStatus {
  std::string name;
  bool is_snapshot = false;
  uint64_t used_bytes = 0;
  uint64_t referenced_bytes = 0;
  uint64_t logical_referenced_bytes = 0;
  uint64_t available_bytes = 0;
  uint64_t created_s = 0;
  uint64_t created_txg = 0;
  double compress_ratio = 1.0;
};

// A record that ZFS could not read or repair, as a scrub or a read found it.
struct DamagedRecord {
  std::string dataset;  // empty when the damage is in the pool's own metadata
  FileId file = 0;
  uint64_t level = 0;  // 0 is data; above it, an indirect block: every record below is affected
  uint64_t record = 0;
};

// A wrapping key of native encryption: 32 bytes (keyformat=raw). Empty: none.
using Key32 = std::vector<uint8_t>;
inline constexpr size_t kKeyBytes = 32;

struct SendOptions {
  std::string from;         // an older snapshot, or a bookmark: only what changed since
  bool compressed = false;  // records as they are stored
  bool raw = false;         // encrypted records as they are stored, which needs no key
  // The receiver's receive_resume_token: only the rest of a stream that was cut. `from` must be as
  // it was at first; `compressed` and `raw` are as the token says.
  std::string resume_token;
};

struct ReceiveOptions {
  bool force = false;  // roll an existing dataset back to its newest snapshot first
  // Keep what came of a stream that is cut: the dataset's property receive_resume_token then says
  // how to send the rest, which is received with the same options.
  bool resumable = false;
};

class PoolAdmin {
 public:
  virtual ~PoolAdmin() = default;

  virtual Result<PoolStatus> status() = 0;
  virtual Status clear_errors() = 0;  // zpool clear: also resumes a suspended pool

  // With a key it is encrypted (aes-256-gcm), and its key is loaded.
  virtual Status create_dataset(const std::string& name, const Properties& properties,
                                const Key32& key = {}) = 0;
  virtual Status destroy_dataset(const std::string& name) = 0;  // no children, no snapshots
  virtual Result<std::vector<DatasetStatus>> list_datasets(const std::string& root) = 0;
  virtual Status set_properties(const std::string& name, const Properties& properties) = 0;
  // Each native property with its effective value; user properties (`module:name`) too.
  virtual Result<Properties> get_properties(const std::string& name) = 0;

  // Shared: opening a dataset twice gives the same files.
  virtual Result<std::shared_ptr<DatasetFiles>> open_files(const std::string& name) = 0;

  // As those of DatasetFiles, for all datasets of the pool.
  virtual Result<Txg> open_txg() = 0;
  virtual Status wait_durable(Txg txg) = 0;

  virtual Status snapshot(const std::vector<std::string>& names) = 0;  // all in one group
  virtual Result<std::vector<DatasetStatus>> list_snapshots(const std::string& root) = 0;
  // To `snapshot`, destroying nothing: kBusy when newer snapshots exist or files are open.
  virtual Status rollback(const std::string& snapshot) = 0;
  virtual Status destroy_snapshots(const std::vector<std::string>& names) = 0;
  virtual Status clone(const std::string& snapshot, const std::string& name) = 0;

  // A held snapshot cannot be destroyed. kExists when it has this tag already.
  virtual Status hold(const std::string& snapshot, const std::string& tag) = 0;
  virtual Status release(const std::string& snapshot, const std::string& tag) = 0;
  // `dataset#name`: where an incremental stream may begin when the snapshot itself is gone.
  virtual Status bookmark(const std::string& snapshot, const std::string& name) = 0;

  // Of an encrypted dataset. kNotWritable for a wrong key; kBusy while its files are open.
  virtual Status load_key(const std::string& dataset, const Key32& key) = 0;
  virtual Status unload_key(const std::string& dataset) = 0;
  virtual Status change_key(const std::string& dataset, const Key32& key) = 0;

  // The stream of zfs-send(8), with records of any size, to a file, pipe or socket; and back. The
  // dataset of `snapshot` is made, or must be as the stream's start was. A stream cut short is kIo.
  // kResumeToken: a token that is none, or not of these snapshots; a stream by a token that does
  // not go on from what is kept, which stays.
  virtual Status send(const std::string& snapshot, const SendOptions& options, int fd) = 0;
  virtual Status receive(const std::string& snapshot, const ReceiveOptions& options, int fd) = 0;
  // Drops what a resumable receive kept in `dataset`; kNotFound when it keeps nothing.
  virtual Status abort_receive(const std::string& dataset) = 0;

  virtual Status scrub_start() = 0;
  virtual Status scrub_stop() = 0;
  virtual std::vector<DamagedRecord> damaged_records() = 0;  // since open, or the last scrub start

  virtual Status close() = 0;  // all files must have been let go; waits for the last group
};

}  // namespace ipfs_zfs
