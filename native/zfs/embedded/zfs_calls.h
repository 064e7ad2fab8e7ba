/*
 * The plain-C face of the code that touches OpenZFS's own structures, whose headers are not C++.
 *
 * Every call returns 0 or an error number: errno's, OpenZFS's (ECKSUM, ZFS_ERR_…), or one of
 * those below. Names are full dataset names. All calls are thread-safe unless they say otherwise.
 */
#ifndef IPFS_ZFS_EMBEDDED_ZFS_CALLS_H
#define IPFS_ZFS_EMBEDDED_ZFS_CALLS_H

#include <stddef.h>
#include <stdint.h>

#include "../error_numbers.h"
#include "../property_text.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nvlist;
typedef struct iz_pool iz_pool_t;
typedef struct iz_dataset iz_dataset_t;
typedef struct iz_file iz_file_t;

/* start.c: OpenZFS itself, once a process. */
typedef struct iz_start {
  uint64_t dirty_max_bytes; /* unwritten data a pool may hold in memory */
  uint64_t arc_min_bytes;
} iz_start_t;
void iz_start(const iz_start_t* options);

/* pool.c. `iz_pool_close` exports the pool; EBUSY while anything in it is open. */
int iz_pool_create(const char* name, struct nvlist* vdev_root);
int iz_pool_import(const char* name, struct nvlist* config);
int iz_pool_hold(const char* name, iz_pool_t** pool);
int iz_pool_close(iz_pool_t* pool);
const char* iz_pool_name(const iz_pool_t* pool);
int iz_pool_suspended(iz_pool_t* pool);
uint64_t iz_pool_synced_txg(iz_pool_t* pool);
/* What `zpool status` reads: the caller frees the nvlist. */
struct nvlist* iz_pool_stats(iz_pool_t* pool);
int iz_pool_clear(iz_pool_t* pool);
int iz_pool_scrub(iz_pool_t* pool, int start);

/* damage.c: what reads and scrubs found broken, collected since open or the last clear. */
typedef void iz_damage_cb_t(void* context, const char* dataset, uint64_t object, uint64_t level,
                            uint64_t record);
void iz_damage_each(iz_pool_t* pool, iz_damage_cb_t* callback, void* context);
void iz_damage_forget(uint64_t pool_guid);

/* txg.c */
uint64_t iz_open_txg(iz_pool_t* pool);
int iz_wait_synced(iz_pool_t* pool, uint64_t txg);

/* dataset.c */
typedef struct iz_dataset_stat {
  const char* name;
  int is_snapshot;
  uint64_t used_bytes;
  uint64_t referenced_bytes;
  uint64_t logical_referenced_bytes;
  uint64_t available_bytes;
  uint64_t created_s;
  uint64_t created_txg;
  uint64_t compress_ratio_percent;
} iz_dataset_stat_t;
typedef void iz_dataset_cb_t(void* context, const iz_dataset_stat_t* stat);
/* With a key of 32 bytes it is encrypted; NULL: not. */
int iz_dataset_create(iz_pool_t* pool, const char* name, const uint8_t* key);
int iz_dataset_destroy(iz_pool_t* pool, const char* name);
int iz_dataset_each(iz_pool_t* pool, const char* root, int snapshots, iz_dataset_cb_t* callback,
                    void* context);
int iz_dataset_exists(const char* name);
/* Gives the pool's root dataset its directories when it has none. */
int iz_dataset_ensure_root(iz_pool_t* pool);

/* snapshot.c */
int iz_snapshot(iz_pool_t* pool, const char* const* names, size_t count);
int iz_snapshots_destroy(iz_pool_t* pool, const char* const* names, size_t count);
int iz_rollback(iz_pool_t* pool, const char* dataset, const char* snapshot);
int iz_clone(iz_pool_t* pool, const char* snapshot, const char* name);

int iz_hold(iz_pool_t* pool, const char* snapshot, const char* tag);
int iz_release(iz_pool_t* pool, const char* snapshot, const char* tag);
int iz_bookmark(iz_pool_t* pool, const char* snapshot, const char* bookmark);

/* keys.c: of an encrypted dataset; keys have 32 bytes. */
int iz_key_load(iz_pool_t* pool, const char* dataset, const uint8_t* key);
int iz_key_unload(iz_pool_t* pool, const char* dataset);
int iz_key_change(iz_pool_t* pool, const char* dataset, const uint8_t* key);

