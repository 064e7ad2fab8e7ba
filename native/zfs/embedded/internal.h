/* What the C files of the engine share. */
#ifndef IPFS_ZFS_EMBEDDED_INTERNAL_H
#define IPFS_ZFS_EMBEDDED_INTERNAL_H

#include <sys/zfs_context.h>
#include <sys/spa.h>
#include <sys/spa_impl.h>
#include <sys/dmu.h>
#include <sys/dmu_objset.h>
#include <sys/dmu_tx.h>
#include <sys/dnode.h>
#include <sys/dbuf.h>
#include <sys/dsl_pool.h>
#include <sys/dsl_dataset.h>
#include <sys/dsl_crypt.h>
#include <sys/dsl_dir.h>
#include <sys/sa.h>
#include <sys/zap.h>
#include <sys/zfs_acl.h>
#include <sys/zfs_sa.h>
#include <sys/zfs_znode.h>
#include <sys/txg_impl.h>

#include "zfs_calls.h"

struct iz_pool {
  spa_t* spa;
  char name[ZFS_MAX_DATASET_NAME_LEN];
};

struct iz_dataset {
  iz_pool_t* pool;
  objset_t* os;
  sa_attr_type_t* attributes; /* attribute numbers of this dataset, by zpl_attr_t */
  uint64_t root;              /* object of the root directory */
  uint64_t delete_queue;
  int readonly;
  kmutex_t namespace_lock; /* one change of the directory tree at a time */
};

struct iz_file {
  iz_dataset_t* dataset;
  dnode_t* dn;
  sa_handle_t* sa;
  kmutex_t size_lock;
  uint64_t size_bytes;             /* under size_lock */
  volatile uint64_t read_ahead_at; /* where a sequential reader would go on */
};

/* txg.c: as dmu_tx_assign(), but gives up with IZ_ESUSPENDED on a stopped pool. On an error the
 * transaction is aborted. */
int iz_tx_assign(iz_pool_t* pool, dmu_tx_t* tx);

/* errors: OpenZFS's number for a failed read, in ours. */
int iz_read_error(iz_pool_t* pool, int error);

/* file.c: under size_lock, in a transaction that holds the attributes. */
void iz_file_set_size(iz_file_t* file, uint64_t size_bytes, dmu_tx_t* tx);

/* keys.c: the wrapping key as OpenZFS takes it, for the command; with the properties that a new
 * key or dataset has. */
int iz_crypto_params(dcp_cmd_t command, const uint8_t* key, int with_properties,
                     dsl_crypto_params_t** params);

/* zpl.c */
void iz_zpl_create(objset_t* os, void* arg, cred_t* cr, dmu_tx_t* tx);
uint64_t iz_node_create(objset_t* os, sa_attr_type_t* attributes, uint64_t parent, int is_directory,
                        uint32_t record_size, dmu_tx_t* tx);
int iz_zpl_setup(iz_dataset_t* dataset);
void iz_zpl_register(void);
void iz_now(uint64_t encoded[2]);

#endif
