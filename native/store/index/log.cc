#include "log.h"

#include <algorithm>
#include <cstddef>

#include "../bytes.h"
#include "../checksum.h"
#include "../ensure.h"

namespace ipfs_zfs {

namespace {

constexpr size_t kReadChunkBytes = 1u << 20;

uint64_t frame_checksum(const uint8_t* frame, size_t body_bytes) {
  const uint64_t head = checksum({frame, offsetof(FrameHeader, checksum)});
  return checksum({frame + sizeof(FrameHeader), body_bytes}, head);
}

Error corrupt(const std::string& path, uint64_t offset, const char* what) {
  return Error{ErrorCode::kCorrupt, path + " at offset " + std::to_string(offset) + ": " + what};
}

size_t link_bytes(const FrameHeader& header) { return header.linked == 0 ? 0 : kLinkBytes; }

// The frame at `at`, if there is a whole one.
bool frame_at(std::span<const uint8_t> log, uint64_t at, FrameHeader* header) {
  if (log.size() - at < sizeof(FrameHeader)) return false;
  std::memcpy(header, log.data() + at, sizeof(FrameHeader));
  if (header->magic != kFrameMagic) return false;
  const uint64_t body = link_bytes(*header) + uint64_t{header->puts} * kPutBytes +
                        uint64_t{header->deletes} * kDeleteBytes +
                        uint64_t{header->moves} * kMoveBytes;
  if (header->body_bytes != body || log.size() - at - sizeof(FrameHeader) < body) return false;
  return header->checksum == frame_checksum(log.data() + at, body);
}

// Is there a whole frame of this log anywhere after `at`? Frames begin at multiples of 8.
bool frame_after(std::span<const uint8_t> log, uint64_t at, uint64_t sequence) {
  FrameHeader header;
  for (at += 8; at + sizeof(FrameHeader) <= log.size(); at += 8) {
    if (load_le<uint32_t>(log.data() + at) != kFrameMagic) continue;
    if (frame_at(log, at, &header) && header.sequence > sequence) return true;
  }
  return false;
}

std::optional<FrameLink> link_of(const uint8_t* body, const FrameHeader& header) {
  if (header.linked == 0) return std::nullopt;
  return FrameLink{header.linked - 1, load_le<uint64_t>(body)};
}

void decode_frame(const uint8_t* body, const FrameHeader& header, std::vector<Change>& changes) {
  changes.clear();
  body += link_bytes(header);
  const auto take_key = [&body](Change& change) {
    std::memcpy(change.key.data(), body, change.key.size());
    body += change.key.size();
  };
  const auto take_value = [&body](Value& value) {
    value = load_le<Value>(body);
    body += sizeof(Value);
  };
  for (uint32_t i = 0; i < header.puts + header.deletes + header.moves; i++) {
    Change& change = changes.emplace_back();
    take_key(change);
    if (i < header.puts || i >= header.puts + header.deletes) take_value(change.value);
    if (i >= header.puts) take_value(change.old_value);
  }
}

Result<std::vector<uint8_t>> read_whole(DatasetFiles& files, const std::string& path) {
  auto file = files.lookup(path);
  if (!file) return file.error();
  auto info = files.info(*file);
  if (!info) return info.error();
  std::vector<uint8_t> bytes(info->size_bytes);
  std::vector<ReadOp> reads;
  for (uint64_t at = 0; at < bytes.size(); at += kReadChunkBytes) {
    const size_t length = std::min<size_t>(kReadChunkBytes, bytes.size() - at);
    reads.push_back(ReadOp{at, length, bytes.data() + at});
  }
  const Status read = files.read(*file, reads);
  if (!read) return read.error();
  for (const ReadOp& op : reads) {
    if (!op.ok) return Error{op.error, corrupt(path, op.offset_bytes, "cannot be read").message};
  }
  return bytes;
}

bool all_zeros(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

void encode_frame(std::span<const Change> changes, uint64_t sequence,
                  const std::optional<FrameLink>& link, std::vector<uint8_t>& bytes) {
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.sequence = sequence;
  header.linked = link ? link->family + 1 : 0;
  for (const Change& change : changes) {
    ENSURE(change.value != kTombstone || change.old_value != kTombstone);
    if (change.value == kTombstone) {
      header.deletes++;
    } else if (change.old_value == kTombstone) {
      header.puts++;
    } else {
      header.moves++;
    }
  }
  header.body_bytes =
      static_cast<uint32_t>(link_bytes(header) + header.puts * kPutBytes +
                            header.deletes * kDeleteBytes + header.moves * kMoveBytes);
  const size_t start = bytes.size();
  bytes.resize(start + sizeof(header) + header.body_bytes);
  uint8_t* puts = bytes.data() + start + sizeof(header) + link_bytes(header);
  if (link) store_le(bytes.data() + start + sizeof(header), link->sequence);
  uint8_t* deletes = puts + header.puts * kPutBytes;
  uint8_t* moves = deletes + header.deletes * kDeleteBytes;
  for (const Change& change : changes) {
    uint8_t*& into = change.value == kTombstone       ? deletes
                     : change.old_value == kTombstone ? puts
                                                      : moves;
    std::memcpy(into, change.key.data(), change.key.size());
    into += change.key.size();
    for (const Value value : {change.value, change.old_value}) {
      if (value == kTombstone) continue;
      store_le(into, value);
      into += sizeof(value);
    }
  }
  uint8_t* frame = bytes.data() + start;
  std::memcpy(frame, &header, sizeof(header));
  header.checksum = frame_checksum(frame, header.body_bytes);
  std::memcpy(frame, &header, sizeof(header));
}

void encode_log_header(uint64_t log, uint64_t first_sequence, std::vector<uint8_t>& bytes) {
  LogHeader header{kLogMagic, kLogVersion, sizeof(Value), log, first_sequence, 0};
  header.checksum =
      checksum({reinterpret_cast<const uint8_t*>(&header), offsetof(LogHeader, checksum)});
  const auto* raw = reinterpret_cast<const uint8_t*>(&header);
  bytes.insert(bytes.end(), raw, raw + sizeof(header));
}

Result<LogEnd> read_log(DatasetFiles& files, const std::string& path, uint64_t log,
                        uint64_t first_sequence,
                        const std::function<bool(const FrameLink&)>& goes_on,
                        const std::function<Status(std::span<const Change>)>& replay) {
  auto bytes = read_whole(files, path);
  if (!bytes) return bytes.error();
  LogEnd end{first_sequence, 0, bytes->size()};
  if (bytes->empty()) return end;  // made, and not written to yet

  // The header is written in one batch with the first frame. Without a frame it is a torn start.
  FrameHeader frame;
  LogHeader header{};
  std::memcpy(&header, bytes->data(), std::min(bytes->size(), sizeof(header)));
  const uint64_t sum =
      checksum({bytes->data(), std::min(bytes->size(), offsetof(LogHeader, checksum))});
  const bool whole =
      bytes->size() >= sizeof(header) && header.magic == kLogMagic && header.checksum == sum;
  if (header.magic == kLogMagic && header.version > kLogVersion) {
    return Error{ErrorCode::kNewerVersion, path + ": written by a newer version"};
  }
  if (!whole) {
    if (frame_after(*bytes, 0, first_sequence - 1)) return corrupt(path, 0, "a damaged header");
    end.torn = !all_zeros(*bytes);
    return end;
  }
  if (header.log != log || header.value_bytes != sizeof(Value) ||
      header.first_sequence != first_sequence) {
    return corrupt(path, 0, "not the log that belongs here");
  }
  end.version = header.version;
  std::vector<Change> changes;
  uint64_t at = sizeof(header);
  for (; at < bytes->size() && frame_at(*bytes, at, &frame);
       at += sizeof(frame) + frame.body_bytes) {
    if (frame.sequence != end.next_sequence) return corrupt(path, at, "a frame out of sequence");
    const auto link = link_of(bytes->data() + at + sizeof(frame), frame);
    if (link && !goes_on(*link)) break;
    decode_frame(bytes->data() + at + sizeof(frame), frame, changes);
    const Status replayed = replay(changes);
    if (!replayed) return corrupt(path, at, replayed.error().message.c_str());
    end.next_sequence++;
  }
  if (at < bytes->size()) {
    if (frame_after(*bytes, at, end.next_sequence)) return corrupt(path, at, "a damaged frame");
    end.torn = !all_zeros(std::span(*bytes).subspan(at));
  }
  end.end_bytes = end.next_sequence == first_sequence ? 0 : at;
  return end;
}

}  // namespace ipfs_zfs