/* stream.c */
typedef struct iz_stream {
  const char* from; /* a snapshot or bookmark; NULL: everything */
  int embedded;
  int large_blocks; /* records over 128K stay whole, in the stream and at the other end */
  int compressed;
  int raw;
  uint64_t object, offset; /* where to go on; 0, 0 is the start */
} iz_stream_t;
int iz_send(iz_pool_t* pool, const char* snapshot, const iz_stream_t* stream, int fd);
int iz_receive(iz_pool_t* pool, const char* dataset, const char* snapshot_name, int force,
               int resumable, int fd);
/* Drops what a resumable receive kept; ENOENT when there is nothing. */
int iz_receive_abort(iz_pool_t* pool, const char* dataset);
/* Of a snapshot or bookmark. */
int iz_guid(const char* name, uint64_t* guid);

/* properties.c: `iz_properties_set` checks all values before it changes any; what it does not
 * like is described in `problem`. */
int iz_properties_each(iz_pool_t* pool, const char* dataset, iz_property_cb_t* callback,
                       void* context);
int iz_properties_check(const char* const* names, const char* const* values, size_t count,
                        char* problem, size_t problem_size);
int iz_properties_set(iz_pool_t* pool, const char* dataset, const char* const* names,
                      const char* const* values, size_t count, char* problem, size_t problem_size);

/* zpl.c, namespace.c: the directories of an open dataset. Paths are relative to its root. */
int iz_dataset_open(iz_pool_t* pool, const char* name, iz_dataset_t** dataset);
void iz_dataset_close(iz_dataset_t* dataset);
int iz_create(iz_dataset_t* dataset, const char* path, uint32_t record_size, uint64_t* object);
/* From now on, whatever the dataset's `compression` says. */
int iz_stop_compressing(iz_dataset_t* dataset, uint64_t object);
int iz_make_folder(iz_dataset_t* dataset, const char* path);
int iz_lookup(iz_dataset_t* dataset, const char* path, uint64_t* object, int* is_directory);
int iz_rename(iz_dataset_t* dataset, const char* from, const char* to, uint64_t* replaced);
/* Takes the name away; `*freed` is a file whose data iz_free_unlinked() must free, or 0. */
int iz_unlink(iz_dataset_t* dataset, const char* path, uint64_t* freed);
int iz_free_unlinked(iz_dataset_t* dataset, uint64_t object);
/* Finishes what a crash left on the delete queue. */
int iz_drain_unlinked(iz_dataset_t* dataset);
typedef void iz_entry_cb_t(void* context, const char* name, uint64_t object, int is_directory);
int iz_list(iz_dataset_t* dataset, const char* path, iz_entry_cb_t* callback, void* context);

/* file.c: an open file keeps its dnode and attributes at hand. */
typedef struct iz_piece {
  const void* data;
  size_t size_bytes;
} iz_piece_t;

typedef struct iz_file_info {
  uint64_t size_bytes;
  uint64_t allocated_bytes;
  uint32_t record_size_bytes;
} iz_file_info_t;

typedef struct iz_record_pointer {
  int is_hole;
  int is_sha256_of_data;
  uint8_t checksum[32];
  uint64_t birth_txg;
} iz_record_pointer_t;

int iz_file_open(iz_dataset_t* dataset, uint64_t object, iz_file_t** file);
void iz_file_close(iz_file_t* file);
void iz_file_info(iz_file_t* file, iz_file_info_t* info);
int iz_file_truncate(iz_file_t* file, uint64_t size_bytes);
int iz_file_record_pointer(iz_file_t* file, uint64_t record, iz_record_pointer_t* pointer);

/* read.c. Each read has its own `error`. */
typedef struct iz_read {
  uint64_t offset_bytes;
  size_t length_bytes;
  void* into;
  int error;
} iz_read_t;
void iz_file_read(iz_file_t* file, iz_read_t* reads, size_t count);
/* 1 when all of it was in the cache of records and is copied; else 0, and nothing was waited for.
 */
int iz_file_read_now(iz_file_t* file, iz_read_t* read);

/* apply.c: all of `changes` in one transaction. */
typedef struct iz_change {
  iz_file_t* file;
  int is_punch;
  uint64_t offset_bytes;
  uint64_t length_bytes;
  const iz_piece_t* pieces;
  size_t piece_count;
} iz_change_t;
int iz_apply(iz_dataset_t* dataset, const iz_change_t* changes, size_t count, uint64_t* txg);
/* Makes an open file hold exactly these bytes. */
int iz_file_replace(iz_file_t* file, const iz_piece_t* pieces, size_t piece_count,
                    uint64_t length_bytes, uint64_t* txg);

#ifdef __cplusplus
}
#endif

#endif
