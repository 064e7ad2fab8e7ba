/* Pools: created, imported, watched, scrubbed, exported. */
#include "internal.h"

#include <sys/dsl_scan.h>
#include <sys/vdev.h>
#include <sys/zfeature.h>
#include <zfeature_common.h>

static nvlist_t* common_properties(void) {
  nvlist_t* props = fnvlist_alloc();

  fnvlist_add_string(props, zpool_prop_to_name(ZPOOL_PROP_CACHEFILE), "none");
  /* A lost disk gives errors; the default would block every caller until it is back. */
  fnvlist_add_uint64(props, zpool_prop_to_name(ZPOOL_PROP_FAILUREMODE), ZIO_FAILURE_MODE_CONTINUE);
  return (props);
}

int iz_pool_create(const char* name, nvlist_t* vdev_root) {
  nvlist_t* props = common_properties();
  int error;

  for (int i = 0; i < SPA_FEATURES; i++) {
    char* feature = kmem_asprintf("feature@%s", spa_feature_table[i].fi_uname);

    fnvlist_add_uint64(props, feature, 0);
    kmem_strfree(feature);
  }
  error = spa_create(name, vdev_root, props, NULL, NULL);
  fnvlist_free(props);
  return (error);
}

int iz_pool_import(const char* name, nvlist_t* config) {
  nvlist_t* props = common_properties();
  char* pool_name = kmem_asprintf("%s", name);
  int error = spa_import(pool_name, config, props, ZFS_IMPORT_NORMAL);

  kmem_strfree(pool_name);
  fnvlist_free(props);
  return (error);
}

int iz_pool_hold(const char* name, iz_pool_t** out) {
  iz_pool_t* pool = kmem_zalloc(sizeof(*pool), KM_SLEEP);
  int error = spa_open(name, &pool->spa, pool);

  if (error != 0) {
    kmem_free(pool, sizeof(*pool));
    return (error);
  }
  (void)strlcpy(pool->name, name, sizeof(pool->name));
  *out = pool;
  return (0);
}

int iz_pool_close(iz_pool_t* pool) {
  const uint64_t guid = spa_guid(pool->spa);
  int error;

  /* Exporting waits for the last group without looking up: see first that it can be written. */
  error = iz_wait_synced(pool, iz_open_txg(pool) + TXG_DEFER_SIZE);
  if (error != 0) return (error);
  spa_close(pool->spa, pool);
  error = spa_export(pool->name, NULL, B_FALSE, B_FALSE);
  if (error != 0) {
    VERIFY0(spa_open(pool->name, &pool->spa, pool));
    return (error);
  }
  iz_damage_forget(guid);
  kmem_free(pool, sizeof(*pool));
  return (0);
}

const char* iz_pool_name(const iz_pool_t* pool) { return (pool->name); }

int iz_pool_suspended(iz_pool_t* pool) { return (spa_suspended(pool->spa)); }

uint64_t iz_pool_synced_txg(iz_pool_t* pool) { return (spa_last_synced_txg(pool->spa)); }

nvlist_t* iz_pool_stats(iz_pool_t* pool) {
  /* As spa_get_stats(), without spa_namespace_lock: see iz_pool_clear(). */
  return (spa_config_generate(pool->spa, NULL, -1ULL, B_TRUE));
}

int iz_pool_clear(iz_pool_t* pool) {
  spa_t* spa = pool->spa;

  /*
   * Never with spa_namespace_lock: of a suspended pool ZFS's own thread may hold it until the pool
   * is back (spa_config_update), and this is what brings it back.
   */
  iz_damage_forget(spa_guid(spa));
  spa_vdev_state_enter(spa, SCL_NONE);
  vdev_clear(spa, NULL);
  (void)spa_vdev_state_exit(spa, spa_suspended(spa) ? NULL : spa->spa_root_vdev, 0);
  if (zio_resume(spa) != 0 || spa_suspended(spa)) return (IZ_ESUSPENDED);
  return (0);
}

int iz_pool_scrub(iz_pool_t* pool, int start) {
  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  if (!start) return (spa_scan_stop(pool->spa));
  iz_damage_forget(spa_guid(pool->spa));
  return (spa_scan(pool->spa, POOL_SCAN_SCRUB));
}
