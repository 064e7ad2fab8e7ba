// What an error number of the C face means to a caller.
#pragma once

#include <string>

#include "../result.h"

namespace ipfs_zfs {

ErrorCode error_code(int error);

// "`what`: reason; what to do".
Error make_error(int error, const std::string& what);

// What every call says after close().
Error pool_closed();

// Of a wrapping key that is not of 32 bytes.
Error bad_key_size();

// Of a stream that could not be received, or a key that did not fit.
Error receive_error(int error, const std::string& snapshot);
Error nothing_kept(const std::string& dataset);  // of a stream that was cut
Error key_error(int error, const std::string& dataset);

inline Status status_of(int error, const std::string& what) {
  return error == 0 ? Status() : Status(make_error(error, what));
}

}  // namespace ipfs_zfs
