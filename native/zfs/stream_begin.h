/* The first record of a stream of zfs-send(8), as both engines read it. */
#ifndef IPFS_ZFS_STREAM_BEGIN_H
#define IPFS_ZFS_STREAM_BEGIN_H

#include <sys/zfs_context.h>
#include <sys/zfs_ioctl.h>

/* EPIPE when the stream ends before it, EINVAL when it is none, ENOTSUP when it is a package of
 * several streams (zfs send -R), which is for the tool that made it. */
int iz_stream_begin(int fd, dmu_replay_record_t* begin);

/* What error a receive that began with this record gave, as errors.h takes it. */
int iz_stream_error(const dmu_replay_record_t* begin, int error);

#endif
