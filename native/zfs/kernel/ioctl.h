/*
 * The plain-C face of /dev/zfs: the calls that libzfs_core does not have. Their structure,
 * zfs_cmd_t, is in headers that are not C++.
 *
 * Every call returns 0 or an error number: errno's, OpenZFS's (ZFS_ERR_…) or one of
 * error_numbers.h. nvlists that are given back are the caller's to free.
 */
#ifndef IPFS_ZFS_KERNEL_IOCTL_H
#define IPFS_ZFS_KERNEL_IOCTL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct nvlist;

/* Opens /dev/zfs, once a process; ENOENT or ENXIO where this kernel has no ZFS. */
int kz_start(void);

/* Pools. */
int kz_pool_create(const char* name, struct nvlist* vdev_root);
/* `stays`: also after a restart of the machine, if that is how it imports pools. `*result` says
 * why, when it fails. */
int kz_pool_import(const char* name, struct nvlist* config, int stays, struct nvlist** result);
int kz_pool_export(const char* name);
int kz_pool_stats(const char* name, struct nvlist** stats);
/* Imported with readonly=on? Not when that cannot be told. */
int kz_pool_is_readonly(const char* name);
int kz_pool_scrub(const char* name, int start);
int kz_pool_clear(const char* name);

/* What reads and scrubs found broken since the last scrub before the last one. */
typedef struct kz_damage {
  uint64_t objset;
  uint64_t object;
  int64_t level;
  uint64_t record;
} kz_damage_t;
/* `*damages` is malloc()ed. */
int kz_pool_damage(const char* name, kz_damage_t** damages, size_t* count);
/* The dataset of an object set's number. */
int kz_dataset_of(const char* pool, uint64_t objset, char* name, size_t size);

/* Datasets and snapshots. */
int kz_dataset_stats(const char* name, struct nvlist** properties);
/* The child, or the snapshot, that follows `*cursor` (0 at first) below `parent`; ESRCH at the end.
 * `name` takes ZFS_MAX_DATASET_NAME_LEN bytes. */
int kz_next(const char* parent, int snapshots, uint64_t* cursor, char* name,
            struct nvlist** properties);
/* The key of an encrypted dataset, by another one. */
int kz_change_key(const char* name, struct nvlist* properties, uint8_t* key, size_t size);
int kz_set_properties(const char* name, struct nvlist* properties);

/* A stream of zfs-send(8) from a file, pipe or socket. */
int kz_receive(const char* snapshot, int force, int resumable, int fd);

#ifdef __cplusplus
}
#endif

#endif
