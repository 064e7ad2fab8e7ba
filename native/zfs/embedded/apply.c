/*
 * Changes: a batch is prepared (buffers filled, old records read), then written in one
 * transaction in which nothing can fail any more.
 */
#include "internal.h"

#include "copy.h"

/* Where the next byte of a change comes from. */
typedef struct source {
  const iz_piece_t* piece;
  size_t piece_left;
  size_t used; /* of the current piece */
} source_t;

/* One record, or a part of one, to be written. */
typedef struct write {
  iz_file_t* file;
  uint64_t offset;
  size_t length;
  arc_buf_t* whole;  /* the new content, already gathered */
  dmu_buf_t* partly; /* or the old record, held and read */
  source_t from;     /* of `partly` */
} write_t;

/* A file of the batch, and how far the batch writes it. */
typedef struct touched {
  iz_file_t* file;
  uint64_t end;
  int grows;
} touched_t;

typedef struct batch {
  iz_dataset_t* dataset;
  const iz_change_t* changes;
  size_t change_count;
  write_t* writes;
  size_t write_count, write_capacity;
  touched_t* files;
  size_t file_count;
  dmu_buf_impl_t** indirects; /* held so that no record's place must be read later */
  size_t indirect_count, indirect_capacity;
  zio_t* zio;
  uint64_t written_bytes, punched_bytes;
} batch_t;

static void gather(source_t* from, char* into, size_t length) {
  while (length > 0) {
    size_t n = MIN(length, from->piece->size_bytes - from->used);

    iz_copy(into, (const char*)from->piece->data + from->used, n);
    into += n;
    length -= n;
    from->used += n;
    if (from->used == from->piece->size_bytes && from->piece_left > 1) {
      from->piece++;
      from->piece_left--;
      from->used = 0;
    } else if (from->used == from->piece->size_bytes) {
      break;
    }
  }
}

static void skip(source_t* from, size_t length) {
  while (length > 0) {
    size_t n = MIN(length, from->piece->size_bytes - from->used);

    length -= n;
    from->used += n;
    if (from->used < from->piece->size_bytes || from->piece_left == 1) break;
    from->piece++;
    from->piece_left--;
    from->used = 0;
  }
}

static void* grow(void* array, size_t count, size_t* capacity, size_t item_bytes) {
  size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
  void* bigger;

  if (count < *capacity) return (array);
  bigger = kmem_alloc(wanted * item_bytes, KM_SLEEP);
  if (array != NULL) {
    (void)memcpy(bigger, array, count * item_bytes);
    kmem_free(array, *capacity * item_bytes);
  }
  *capacity = wanted;
  return (bigger);
}

/* Reads the indirect block that will point to the record, unless the last one held is it. */
static int hold_indirect(batch_t* batch, dnode_t* dn, uint64_t record) {
  dmu_buf_impl_t *db, *last;
  uint64_t above;

  rw_enter(&dn->dn_struct_rwlock, RW_READER);
  if (dn->dn_nlevels < 2) {
    rw_exit(&dn->dn_struct_rwlock);
    return (0);
  }
  above = record >> (dn->dn_indblkshift - SPA_BLKPTRSHIFT);
  last = batch->indirect_count > 0 ? batch->indirects[batch->indirect_count - 1] : NULL;
  if (last != NULL && last->db.db_object == dn->dn_object && last->db_blkid == above) {
    rw_exit(&dn->dn_struct_rwlock);
    return (0);
  }
  db = dbuf_hold_level(dn, 1, above, batch);
  rw_exit(&dn->dn_struct_rwlock);
  if (db == NULL) return (EIO);
  batch->indirects = grow(batch->indirects, batch->indirect_count, &batch->indirect_capacity,
                          sizeof(*batch->indirects));
  batch->indirects[batch->indirect_count++] = db;
  return (dbuf_read(db, NULL, DB_RF_CANFAIL | DB_RF_NOPREFETCH));
}

static int prepare_record(batch_t* batch, iz_file_t* file, uint64_t offset, size_t length,
                          source_t* from) {
  dnode_t* dn = file->dn;
  uint64_t size = dn->dn_datablksz;
  write_t* write;
  int error = hold_indirect(batch, dn, offset / size);

  if (error != 0) return (error);
  batch->writes =
      grow(batch->writes, batch->write_count, &batch->write_capacity, sizeof(*batch->writes));
  write = &batch->writes[batch->write_count++];
  *write = (write_t){.file = file, .offset = offset, .length = length, .from = *from};
  if (length == size) {
    write->whole = arc_loan_buf(batch->dataset->pool->spa, B_FALSE, (int)size);
    gather(from, write->whole->b_data, length);
    return (0);
  }
  skip(from, length);
  error = dmu_buf_hold_noread_by_dnode(dn, offset, batch, &write->partly);
  if (error != 0) return (error);
  if (batch->zio == NULL)
    batch->zio = zio_root(batch->dataset->pool->spa, NULL, NULL, ZIO_FLAG_CANFAIL);
  (void)dbuf_read((dmu_buf_impl_t*)write->partly, batch->zio,
                  DB_RF_CANFAIL | DB_RF_NEVERWAIT | DB_RF_NOPREFETCH);
  return (0);
}

