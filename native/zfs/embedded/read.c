/*
 * Reads: all records that a batch needs are asked for at once, then copied out. A record that is
 * in the cache costs one look-up and one copy.
 */
#include "internal.h"

#include "copy.h"

#include <sys/dmu_zfetch.h>

#define WINDOW_RECORDS 256
#define WINDOW_BYTES (64ULL << 20) /* held in memory at once */

/* A part of one read that lies in one record. */
typedef struct segment {
  dmu_buf_impl_t* db; /* NULL: nothing was ever written there */
  iz_read_t* read;
  char* into;
  uint64_t from;
  size_t length;
} segment_t;

typedef struct window {
  segment_t segments[WINDOW_RECORDS];
  size_t count;
  uint64_t held_bytes;
  zio_t* zio;
} window_t;

#define READ_FLAGS (DB_RF_CANFAIL | DB_RF_NEVERWAIT | DB_RF_NOPREFETCH)

/* Takes hold of the record and starts its read. Called with the dnode's structure locked. */
static dmu_buf_impl_t* start_record(window_t* window, dnode_t* dn, uint64_t record,
                                    iz_read_t* read) {
  dmu_buf_impl_t* db = dbuf_hold(dn, record, window);

  if (db == NULL) {
    read->error = EIO; /* the indirect block above cannot be read */
    return (NULL);
  }
  if (db->db_state != DB_CACHED) {
    if (window->zio == NULL)
      window->zio = zio_root(dn->dn_objset->os_spa, NULL, NULL, ZIO_FLAG_CANFAIL);
    (void)dbuf_read(db, window->zio, READ_FLAGS | DB_RF_HAVESTRUCT);
  }
  return (db);
}

/* After the batch's reads are done: what became of this one? Asks again to learn the reason. */
static int finish_record(dmu_buf_impl_t* db) {
  mutex_enter(&db->db_mtx);
  while (db->db_state == DB_READ || db->db_state == DB_FILL) cv_wait(&db->db_changed, &db->db_mtx);
  if (db->db_state == DB_CACHED) {
    mutex_exit(&db->db_mtx);
    return (0);
  }
  mutex_exit(&db->db_mtx);
  return (dbuf_read(db, NULL, DB_RF_CANFAIL | DB_RF_NOPREFETCH));
}

static void finish_window(iz_file_t* file, window_t* window) {
  if (window->zio != NULL) (void)zio_wait(window->zio);
  for (size_t i = 0; i < window->count; i++) {
    segment_t* part = &window->segments[i];
    int error = 0;

    if (part->db == NULL) {
      memset(part->into, 0, part->length);
      continue;
    }
    if (part->db->db_state != DB_CACHED || window->zio != NULL) error = finish_record(part->db);
    if (error == 0)
      iz_copy(part->into, (char*)part->db->db.db_data + part->from, part->length);
    else
      part->read->error = iz_read_error(file->dataset->pool, error);
    dbuf_rele(part->db, window);
  }
  window->count = 0;
  window->held_bytes = 0;
  window->zio = NULL;
}

/* Splits one read over its records. */
static void add_read(iz_file_t* file, window_t* window, iz_read_t* read) {
  dnode_t* dn = file->dn;
  uint64_t offset = read->offset_bytes;
  size_t left = read->length_bytes;
  char* into = read->into;

  rw_enter(&dn->dn_struct_rwlock, RW_READER);
  while (left > 0) {
    uint64_t size = dn->dn_datablksz;
    uint64_t record = offset / size, from = offset % size;
    segment_t* part;

    if (window->count == WINDOW_RECORDS || window->held_bytes >= WINDOW_BYTES) {
      rw_exit(&dn->dn_struct_rwlock);
      finish_window(file, window);
      rw_enter(&dn->dn_struct_rwlock, RW_READER);
    }
    part = &window->segments[window->count++];
    part->read = read;
    part->into = into;
    part->from = from;
    part->length = MIN(left, size - from);
    part->db = NULL;
    if (record <= dn->dn_maxblkid) {
      part->db = start_record(window, dn, record, read);
      window->held_bytes += size;
    }
    offset += part->length;
    into += part->length;
    left -= part->length;
  }
  rw_exit(&dn->dn_struct_rwlock);
}

/* Only a reader that goes on where it stopped gets read-ahead: single gets are random. A listing in
 * steps reads the page where it stopped once more, so a read may also begin before that. */
static void read_ahead(iz_file_t* file, const iz_read_t* reads, size_t count) {
  const iz_read_t* last = &reads[count - 1];
  uint64_t size = file->dn->dn_datablksz, end = last->offset_bytes + last->length_bytes;
  uint64_t stopped = file->read_ahead_at;

  if (reads[0].offset_bytes <= stopped && stopped < end && stopped != 0) {
    uint64_t first_record = stopped / size;
    uint64_t records = (end + size - 1) / size - first_record;

    dmu_zfetch(&file->dn->dn_zfetch, first_record, records, B_TRUE, B_TRUE, B_FALSE);
  }
  file->read_ahead_at = end;
}

void iz_file_read(iz_file_t* file, iz_read_t* reads, size_t count) {
  window_t window;

  if (count == 0) return;
  window.count = 0;
  window.held_bytes = 0;
  window.zio = NULL;
  read_ahead(file, reads, count);
  for (size_t i = 0; i < count; i++) {
    reads[i].error = 0;
    add_read(file, &window, &reads[i]);
  }
  finish_window(file, &window);
}

int iz_file_read_now(iz_file_t* file, iz_read_t* read) {
  dnode_t* dn = file->dn;
  uint64_t offset = read->offset_bytes;
  size_t left = read->length_bytes;
  char* into = read->into;

  if (!rw_tryenter(&dn->dn_struct_rwlock, RW_READER)) return (0);
  while (left > 0) {
    uint64_t size = dn->dn_datablksz;
    uint64_t record = offset / size, from = offset % size;
    size_t length = MIN(left, size - from);
    dmu_buf_impl_t* db = NULL;

    /* fail_uncached: only a record whose buffer is there and filled. */
    if (record > dn->dn_maxblkid || dbuf_hold_impl(dn, 0, record, B_FALSE, B_TRUE, read, &db) != 0)
      break;
    iz_copy(into, (char*)db->db.db_data + from, length);
    dbuf_rele(db, read);
    offset += length;
    into += length;
    left -= length;
  }
  rw_exit(&dn->dn_struct_rwlock);
  return (left == 0);
}
