/* Datasets: made, listed, destroyed, opened. */
#include "internal.h"

#include <sys/dsl_destroy.h>
#include <sys/zil.h>

int iz_dataset_create(iz_pool_t* pool, const char* name, const uint8_t* key) {
  dsl_crypto_params_t* params = NULL;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  if (key != NULL) {
    error = iz_crypto_params(DCP_CMD_NONE, key, 1, &params);
    if (error != 0) return (error);
  }
  error = dmu_objset_create(name, DMU_OST_ZFS, 0, params, iz_zpl_create, NULL);
  dsl_crypto_params_free(params, error != 0);
  return (error);
}

int iz_dataset_destroy(iz_pool_t* pool, const char* name) {
  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (dsl_destroy_head(name));
}

int iz_dataset_exists(const char* name) {
  objset_t* os;

  if (dmu_objset_hold(name, FTAG, &os) != 0) return (0);
  dmu_objset_rele(os, FTAG);
  return (1);
}

/*
 * spa_create() leaves the root dataset an empty object set here (in a kernel it makes it a file
 * system), and no kernel would mount that. New objects: master node, attributes with their two
 * tables, delete queue, root directory.
 */
int iz_dataset_ensure_root(iz_pool_t* pool) {
  objset_t* os;
  dmu_tx_t* tx;
  int error = dmu_objset_own(pool->name, DMU_OST_ZFS, B_FALSE, B_TRUE, FTAG, &os);

  if (error != 0) return (error);
  error = dmu_object_info(os, MASTER_NODE_OBJ, NULL);
  if (error == ENOENT) {
    tx = dmu_tx_create(os);
    for (int i = 0; i < 6; i++) dmu_tx_hold_zap(tx, DMU_NEW_OBJECT, B_TRUE, NULL);
    dmu_tx_hold_bonus(tx, DMU_NEW_OBJECT);
    error = iz_tx_assign(pool, tx);
    if (error == 0) {
      iz_zpl_create(os, NULL, CRED(), tx);
      dmu_tx_commit(tx);
    }
  }
  dmu_objset_disown(os, B_TRUE, FTAG);
  return (error);
}

typedef struct visit {
  iz_dataset_cb_t* callback;
  void* context;
  int snapshots;
} visit_t;

static int visit_dataset(const char* name, void* arg) {
  visit_t* visit = arg;
  iz_dataset_stat_t stat = {.name = name, .is_snapshot = strchr(name, '@') != NULL};
  dsl_pool_t* dp;
  dsl_dataset_t* ds;

  /* What a cut receive keeps, in a clone of a name that nobody can give. */
  if (strchr(name, '%') != NULL) return (0);
  if (stat.is_snapshot != visit->snapshots || dsl_pool_hold(name, FTAG, &dp) != 0) return (0);
  if (dsl_dataset_hold(dp, name, FTAG, &ds) == 0) {
    stat.used_bytes = dsl_get_used(ds);
    stat.referenced_bytes = dsl_get_referenced(ds);
    stat.logical_referenced_bytes = dsl_get_logicalreferenced(ds);
    stat.available_bytes = stat.is_snapshot ? 0 : dsl_get_available(ds);
    stat.created_s = dsl_get_creation(ds);
    stat.created_txg = dsl_get_creationtxg(ds);
    stat.compress_ratio_percent = dsl_get_compressratio(ds);
    dsl_dataset_rele(ds, FTAG);
    visit->callback(visit->context, &stat);
  }
  dsl_pool_rele(dp, FTAG);
  return (0);
}

int iz_dataset_each(iz_pool_t* pool, const char* root, int snapshots, iz_dataset_cb_t* callback,
                    void* context) {
  visit_t visit = {callback, context, snapshots};

  (void)pool;
  if (!iz_dataset_exists(root)) return (ENOENT);
  return (dmu_objset_find(root, visit_dataset, &visit,
                          DS_FIND_CHILDREN | (snapshots ? DS_FIND_SNAPSHOTS : 0)));
}

int iz_dataset_open(iz_pool_t* pool, const char* name, iz_dataset_t** out) {
  iz_dataset_t* dataset = kmem_zalloc(sizeof(*dataset), KM_SLEEP);
  int error;

  dataset->pool = pool;
  dataset->readonly = strchr(name, '@') != NULL;
  error = dmu_objset_own(name, DMU_OST_ZFS, dataset->readonly, B_TRUE, dataset, &dataset->os);
  if (error != 0) {
    kmem_free(dataset, sizeof(*dataset));
    return (error);
  }
  /* To write before that would put the old changes on top of new ones when they are replayed. */
  if (!dataset->readonly && (dataset->os->os_zil_header.zh_flags & ZIL_REPLAY_NEEDED) != 0)
    error = IZ_EREPLAY;
  if (error == 0) error = iz_zpl_setup(dataset);
  if (error != 0) {
    dmu_objset_disown(dataset->os, B_TRUE, dataset);
    kmem_free(dataset, sizeof(*dataset));
    return (error);
  }
  mutex_init(&dataset->namespace_lock, NULL, MUTEX_DEFAULT, NULL);
  *out = dataset;
  return (0);
}

void iz_dataset_close(iz_dataset_t* dataset) {
  dmu_objset_disown(dataset->os, B_TRUE, dataset);
  mutex_destroy(&dataset->namespace_lock);
  kmem_free(dataset, sizeof(*dataset));
}