static void touch(batch_t* batch, iz_file_t* file, uint64_t end) {
  for (size_t i = batch->file_count; i-- > 0;) {
    if (batch->files[i].file == file) {
      batch->files[i].end = MAX(batch->files[i].end, end);
      return;
    }
  }
  batch->files[batch->file_count++] = (touched_t){file, end, 0};
}

static int prepare_change(batch_t* batch, const iz_change_t* change) {
  source_t from = {change->pieces, change->piece_count, 0};
  uint64_t offset = change->offset_bytes, left = change->length_bytes;
  uint64_t size = change->file->dn->dn_datablksz;
  int error = 0;

  if (change->is_punch) {
    batch->punched_bytes += change->length_bytes;
    return (0);
  }
  touch(batch, change->file, offset + left);
  batch->written_bytes += left;
  while (left > 0 && error == 0) {
    size_t length = MIN(left, size - offset % size);

    error = prepare_record(batch, change->file, offset, length, &from);
    offset += length;
    left -= length;
  }
  return (error);
}

/* Waits for the old records that are written only in part. */
static int finish_reads(batch_t* batch) {
  int error = 0;

  if (batch->zio == NULL) return (0);
  (void)zio_wait(batch->zio);
  batch->zio = NULL;
  for (size_t i = 0; i < batch->write_count && error == 0; i++) {
    if (batch->writes[i].partly != NULL)
      error = dbuf_read((dmu_buf_impl_t*)batch->writes[i].partly, NULL,
                        DB_RF_CANFAIL | DB_RF_NOPREFETCH);
  }
  return (error);
}

/* One hold for writes that follow each other: slots are often taken in a row. */
static void hold_changes(const batch_t* batch, dmu_tx_t* tx) {
  const iz_change_t* changes = batch->changes;

  for (size_t i = 0; i < batch->change_count; i++) {
    const iz_change_t* first = &changes[i];
    uint64_t end = first->offset_bytes + first->length_bytes;

    if (first->length_bytes == 0) continue;
    if (first->is_punch) {
      dmu_tx_hold_free(tx, first->file->dn->dn_object, first->offset_bytes, first->length_bytes);
      continue;
    }
    while (i + 1 < batch->change_count && !changes[i + 1].is_punch &&
           changes[i + 1].file == first->file && changes[i + 1].offset_bytes == end)
      end += changes[++i].length_bytes;
    dmu_tx_hold_write_by_dnode(tx, first->file->dn, first->offset_bytes,
                               (int)(end - first->offset_bytes));
  }
}

static void hold_sizes(batch_t* batch, dmu_tx_t* tx) {
  for (size_t i = 0; i < batch->file_count; i++) {
    touched_t* touched = &batch->files[i];

    mutex_enter(&touched->file->size_lock);
    touched->grows = touched->end > touched->file->size_bytes;
    mutex_exit(&touched->file->size_lock);
    if (touched->grows) dmu_tx_hold_sa(tx, touched->file->sa, B_FALSE);
  }
}

static void write_record(write_t* write, dmu_tx_t* tx) {
  dmu_buf_t* db = write->partly;

  if (write->whole != NULL) {
    /* The place of the record is in memory (hold_indirect), so this cannot fail. */
    VERIFY0(dmu_assign_arcbuf_by_dnode(write->file->dn, write->offset, write->whole, tx));
    write->whole = NULL;
    return;
  }
  dmu_buf_will_dirty(db, tx);
  gather(&write->from, (char*)db->db_data + (write->offset - db->db_offset), write->length);
}

/* In the order of the batch: a slot may be punched and written again. */
static void write_changes(batch_t* batch, dmu_tx_t* tx) {
  write_t* write = batch->writes;

  for (size_t i = 0; i < batch->change_count; i++) {
    const iz_change_t* change = &batch->changes[i];
    uint64_t end = change->offset_bytes + change->length_bytes;

    if (change->is_punch && change->length_bytes > 0) {
      dnode_free_range(change->file->dn, change->offset_bytes, change->length_bytes, tx);
      continue;
    }
    if (change->is_punch) continue;
    for (uint64_t at = change->offset_bytes; at < end; at += (write++)->length)
      write_record(write, tx);
  }
  for (size_t i = 0; i < batch->file_count; i++) {
    touched_t* touched = &batch->files[i];

    mutex_enter(&touched->file->size_lock);
    if (touched->grows && touched->end > touched->file->size_bytes)
      iz_file_set_size(touched->file, touched->end, tx);
    mutex_exit(&touched->file->size_lock);
  }
}

