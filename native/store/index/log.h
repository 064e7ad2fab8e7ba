// The write-ahead log: one file per table, frames back to back.
//
// A frame is one batch, all of it or nothing: it is written in the same DatasetFiles::apply as the
// data that it speaks of. Frames have consecutive sequence numbers, across files too. A frame that
// is not whole and has no whole one after it is the torn end; anything else is damage.
//
// A batch of several families has a frame in the log of each, and each but the last names the
// next. A frame whose next one is not there is not whole either: so all of the batch is there when
// its last frame is, also where an engine cannot write to several files at once.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../../zfs/dataset_files.h"
#include "record.h"

namespace ipfs_zfs {

inline constexpr uint32_t kLogVersion = 2;                       // 1 has no links
inline constexpr uint64_t kLogMagic = 0x0000'676F'6C5A'4649ull;  // "IFZlog"
inline constexpr uint32_t kFrameMagic = 0x4D52'4649u;            // "IFRM"
inline constexpr uint32_t kLogRecordBytes = 128u << 10;

struct LogHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t value_bytes;
  uint64_t log;             // its number
  uint64_t first_sequence;  // of its first frame
  uint64_t checksum;
};
static_assert(sizeof(LogHeader) == 40);

// Then come the link's sequence if there is one, the puts (key, value), the deletes (key, old
// value), the moves (key, value, old value).
struct FrameHeader {
  uint32_t magic;
  uint32_t body_bytes;
  uint64_t sequence;
  uint32_t puts;
  uint32_t deletes;
  uint32_t moves;
  uint32_t linked;    // 0, or 1 + the family that the batch goes on in
  uint64_t checksum;  // of the header before it, and of the body
};
static_assert(sizeof(FrameHeader) == 40);

inline constexpr size_t kPutBytes = sizeof(Record);
inline constexpr size_t kDeleteBytes = sizeof(Record);
inline constexpr size_t kMoveBytes = sizeof(Record) + sizeof(Value);

// Where a batch goes on: the frame with that number in the log of another family of the dataset.
struct FrameLink {
  uint32_t family = 0;
  uint64_t sequence = 0;
};
inline constexpr size_t kLinkBytes = sizeof(uint64_t);

// Appends one frame to `bytes`.
void encode_frame(std::span<const Change> changes, uint64_t sequence,
                  const std::optional<FrameLink>& link, std::vector<uint8_t>& bytes);
void encode_log_header(uint64_t log, uint64_t first_sequence, std::vector<uint8_t>& bytes);

struct LogEnd {
  uint64_t next_sequence = 0;
  uint64_t end_bytes = 0;  // where the next frame goes
  uint64_t file_bytes = 0;
  bool torn = false;  // something that is no frame lies behind the end
  uint32_t version = kLogVersion;
};

// Gives the changes of each frame to `replay`, in order. `first_sequence` is what the first frame
// must have; `goes_on` says whether the frame of a link is there.
Result<LogEnd> read_log(DatasetFiles& files, const std::string& path, uint64_t log,
                        uint64_t first_sequence,
                        const std::function<bool(const FrameLink&)>& goes_on,
                        const std::function<Status(std::span<const Change>)>& replay);

}  // namespace ipfs_zfs
