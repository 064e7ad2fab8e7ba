#include "vfs.h"

#include <sqlite3ext.h>

#include <cstring>
#include <string>
#include <utility>

#include "file.h"

SQLITE_EXTENSION_INIT1

namespace ipfs_zfs::sqlite {

namespace {

constexpr char kVfsName[] = "ipfszfs";
constexpr int kMaxPathBytes = 512;

// A database page is written as a whole, so a record of its size is never read first
// (`PRAGMA page_size=16384`). The log has small records too: ZFS admits a write only where 24 times
// all of its records would fit, and a delete must find room in a pool that is nearly full.
constexpr uint32_t kRecordBytes = 16u << 10;

// SQLite allocates this much and knows its beginning.
struct VfsFile {
  sqlite3_file base;
  OpenFile* file;
};

OpenFile& file_of(sqlite3_file* file) { return *reinterpret_cast<VfsFile*>(file)->file; }

// Where there is a better word than `otherwise`.
int code_of(const Error& error, int otherwise) {
  switch (error.code) {
    case ErrorCode::kNoSpace: return SQLITE_FULL;
    case ErrorCode::kCorrupt: return SQLITE_IOERR_CORRUPTFS;
    case ErrorCode::kNotWritable: return SQLITE_READONLY;
    default: return otherwise;
  }
}

int code_of(const Status& status, int otherwise) {
  return status ? SQLITE_OK : code_of(status.error(), otherwise);
}

int close_file(sqlite3_file* file) {
  VfsFile* vfs_file = reinterpret_cast<VfsFile*>(file);
  delete std::exchange(vfs_file->file, nullptr);
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* into, int length, sqlite3_int64 offset) {
  Result<size_t> there = file_of(file).read(into, static_cast<size_t>(length), offset);
  if (!there) {
    return code_of(there.error(), SQLITE_IOERR_READ);
  }
  return *there < static_cast<size_t>(length) ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

int write_file(sqlite3_file* file, const void* from, int length, sqlite3_int64 offset) {
  Status written = file_of(file).write(from, static_cast<size_t>(length), offset);
  return code_of(written, SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  return code_of(file_of(file).truncate(size), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int) { return code_of(file_of(file).sync(), SQLITE_IOERR_FSYNC); }

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(file_of(file).size_bytes());
  return SQLITE_OK;
}

// SQLite's levels are 0 to 4, as ours.
int lock_file(sqlite3_file* file, int level) {
  return file_of(file).lock(static_cast<LockLevel>(level)) ? SQLITE_OK : SQLITE_BUSY;
}

int unlock_file(sqlite3_file* file, int level) {
  file_of(file).unlock(static_cast<LockLevel>(level));
  return SQLITE_OK;
}

int check_reserved_lock(sqlite3_file* file, int* is_reserved) {
  *is_reserved = file_of(file).is_reserved() ? 1 : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int op, void* argument) {
  if (op == SQLITE_FCNTL_VFSNAME) {
    *static_cast<char**>(argument) = sqlite3_mprintf("%s", kVfsName);
    return SQLITE_OK;
  }
  return SQLITE_NOTFOUND;
}

int sector_size(sqlite3_file*) { return 4096; }

// A write is one transaction (atomic), grows the file together with its bytes (safe append),
// touches no other bytes when power fails, and is ordered (sequential).
int device_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_SEQUENTIAL |
         SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

constexpr sqlite3_io_methods make_methods() {
  sqlite3_io_methods methods{};
  methods.iVersion = 1;  // no shared memory, no memory mapping
  methods.xClose = close_file;
  methods.xRead = read_file;
  methods.xWrite = write_file;
  methods.xTruncate = truncate_file;
  methods.xSync = sync_file;
  methods.xFileSize = file_size;
  methods.xLock = lock_file;
  methods.xUnlock = unlock_file;
  methods.xCheckReservedLock = check_reserved_lock;
  methods.xFileControl = file_control;
  methods.xSectorSize = sector_size;
  methods.xDeviceCharacteristics = device_characteristics;
  return methods;
}

constexpr sqlite3_io_methods kMethods = make_methods();

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  VfsFile* vfs_file = reinterpret_cast<VfsFile*>(file);
  vfs_file->base.pMethods = nullptr;  // SQLite then calls no xClose
  vfs_file->file = nullptr;
  if (name == nullptr) {
    return SQLITE_CANTOPEN;  // a temporary file
  }
  Result<std::unique_ptr<OpenFile>> opened =
      OpenFile::open(name, (flags & SQLITE_OPEN_CREATE) != 0 ? kRecordBytes : 0);
  if (!opened) {
    sqlite3_log(SQLITE_CANTOPEN, "ipfszfs: %s: %s", name, opened.error().message.c_str());
    return code_of(opened.error(), SQLITE_CANTOPEN);
  }
  vfs_file->file = std::move(*opened).release();
  vfs_file->base.pMethods = &kMethods;
  if (out_flags != nullptr) {
    *out_flags = flags;
  }
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
  Result<Place> place = parse_place(name);
  if (!place) {
    return SQLITE_IOERR_DELETE;
  }
  Result<std::shared_ptr<DatasetFiles>> files = open_place(*place);
  if (!files) {
    return code_of(files.error(), SQLITE_IOERR_DELETE);
  }
  Status unlinked = (*files)->unlink(place->file);
  if (!unlinked && unlinked.error().code == ErrorCode::kNotFound) {
    return SQLITE_IOERR_DELETE_NOENT;
  }
  if (unlinked && sync_folder != 0) {
    return code_of((*files)->wait_durable((*files)->open_txg()), SQLITE_IOERR_DIR_FSYNC);
  }
  return code_of(unlinked, SQLITE_IOERR_DELETE);
}

// As SQLite's own VFS for files: an empty one does not exist, or it would be taken for a journal.
int access_file(sqlite3_vfs*, const char* name, int flags, int* answer) {
  *answer = 0;
  Result<Place> place = parse_place(name);
  if (!place) {
    return SQLITE_OK;
  }
  Result<std::shared_ptr<DatasetFiles>> files = open_place(*place);
  if (!files) {
    return SQLITE_IOERR_ACCESS;
  }
  Result<FileId> id = (*files)->lookup(place->file);
  if (!id) {
    return id.error().code == ErrorCode::kNotFound ? SQLITE_OK : SQLITE_IOERR_ACCESS;
  }
  Result<FileInfo> info = (*files)->info(*id);
  if (!info) {
    return SQLITE_IOERR_ACCESS;
  }
  *answer = flags != SQLITE_ACCESS_EXISTS || info->size_bytes > 0 ? 1 : 0;
  return SQLITE_OK;
}

int full_pathname(sqlite3_vfs*, const char* name, int length, char* out) {
  size_t size = std::strlen(name) + 1;
  if (size > static_cast<size_t>(length) || !parse_place(name)) {
    return SQLITE_CANTOPEN;
  }
  std::memcpy(out, name, size);
  return SQLITE_OK;
}

// What has nothing to do with files is the machine's own VFS.
sqlite3_vfs* machine(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

int randomness(sqlite3_vfs* vfs, int length, char* out) {
  return machine(vfs)->xRandomness(machine(vfs), length, out);
}

int sleep_for(sqlite3_vfs* vfs, int microseconds) {
  return machine(vfs)->xSleep(machine(vfs), microseconds);
}

int current_time(sqlite3_vfs* vfs, double* out) {
  return machine(vfs)->xCurrentTime(machine(vfs), out);
}

int current_time_int64(sqlite3_vfs* vfs, sqlite3_int64* out) {
  return machine(vfs)->xCurrentTimeInt64(machine(vfs), out);
}

int last_error(sqlite3_vfs*, int, char*) { return 0; }

int register_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made{};
    made.iVersion = 2;
    made.szOsFile = sizeof(VfsFile);
    made.mxPathname = kMaxPathBytes;
    made.zName = kVfsName;
    made.pAppData = sqlite3_vfs_find(nullptr);
    made.xOpen = open_file;
    made.xDelete = delete_file;
    made.xAccess = access_file;
    made.xFullPathname = full_pathname;
    made.xRandomness = randomness;
    made.xSleep = sleep_for;
    made.xCurrentTime = current_time;
    made.xGetLastError = last_error;
    made.xCurrentTimeInt64 = current_time_int64;
    return made;
  }();
  return sqlite3_vfs_register(&vfs, 0);
}

}  // namespace

}  // namespace ipfs_zfs::sqlite

// Permanently: the VFS outlives the connection that loaded it.
int sqlite3_extension_init(sqlite3*, char**, const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  int code = ipfs_zfs::sqlite::register_vfs();
  return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
}
