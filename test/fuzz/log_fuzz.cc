// A damaged log gives an error that names file and offset, or the frames before the damage; never
// a crash, never a change that nobody logged.
#include "native/store/bytes.h"
#include "native/store/checksum.h"
#include "native/store/index/log.h"
#include "patches.h"
#include "test/native/store/memory_files.h"

namespace ipfs_zfs::fuzz {
namespace {

constexpr char kPath[] = "index/0000000000000003.log";
constexpr uint64_t kLog = 3;
constexpr uint64_t kFirstSequence = 7;

using Frames = std::vector<std::vector<Change>>;

Frames make_frames() {
  Frames frames;
  for (uint64_t frame = 0; frame < 12; frame++) {
    auto& changes = frames.emplace_back();
    for (uint64_t i = 0; i <= frame; i++) {
      Change change;
      change.key.fill(static_cast<uint8_t>(frame * 16 + i));
      // As encode_frame orders them: puts, deletes, moves.
      change.value = i < frame / 2 || i > frame / 2 + 1 ? frame : kTombstone;
      if (i >= frame / 2) change.old_value = i;
      if (change.value == kTombstone) change.old_value = i;
      changes.push_back(change);
    }
  }
  return frames;
}

std::vector<uint8_t> encode(const Frames& frames) {
  std::vector<uint8_t> bytes;
  encode_log_header(kLog, kFirstSequence, bytes);
  uint64_t sequence = kFirstSequence;
  for (const auto& changes : frames) {
    // Every third is the first of a batch that goes on elsewhere.
    std::optional<FrameLink> link;
    if (sequence % 3 == 0) link = FrameLink{2, sequence};
    encode_frame(changes, sequence++, link, bytes);
  }
  return bytes;
}

// Makes the checksums of the header and of what look like frames right.
void forge(std::vector<uint8_t>& bytes) {
  if (bytes.size() < sizeof(LogHeader)) return;
  store_le(bytes.data() + offsetof(LogHeader, checksum),
           checksum({bytes.data(), offsetof(LogHeader, checksum)}));
  for (size_t at = sizeof(LogHeader); at + sizeof(FrameHeader) <= bytes.size();) {
    const auto body = load_le<uint32_t>(bytes.data() + at + offsetof(FrameHeader, body_bytes));
    if (bytes.size() - at - sizeof(FrameHeader) < body) return;
    const uint64_t head = checksum({bytes.data() + at, offsetof(FrameHeader, checksum)});
    store_le(bytes.data() + at + offsetof(FrameHeader, checksum),
             checksum({bytes.data() + at + sizeof(FrameHeader), body}, head));
    at += sizeof(FrameHeader) + body;
  }
}

bool same(const Change& a, const Change& b) {
  return a.key == b.key && a.value == b.value && a.old_value == b.old_value;
}

}  // namespace
}  // namespace ipfs_zfs::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ipfs_zfs;
  using namespace ipfs_zfs::fuzz;
  static const Frames frames = make_frames();
  static const std::vector<uint8_t> valid = encode(frames);
  Patches patches({data, size});
  std::vector<uint8_t> bytes = valid;
  patches.apply(bytes);
  if (patches.forge()) forge(bytes);
  test::MemoryFiles files;
  must(files.create(kPath, kLogRecordBytes).ok());
  files.set_content(kPath, bytes);

  size_t replayed = 0;
  const auto replay = [&](std::span<const Change> changes) -> Status {
    if (!patches.forge()) {
      must(replayed < frames.size() && frames[replayed].size() == changes.size());
      for (size_t i = 0; i < changes.size(); i++) must(same(changes[i], frames[replayed][i]));
    }
    replayed++;
    return {};
  };
  const auto goes_on = [&](const FrameLink& link) {
    must(patches.forge() || (link.family == 2 && link.sequence == kFirstSequence + replayed));
    return true;
  };
  const auto end = read_log(files, kPath, kLog, kFirstSequence, goes_on, replay);
  if (!end) {
    const Error& error = end.error();
    must(error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kNewerVersion);
    must(error.message.starts_with(kPath));
    must(error.code != ErrorCode::kCorrupt || error.message.find(" at offset ") < 99);
  } else {
    must(end->next_sequence == kFirstSequence + replayed && end->end_bytes <= bytes.size());
  }
  return 0;
}