static void release(batch_t* batch) {
  if (batch->zio != NULL) (void)zio_wait(batch->zio);
  for (size_t i = 0; i < batch->write_count; i++) {
    if (batch->writes[i].whole != NULL) dmu_return_arcbuf(batch->writes[i].whole);
    if (batch->writes[i].partly != NULL) dmu_buf_rele(batch->writes[i].partly, batch);
  }
  for (size_t i = 0; i < batch->indirect_count; i++) dbuf_rele(batch->indirects[i], batch);
  if (batch->writes != NULL)
    kmem_free(batch->writes, batch->write_capacity * sizeof(*batch->writes));
  if (batch->indirects != NULL)
    kmem_free(batch->indirects, batch->indirect_capacity * sizeof(*batch->indirects));
  kmem_free(batch->files, (batch->change_count + 1) * sizeof(*batch->files));
}

/*
 * A file that a kernel made may be one record of odd size, which must become a whole record
 * before a second one follows it.
 */
static int make_record_whole(iz_file_t* file, uint64_t end) {
  iz_dataset_t* dataset = file->dataset;
  dnode_t* dn = file->dn;
  uint64_t size = MAX(dataset->os->os_recordsize, 1ULL << highbit64(dn->dn_datablksz));
  dmu_tx_t* tx;
  int error;

  if (dn->dn_datablkshift != 0 || end <= dn->dn_datablksz) return (0);
  tx = dmu_tx_create(dataset->os);
  dmu_tx_hold_write(tx, dn->dn_object, 0, (int)size);
  error = iz_tx_assign(dataset->pool, tx);
  if (error != 0) return (error);
  error = dmu_object_set_blocksize(dataset->os, dn->dn_object, size, 0, tx);
  dmu_tx_commit(tx);
  return (error);
}

static int prepare(batch_t* batch) {
  int error = 0;

  for (size_t i = 0; i < batch->change_count && error == 0; i++) {
    const iz_change_t* change = &batch->changes[i];

    if (!change->is_punch)
      error = make_record_whole(change->file, change->offset_bytes + change->length_bytes);
    if (error == 0) error = prepare_change(batch, change);
  }
  return (error != 0 ? error : finish_reads(batch));
}

int iz_apply(iz_dataset_t* dataset, const iz_change_t* changes, size_t count, uint64_t* txg) {
  batch_t batch = {.dataset = dataset, .changes = changes, .change_count = count};
  dmu_tx_t* tx;
  int error;

  if (dataset->readonly) return (IZ_EREADONLY);
  if (spa_suspended(dataset->pool->spa)) return (IZ_ESUSPENDED);
  batch.files = kmem_alloc((count + 1) * sizeof(*batch.files), KM_SLEEP);
  error = prepare(&batch);
  if (error == 0) {
    tx = dmu_tx_create(dataset->os);
    hold_changes(&batch, tx);
    hold_sizes(&batch, tx);
    /* A full pool still takes what makes room. */
    if (batch.punched_bytes >= batch.written_bytes) dmu_tx_mark_netfree(tx);
    error = iz_tx_assign(dataset->pool, tx);
    if (error == 0) {
      *txg = dmu_tx_get_txg(tx);
      write_changes(&batch, tx);
      dmu_tx_commit(tx);
    }
  }
  release(&batch);
  return (error == 0 ? 0 : iz_read_error(dataset->pool, error));
}

int iz_file_replace(iz_file_t* file, const iz_piece_t* pieces, size_t piece_count,
                    uint64_t length_bytes, uint64_t* txg) {
  iz_dataset_t* dataset = file->dataset;
  iz_change_t change = {file, 0, 0, length_bytes, pieces, piece_count};
  batch_t batch = {.dataset = dataset, .changes = &change, .change_count = 1};
  dmu_tx_t* tx;
  int error;

  if (dataset->readonly) return (IZ_EREADONLY);
  batch.files = kmem_alloc(2 * sizeof(*batch.files), KM_SLEEP);
  error = prepare(&batch);
  if (error == 0) {
    tx = dmu_tx_create(dataset->os);
    hold_changes(&batch, tx);
    dmu_tx_hold_free(tx, file->dn->dn_object, length_bytes, DMU_OBJECT_END);
    dmu_tx_hold_sa(tx, file->sa, B_FALSE);
    error = iz_tx_assign(dataset->pool, tx);
    if (error == 0) {
      *txg = dmu_tx_get_txg(tx);
      write_changes(&batch, tx);
      dnode_free_range(file->dn, length_bytes, DMU_OBJECT_END, tx);
      mutex_enter(&file->size_lock);
      iz_file_set_size(file, length_bytes, tx);
      mutex_exit(&file->size_lock);
      dmu_tx_commit(tx);
    }
  }
  release(&batch);
  return (error == 0 ? 0 : iz_read_error(dataset->pool, error));
}
