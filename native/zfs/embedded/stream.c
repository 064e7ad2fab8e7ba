/* Send and receive: a snapshot as the stream of zfs-send(8), through a file descriptor. */
#include "internal.h"

#include <sys/dmu_recv.h>
#include <sys/dmu_send.h>

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

/* Records over 128K stay whole in the stream, and so in the file at the other end. */
int iz_send(iz_pool_t* pool, const char* snapshot, const char* from, int compressed, int raw,
            int fd) {
  dmu_send_outparams_t out = {.dso_outfunc = write_out, .dso_arg = &fd, .dso_dryrun = B_FALSE};
  offset_t offset = 0;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (dmu_send(snapshot, from, B_TRUE, B_TRUE, compressed || raw, raw != 0, B_FALSE, 0, 0, NULL,
                   fd, &offset, &out));
}

static int read_all(int fd, void* into, size_t length) {
  char* at = into;

  while (length > 0) {
    ssize_t got = read(fd, at, length);

    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return (errno);
    if (got == 0) return (EPIPE);
    at += got;
    length -= (size_t)got;
  }
  return (0);
}

/* A package of several streams (zfs send -R) is for the tool that made it. */
static int check_begin(const dmu_replay_record_t* begin) {
  const struct drr_begin* drrb = &begin->drr_u.drr_begin;

  if (drrb->drr_magic != DMU_BACKUP_MAGIC && drrb->drr_magic != BSWAP_64(DMU_BACKUP_MAGIC))
    return (EINVAL);
  if (drrb->drr_magic == DMU_BACKUP_MAGIC &&
      DMU_GET_STREAM_HDRTYPE(drrb->drr_versioninfo) != DMU_SUBSTREAM)
    return (ENOTSUP);
  return (0);
}

int iz_receive(iz_pool_t* pool, const char* dataset, const char* snapshot_name, int force,
               int resumable, int fd) {
  zfs_file_t file = {.f_fd = fd, .f_dump_fd = -1};
  dmu_replay_record_t begin;
  dmu_recv_cookie_t cookie;
  offset_t offset = 0;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  error = read_all(fd, &begin, sizeof(begin));
  if (error == 0) error = check_begin(&begin);
  if (error == 0)
    error = dmu_recv_begin(dataset, snapshot_name, &begin, force != 0, B_FALSE, resumable != 0,
                           NULL, NULL, NULL, &cookie, &file, &offset);
  if (error != 0) return (error);
  error = dmu_recv_stream(&cookie, &offset);
  return (error != 0 ? error : dmu_recv_end(&cookie, NULL));
}
