#include "stream_begin.h"

#include <errno.h>
#include <unistd.h>

#include "error_numbers.h"

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

/* A stream from a machine of the other byte order is taken, a package of one is not known as such.
 */
static uint64_t version_of(const dmu_replay_record_t* begin) {
  const struct drr_begin* drrb = &begin->drr_u.drr_begin;

  return (drrb->drr_magic == DMU_BACKUP_MAGIC ? drrb->drr_versioninfo
                                              : BSWAP_64(drrb->drr_versioninfo));
}

int iz_stream_begin(int fd, dmu_replay_record_t* begin) {
  uint64_t magic;
  int error = read_all(fd, begin, sizeof(*begin));

  if (error != 0) return (error);
  magic = begin->drr_u.drr_begin.drr_magic;
  if (magic != DMU_BACKUP_MAGIC && magic != BSWAP_64(DMU_BACKUP_MAGIC)) return (EINVAL);
  return (DMU_GET_STREAM_HDRTYPE(version_of(begin)) == DMU_SUBSTREAM ? 0 : ENOTSUP);
}

int iz_stream_error(const dmu_replay_record_t* begin, int error) {
  if ((DMU_GET_FEATUREFLAGS(version_of(begin)) & DMU_BACKUP_FEATURE_RESUMING) == 0) return (error);
  return (error == EINVAL || error == ENOENT ? IZ_ERESUME : error);
}
