#include "errors.h"

#include <cerrno>
#include <cstring>

#include <sys/fs/zfs.h>

#include "error_numbers.h"

namespace ipfs_zfs {
namespace {

const char* advice(int error) {
  switch (error) {
    case IZ_ESUSPENDED:
      return "the pool stopped because a device is lost; bring it back, then clear the errors";
    case IZ_ECHECKSUM: return "the data on disk is damaged and there is no good copy";
    case IZ_EREADONLY: return "it is read-only";
    case IZ_EREPLAY:
      return "a kernel that stopped left changes in its intent log, which only a kernel can "
             "replay; mount it there once (`ipfs-zfs pool import`), then export it";
    case ENOENT: return "it does not exist";
    case ESRCH: return "there is no such snapshot of it";
    case EEXIST: return "it exists already";
    case ENOTEMPTY: return "the folder is not empty";
    case EBUSY: return "it is in use by this process; close what has it open";
    case ENOSPC: return "the pool is full; delete something or add space";
    case EDQUOT: return "its quota is used up; raise the quota or delete something";
    case EACCES:
    case EPERM: return "no permission; run as the owner of the device or file";
    case EROFS: return "the file system it lies on is read-only; make it writable";
    case ENAMETOOLONG: return "the name is too long";
    case ENOTDIR: return "a part of the path is a file, not a folder";
    case EISDIR: return "it is a folder, not a file";
    case ENXIO:
    case EIO: return "a device gave an error";
    default: return std::strerror(error);
  }
}

}  // namespace

ErrorCode error_code(int error) {
  switch (error) {
    case IZ_ESUSPENDED: return ErrorCode::kSuspended;
    case IZ_ECHECKSUM:
    case EBADE: return ErrorCode::kCorrupt;  // ECKSUM
    case IZ_EREADONLY:
    case EROFS:
    case EACCES:
    case EPERM: return ErrorCode::kNotWritable;
    case ENOENT:
    case ESRCH: return ErrorCode::kNotFound;
    case EEXIST: return ErrorCode::kExists;
    case ENOSPC:
    case EDQUOT: return ErrorCode::kNoSpace;
    case IZ_EREPLAY:
    case EBUSY:
    case ENOTEMPTY: return ErrorCode::kBusy;
    case E2BIG:
    case EFBIG: return ErrorCode::kTooLarge;
    case EINVAL:
    case ERANGE:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case EXDEV:
    case ENOTSUP: return ErrorCode::kInvalid;
    default: return ErrorCode::kIo;
  }
}

Error make_error(int error, const std::string& what) {
  return {error_code(error), what + ": " + advice(error)};
}

Error pool_closed() { return {ErrorCode::kClosed, "the pool was closed; open it again"}; }

Error bad_key_size() { return {ErrorCode::kInvalid, "a key has 32 bytes"}; }

Error receive_error(int error, const std::string& snapshot) {
  const std::string what = "cannot receive " + snapshot;
  switch (error) {
    case IZ_ERESUME:
      return {ErrorCode::kResumeToken,
              what +
                  ": the stream does not go on from where the last one was cut; take the "
                  "token anew from receive_resume_token, or send from the start if there is "
                  "none"};
    case EBUSY:
      return {ErrorCode::kBusy,
              what +
                  ": the dataset is open, or keeps a part of a stream that was cut; send the "
                  "rest by its receive_resume_token, or drop that part (abort_receive)"};
    case EPIPE:
    case ZFS_ERR_STREAM_TRUNCATED:
    case IZ_ECHECKSUM:
    case EBADE:
      return {ErrorCode::kIo, what + ": the stream was cut short or damaged; send it again"};
    case ETXTBSY:
      return {ErrorCode::kBusy, what +
                                    ": the dataset changed since its newest snapshot; roll it "
                                    "back to that, or receive with force"};
    case ENODEV:
      return {ErrorCode::kInvalid, what +
                                       ": the dataset's newest snapshot is not the one that the "
                                       "stream goes on from; send from that one"};
    case EINVAL: return {ErrorCode::kInvalid, what + ": this is no stream of zfs-send(8)"};
    case ENOTSUP:
      return {ErrorCode::kNewerVersion,
              what + ": the stream has parts or features that this version does not take"};
    case EEXIST:
      return {ErrorCode::kExists, what + ": it exists already; destroy it, or choose another name"};
    default: return make_error(error, what);
  }
}

Error nothing_kept(const std::string& dataset) {
  return {ErrorCode::kNotFound, "'" + dataset + "' keeps no part of a stream that was cut"};
}

Error key_error(int error, const std::string& dataset) {
  switch (error) {
    case EACCES:
      return {ErrorCode::kNotWritable,
              "the key of '" + dataset + "' is not loaded, or is not this one"};
    case EEXIST: return {ErrorCode::kExists, "the key of '" + dataset + "' is loaded already"};
    case EINVAL:
      return {ErrorCode::kInvalid, "'" + dataset + "' is not encrypted with a key of its own"};
    default: return make_error(error, "the key of '" + dataset + "'");
  }
}

}  // namespace ipfs_zfs
