/*
 * Which records are broken. OpenZFS tells spa_log_error() of every block that it could neither
 * read nor repair; the linker sends those calls here first (wrap.txt).
 */
#include "internal.h"

#include <sys/avl.h>

#define DAMAGE_MAX 1000000 /* more than anybody reads: a disk that dies damages everything */

typedef struct damage {
  uint64_t pool_guid;
  zbookmark_phys_t where;
  avl_node_t node;
} damage_t;

static pthread_mutex_t damage_lock = PTHREAD_MUTEX_INITIALIZER;
static avl_tree_t damage_tree;
static int damage_ready;

extern void __real_spa_log_error(spa_t* spa, const zbookmark_phys_t* zb, const uint64_t birth);
void __wrap_spa_log_error(spa_t* spa, const zbookmark_phys_t* zb, const uint64_t birth);

static int compare_damage(const void* a, const void* b) {
  const damage_t *left = a, *right = b;
  int order = TREE_CMP(left->pool_guid, right->pool_guid);

  if (order == 0) order = TREE_CMP(left->where.zb_objset, right->where.zb_objset);
  if (order == 0) order = TREE_CMP(left->where.zb_object, right->where.zb_object);
  if (order == 0) order = TREE_CMP(left->where.zb_level, right->where.zb_level);
  if (order == 0) order = TREE_CMP(left->where.zb_blkid, right->where.zb_blkid);
  return (order);
}

static avl_tree_t* lock_tree(void) {
  VERIFY0(pthread_mutex_lock(&damage_lock));
  if (!damage_ready) {
    avl_create(&damage_tree, compare_damage, sizeof(damage_t), offsetof(damage_t, node));
    damage_ready = 1;
  }
  return (&damage_tree);
}

void __wrap_spa_log_error(spa_t* spa, const zbookmark_phys_t* zb, const uint64_t birth) {
  damage_t wanted = {.pool_guid = spa_guid(spa), .where = *zb};
  avl_tree_t* tree;
  avl_index_t at;

  __real_spa_log_error(spa, zb, birth);

  tree = lock_tree();
  if (avl_numnodes(tree) < DAMAGE_MAX && avl_find(tree, &wanted, &at) == NULL) {
    damage_t* found = kmem_zalloc(sizeof(*found), KM_SLEEP);

    *found = wanted;
    avl_insert(tree, found, at);
  }
  VERIFY0(pthread_mutex_unlock(&damage_lock));
}

void iz_damage_forget(uint64_t pool_guid) {
  avl_tree_t* tree;
  damage_t *found, *next;

  tree = lock_tree();
  for (found = avl_first(tree); found != NULL; found = next) {
    next = AVL_NEXT(tree, found);
    if (found->pool_guid == pool_guid) {
      avl_remove(tree, found);
      kmem_free(found, sizeof(*found));
    }
  }
  VERIFY0(pthread_mutex_unlock(&damage_lock));
}

/* Copies first: the callback and the names are worked out without the lock. */
static damage_t* copy_damage(uint64_t guid, size_t* count) {
  avl_tree_t* tree = lock_tree();
  size_t capacity = avl_numnodes(tree);
  damage_t* copies = malloc(sizeof(*copies) * (capacity + 1));

  *count = 0;
  for (damage_t* found = avl_first(tree); found != NULL && copies != NULL;
       found = AVL_NEXT(tree, found)) {
    if (found->pool_guid == guid) copies[(*count)++] = *found;
  }
  VERIFY0(pthread_mutex_unlock(&damage_lock));
  return (copies);
}

void iz_damage_each(iz_pool_t* pool, iz_damage_cb_t* callback, void* context) {
  dsl_pool_t* dp = pool->spa->spa_dsl_pool;
  size_t count;
  damage_t* copies = copy_damage(spa_guid(pool->spa), &count);

  for (size_t i = 0; i < count; i++) {
    const zbookmark_phys_t* where = &copies[i].where;
    char name[ZFS_MAX_DATASET_NAME_LEN] = "";
    dsl_dataset_t* ds;

    dsl_pool_config_enter(dp, FTAG);
    if (where->zb_objset != 0 && dsl_dataset_hold_obj(dp, where->zb_objset, FTAG, &ds) == 0) {
      dsl_dataset_name(ds, name);
      dsl_dataset_rele(ds, FTAG);
    }
    dsl_pool_config_exit(dp, FTAG);
    callback(context, name, where->zb_object, where->zb_level < 0 ? 0 : (uint64_t)where->zb_level,
             where->zb_blkid);
  }
  free(copies);
}
