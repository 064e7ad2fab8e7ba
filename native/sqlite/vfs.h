// SQLite databases in the files of a ZFS dataset: the VFS `ipfszfs`.
//
// The addon's own file is a loadable SQLite extension; loading it once in a process registers the
// VFS for every connection and thread. A database is then opened as
// `file:/<dataset>/<file>?vfs=ipfszfs`: the pool is found by its name, and must be open.
//
// What SQLite must know about these files:
// - A write is one DMU transaction, and later ones are never on disk without earlier ones. So what
//   is found after a crash is the files at one moment, as after a killed process on an ordinary
//   file system, and `synchronous=OFF` loses nothing but the last seconds. xSync waits for the
//   transaction group, for those who leave `synchronous` on.
// - There is no shared memory: a log (WAL) needs `locking_mode=EXCLUSIVE`. Locks hold within the
//   process; between processes the pool itself is locked.
// - Temporary files are refused: set `temp_store=MEMORY`.
#pragma once

struct sqlite3;
struct sqlite3_api_routines;

// What SQLite looks for by default in an extension, whatever its file is called.
extern "C" __attribute__((visibility("default"))) int sqlite3_extension_init(
    sqlite3* db, char** error, const sqlite3_api_routines* api);
