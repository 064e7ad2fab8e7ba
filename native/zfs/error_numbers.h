/* Error numbers of our own, beside errno's and OpenZFS's: what errors.h takes. */
#ifndef IPFS_ZFS_ERROR_NUMBERS_H
#define IPFS_ZFS_ERROR_NUMBERS_H

enum {
  IZ_ESUSPENDED = 5001, /* the pool stopped after a lost device */
  IZ_ECHECKSUM = 5002,  /* data whose checksum is wrong, and no good copy */
  IZ_EREADONLY = 5003,  /* a snapshot, or a pool opened read-only */
  IZ_EREPLAY = 5004,    /* changes in the intent log, which only a kernel can replay */
  IZ_ERESUME = 5005,    /* a stream that goes on from something else than what is kept */
};

#endif
