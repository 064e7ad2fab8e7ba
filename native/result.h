// A value or an error: what every fallible native function returns. Nothing here throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace ipfs_zfs {

// What can go wrong, in the caller's terms. `error_name()` gives the code that JavaScript sees.
enum class ErrorCode : uint8_t {
  kInvalid,       // an argument is out of its documented bounds
  kNotFound,      // no such block, file, dataset, snapshot or pool
  kExists,        // the name is taken
  kNoSpace,       // pool or quota is full: reads and deletes still work
  kIo,            // a device gave an error
  kCorrupt,       // ZFS found a checksum error it could not repair
  kInUse,         // another process holds the pool (the message has its pid)
  kBusy,          // the dataset or snapshot is in use by this process
  kNotWritable,   // no permission, or a read-only path
  kNotAPool,      // the device holds no pool, or a damaged one
  kNewerVersion,  // the pool or a file was written by a newer version
  kSuspended,     // the pool stopped after a lost device; it resumes when the device is back
  kTooLarge,      // a block, a batch or a file over its limit
  kClosed,        // the handle was closed
  kResumeToken,   // the token of a cut stream is none, or of something else than what is kept
  kAborted,       // the caller's signal
};

constexpr const char* error_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid: return "ERR_INVALID_PARAMETERS";
    case ErrorCode::kNotFound: return "ERR_NOT_FOUND";
    case ErrorCode::kExists: return "ERR_EXISTS";
    case ErrorCode::kNoSpace: return "ERR_NO_SPACE";
    case ErrorCode::kIo: return "ERR_IO";
    case ErrorCode::kCorrupt: return "ERR_CORRUPT";
    case ErrorCode::kInUse: return "ERR_POOL_IN_USE";
    case ErrorCode::kBusy: return "ERR_BUSY";
    case ErrorCode::kNotWritable: return "ERR_NOT_WRITABLE";
    case ErrorCode::kNotAPool: return "ERR_NOT_A_POOL";
    case ErrorCode::kNewerVersion: return "ERR_NEWER_VERSION";
    case ErrorCode::kSuspended: return "ERR_POOL_SUSPENDED";
    case ErrorCode::kTooLarge: return "ERR_TOO_LARGE";
    case ErrorCode::kClosed: return "ERR_CLOSED";
    case ErrorCode::kResumeToken: return "ERR_RESUME_TOKEN";
    case ErrorCode::kAborted: return "ERR_ABORTED";
  }
  return "ERR_UNKNOWN";
}

struct Error {
  ErrorCode code = ErrorCode::kInvalid;
  std::string message;  // what happened, to what, and what to do
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace ipfs_zfs
