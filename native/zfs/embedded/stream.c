/* Send and receive: a snapshot as the stream of zfs-send(8), through a file descriptor. */
#include "internal.h"

#include <sys/dmu_recv.h>
#include <sys/dmu_send.h>
#include <sys/dsl_bookmark.h>
#include <sys/dsl_destroy.h>

#include "../stream_begin.h"

static int write_out(objset_t* os, void* buffer, int length, void* arg) {
  const char* from = buffer;
  int fd = *(int*)arg;

  (void)os;
  while (length > 0) {
    ssize_t wrote = write(fd, from, (size_t)length);

    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return (errno);
    from += wrote;
    length -= (int)wrote;
  }
  return (0);
}

int iz_send(iz_pool_t* pool, const char* snapshot, const iz_stream_t* stream, int fd) {
  dmu_send_outparams_t out = {.dso_outfunc = write_out, .dso_arg = &fd, .dso_dryrun = B_FALSE};
  offset_t offset = 0;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (dmu_send(snapshot, stream->from, stream->embedded != 0, stream->large_blocks != 0,
                   stream->compressed != 0, stream->raw != 0, B_FALSE, stream->object,
                   stream->offset, NULL, fd, &offset, &out));
}

int iz_receive(iz_pool_t* pool, const char* dataset, const char* snapshot_name, int force,
               int resumable, int fd) {
  zfs_file_t file = {.f_fd = fd, .f_dump_fd = -1};
  dmu_replay_record_t begin;
  dmu_recv_cookie_t cookie;
  offset_t offset = 0;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  error = iz_stream_begin(fd, &begin);
  if (error != 0) return (error);
  error = dmu_recv_begin(dataset, snapshot_name, &begin, force != 0, B_FALSE, resumable != 0, NULL,
                         NULL, NULL, &cookie, &file, &offset);
  if (error == 0) {
    error = dmu_recv_stream(&cookie, &offset);
    if (error == 0) return (dmu_recv_end(&cookie, NULL));
  }
  return (iz_stream_error(&begin, error));
}

/* A new dataset holds it itself, an old one in a hidden clone. */
int iz_receive_abort(iz_pool_t* pool, const char* dataset) {
  char clone[ZFS_MAX_DATASET_NAME_LEN + sizeof("/%recv")];
  dsl_dataset_t* ds;
  dsl_pool_t* dp;
  int keeps_part = 0, error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  (void)snprintf(clone, sizeof(clone), "%s/%s", dataset, recv_clone_name);
  error = dsl_destroy_head(clone);
  if (error != ENOENT) return (error);
  error = dsl_pool_hold(dataset, FTAG, &dp);
  if (error != 0) return (error);
  error = dsl_dataset_hold(dp, dataset, FTAG, &ds);
  if (error == 0) {
    keeps_part = dsl_dataset_has_resume_receive_state(ds);
    dsl_dataset_rele(ds, FTAG);
  }
  dsl_pool_rele(dp, FTAG);
  if (error != 0 || !keeps_part) return (ENOENT);
  return (dsl_destroy_head(dataset));
}

int iz_guid(const char* name, uint64_t* guid) {
  zfs_bookmark_phys_t bookmark;
  dsl_dataset_t* ds;
  dsl_pool_t* dp;
  int error = dsl_pool_hold(name, FTAG, &dp);

  if (error != 0) return (error);
  if (strchr(name, '#') != NULL) {
    error = dsl_bookmark_lookup(dp, name, NULL, &bookmark);
    if (error == 0) *guid = bookmark.zbm_guid;
  } else if ((error = dsl_dataset_hold(dp, name, FTAG, &ds)) == 0) {
    *guid = dsl_get_guid(ds);
    dsl_dataset_rele(ds, FTAG);
  }
  dsl_pool_rele(dp, FTAG);
  return (error == ESRCH ? ENOENT : error);
}
