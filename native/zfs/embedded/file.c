/* One open file: its dnode and attributes are held, so that no call looks them up again. */
#include "internal.h"

#include <sys/zio_checksum.h>

int iz_file_open(iz_dataset_t* dataset, uint64_t object, iz_file_t** out) {
  iz_file_t* file = kmem_zalloc(sizeof(*file), KM_SLEEP);
  int error = dnode_hold(dataset->os, object, file, &file->dn);

  if (error != 0) {
    kmem_free(file, sizeof(*file));
    return (error == EEXIST ? ENOENT : error);
  }
  file->dataset = dataset;
  if (file->dn->dn_type != DMU_OT_PLAIN_FILE_CONTENTS) error = EISDIR;
  if (error == 0) error = sa_handle_get(dataset->os, object, NULL, SA_HDL_PRIVATE, &file->sa);
  if (error == 0) error = sa_lookup(file->sa, dataset->attributes[ZPL_SIZE], &file->size_bytes, 8);
  if (error != 0) {
    if (file->sa != NULL) sa_handle_destroy(file->sa);
    dnode_rele(file->dn, file);
    kmem_free(file, sizeof(*file));
    return (error);
  }
  mutex_init(&file->size_lock, NULL, MUTEX_DEFAULT, NULL);
  *out = file;
  return (0);
}

void iz_file_close(iz_file_t* file) {
  sa_handle_destroy(file->sa);
  dnode_rele(file->dn, file);
  mutex_destroy(&file->size_lock);
  kmem_free(file, sizeof(*file));
}

void iz_file_info(iz_file_t* file, iz_file_info_t* info) {
  uint32_t record_size;
  u_longlong_t blocks;

  dmu_object_size_from_db(sa_get_db(file->sa), &record_size, &blocks);
  info->record_size_bytes = record_size;
  info->allocated_bytes = (uint64_t)blocks << SPA_MINBLOCKSHIFT;
  mutex_enter(&file->size_lock);
  info->size_bytes = file->size_bytes;
  mutex_exit(&file->size_lock);
  rw_enter(&file->dn->dn_struct_rwlock, RW_READER);
  info->record_size_bytes = file->dn->dn_datablksz;
  rw_exit(&file->dn->dn_struct_rwlock);
}

void iz_file_set_size(iz_file_t* file, uint64_t size_bytes, dmu_tx_t* tx) {
  sa_attr_type_t* table = file->dataset->attributes;
  sa_bulk_attr_t bulk[3];
  uint64_t now[2];
  int n = 0;

  iz_now(now);
  file->size_bytes = size_bytes;
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_SIZE], NULL, &file->size_bytes, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_MTIME], NULL, now, 16);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_CTIME], NULL, now, 16);
  VERIFY0(sa_bulk_update(file->sa, bulk, n, tx));
}

int iz_file_truncate(iz_file_t* file, uint64_t size_bytes) {
  iz_dataset_t* dataset = file->dataset;
  dmu_tx_t* tx;
  int error;

  if (dataset->readonly) return (IZ_EREADONLY);
  tx = dmu_tx_create(dataset->os);
  dmu_tx_hold_free(tx, file->dn->dn_object, size_bytes, DMU_OBJECT_END);
  dmu_tx_hold_sa(tx, file->sa, B_FALSE);
  dmu_tx_mark_netfree(tx);
  error = iz_tx_assign(dataset->pool, tx);
  if (error != 0) return (iz_read_error(dataset->pool, error));
  mutex_enter(&file->size_lock);
  if (size_bytes < file->size_bytes) dnode_free_range(file->dn, size_bytes, DMU_OBJECT_END, tx);
  iz_file_set_size(file, size_bytes, tx);
  mutex_exit(&file->size_lock);
  dmu_tx_commit(tx);
  return (0);
}

/* The block pointer as the last sync left it: in the dnode, or in the indirect block above. */
static int find_pointer(dnode_t* dn, uint64_t record, blkptr_t* bp) {
  dmu_buf_impl_t* above;
  int shift, error;

  rw_enter(&dn->dn_struct_rwlock, RW_READER);
  BP_ZERO(bp);
  if (record > dn->dn_phys->dn_maxblkid || dn->dn_phys->dn_nlevels == 0) {
    rw_exit(&dn->dn_struct_rwlock);
    return (0);
  }
  if (dn->dn_phys->dn_nlevels == 1) {
    rw_enter(&dn->dn_dbuf->db_rwlock, RW_READER);
    if (record < dn->dn_phys->dn_nblkptr) *bp = dn->dn_phys->dn_blkptr[record];
    rw_exit(&dn->dn_dbuf->db_rwlock);
    rw_exit(&dn->dn_struct_rwlock);
    return (0);
  }
  shift = dn->dn_indblkshift - SPA_BLKPTRSHIFT;
  above = dbuf_hold_level(dn, 1, record >> shift, FTAG);
  rw_exit(&dn->dn_struct_rwlock);
  if (above == NULL) return (EIO);
  error = dbuf_read(above, NULL, DB_RF_CANFAIL | DB_RF_NOPREFETCH);
  if (error == 0) {
    rw_enter(&above->db_rwlock, RW_READER);
    *bp = ((blkptr_t*)above->db.db_data)[record & ((1ULL << shift) - 1)];
    rw_exit(&above->db_rwlock);
  }
  dbuf_rele(above, FTAG);
  return (error);
}

int iz_file_record_pointer(iz_file_t* file, uint64_t record, iz_record_pointer_t* pointer) {
  iz_pool_t* pool = file->dataset->pool;
  blkptr_t bp;
  int error;

  memset(pointer, 0, sizeof(*pointer));
  /* A group that is being written shows its pointers early: wait until it is on disk. */
  while ((error = find_pointer(file->dn, record, &bp)) == 0 &&
         BP_GET_LOGICAL_BIRTH(&bp) > spa_last_synced_txg(pool->spa)) {
    error = iz_wait_synced(pool, BP_GET_LOGICAL_BIRTH(&bp));
    if (error != 0) break;
  }
  if (error != 0) return (iz_read_error(pool, error));
  pointer->birth_txg = BP_GET_LOGICAL_BIRTH(&bp);
  pointer->is_hole = BP_IS_HOLE(&bp);
  if (BP_IS_HOLE(&bp) || BP_IS_EMBEDDED(&bp)) return (0);
  pointer->is_sha256_of_data = BP_GET_CHECKSUM(&bp) == ZIO_CHECKSUM_SHA256 &&
                               BP_GET_COMPRESS(&bp) == ZIO_COMPRESS_OFF && !BP_IS_ENCRYPTED(&bp);
  for (int word = 0; word < 4; word++) {
    uint64_t value = BE_64(bp.blk_cksum.zc_word[word]);

    (void)memcpy(pointer->checksum + 8 * word, &value, 8);
  }
  return (0);
}
