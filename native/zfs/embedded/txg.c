/*
 * Transactions on a pool that may lose its disks. OpenZFS's own waits (txg_wait_synced(),
 * DMU_TX_WAIT) sleep until the disk is back; a library must return an error instead.
 */
#include "internal.h"

extern uint_t zfs_delay_min_dirty_percent;
extern uint64_t zfs_delay_scale;
/* A writer never sleeps longer than this at once. */
#define THROTTLE_MAX_NS MSEC2NSEC(100)

/* How long a stopped pool goes unnoticed by a sleeper. */
#define LOOK_UP_MS 100

static clock_t look_up_time(void) { return (ddi_get_lbolt() + MSEC_TO_TICK(LOOK_UP_MS)); }

uint64_t iz_open_txg(iz_pool_t* pool) { return (pool->spa->spa_dsl_pool->dp_tx.tx_open_txg); }

int iz_wait_synced(iz_pool_t* pool, uint64_t txg) {
  tx_state_t* tx = &pool->spa->spa_dsl_pool->dp_tx;
  int error = 0;

  mutex_enter(&tx->tx_sync_lock);
  /* A group that does not exist yet would be waited for in vain. */
  if (txg > tx->tx_open_txg + TXG_DEFER_SIZE) {
    mutex_exit(&tx->tx_sync_lock);
    return (EINVAL);
  }
  while (tx->tx_synced_txg < txg) {
    if (spa_suspended(pool->spa)) {
      error = IZ_ESUSPENDED;
      break;
    }
    if (tx->tx_sync_txg_waiting < txg) tx->tx_sync_txg_waiting = txg;
    cv_broadcast(&tx->tx_sync_more_cv);
    (void)cv_timedwait(&tx->tx_sync_done_cv, &tx->tx_sync_lock, look_up_time());
  }
  mutex_exit(&tx->tx_sync_lock);
  return (error);
}

/* The write throttle: the closer unwritten data is to its limit, the longer a writer sleeps. The
 * curve is the one that zfs(4) describes for zfs_delay_scale. */
static void throttle(dsl_pool_t* dp) {
  uint64_t dirty, start = zfs_dirty_data_max * zfs_delay_min_dirty_percent / 100;
  hrtime_t sleep;

  mutex_enter(&dp->dp_lock);
  dirty = dp->dp_dirty_total;
  mutex_exit(&dp->dp_lock);
  if (dirty <= start || dirty >= zfs_dirty_data_max) return;
  sleep = zfs_delay_scale * (dirty - start) / (zfs_dirty_data_max - dirty);
  zfs_sleep_until(gethrtime() + MIN(sleep, THROTTLE_MAX_NS));
}

static int wait_for_room(iz_pool_t* pool) {
  dsl_pool_t* dp = pool->spa->spa_dsl_pool;
  int suspended = 0;

  mutex_enter(&dp->dp_lock);
  while (dp->dp_dirty_total >= zfs_dirty_data_max && !suspended) {
    (void)cv_timedwait(&dp->dp_spaceavail_cv, &dp->dp_lock, look_up_time());
    suspended = spa_suspended(pool->spa);
  }
  mutex_exit(&dp->dp_lock);
  if (suspended) return (IZ_ESUSPENDED);
  throttle(dp);
  return (0);
}

/* An object takes part in one open group at a time: wait for those of the group before. */
static int wait_for_object(iz_pool_t* pool, dnode_t* dn, uint64_t txg) {
  int suspended = 0;

  mutex_enter(&dn->dn_mtx);
  while (dn->dn_assigned_txg == txg && !suspended) {
    (void)cv_timedwait(&dn->dn_notxholds, &dn->dn_mtx, look_up_time());
    suspended = spa_suspended(pool->spa);
  }
  mutex_exit(&dn->dn_mtx);
  return (suspended ? IZ_ESUSPENDED : 0);
}

int iz_tx_assign(iz_pool_t* pool, dmu_tx_t* tx) {
  uint64_t flags = DMU_TX_NOWAIT;
  int error;

  while ((error = dmu_tx_assign(tx, flags)) == ERESTART) {
    if (tx->tx_wait_dirty) {
      error = wait_for_room(pool);
      tx->tx_wait_dirty = B_FALSE;
      flags = DMU_TX_NOTHROTTLE;
    } else if (tx->tx_needassign_txh != NULL) {
      error = wait_for_object(pool, tx->tx_needassign_txh->txh_dnode, tx->tx_lasttried_txg - 1);
      tx->tx_needassign_txh = NULL;
    } else {
      error = iz_wait_synced(pool, spa_last_synced_txg(pool->spa) + 1);
    }
    if (error != 0) break;
  }
  if (error == 0) return (0);
  dmu_tx_abort(tx);
  if (error == EIO && spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (error);
}

int iz_read_error(iz_pool_t* pool, int error) {
  if (error == ECKSUM) return (IZ_ECHECKSUM);
  if (error == EIO && spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (error);
}
