/* Snapshots: taken together, listed with the datasets, rolled back to, cloned, destroyed. */
#include "internal.h"

#include <sys/dsl_bookmark.h>
#include <sys/dsl_destroy.h>
#include <sys/dsl_userhold.h>

static nvlist_t* name_list(const char* const* names, size_t count) {
  nvlist_t* list = fnvlist_alloc();

  for (size_t i = 0; i < count; i++) fnvlist_add_boolean(list, names[i]);
  return (list);
}

/* The first of the per-name errors says more than the call's own. */
static int first_error(nvlist_t* errors, int error) {
  nvpair_t* pair = error != 0 ? nvlist_next_nvpair(errors, NULL) : NULL;
  int32_t value;

  if (pair != NULL && nvpair_value_int32(pair, &value) == 0 && value != 0) return (value);
  return (error);
}

int iz_snapshot(iz_pool_t* pool, const char* const* names, size_t count) {
  nvlist_t *list, *errors;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  list = name_list(names, count);
  errors = fnvlist_alloc();
  error = first_error(errors, dsl_dataset_snapshot(list, NULL, errors));
  fnvlist_free(list);
  fnvlist_free(errors);
  return (error);
}

int iz_snapshots_destroy(iz_pool_t* pool, const char* const* names, size_t count) {
  nvlist_t *list, *errors;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  /* OpenZFS takes missing ones for destroyed. */
  for (size_t i = 0; i < count; i++) {
    if (!iz_dataset_exists(names[i])) return (ENOENT);
  }
  list = name_list(names, count);
  errors = fnvlist_alloc();
  error = first_error(errors, dsl_destroy_snapshots_nvl(list, B_FALSE, errors));
  fnvlist_free(list);
  fnvlist_free(errors);
  return (error);
}

int iz_rollback(iz_pool_t* pool, const char* dataset, const char* snapshot) {
  nvlist_t* result;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  result = fnvlist_alloc();
  error = dsl_dataset_rollback(dataset, snapshot, NULL, result);
  fnvlist_free(result);
  return (error);
}

int iz_clone(iz_pool_t* pool, const char* snapshot, const char* name) {
  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  return (dmu_objset_clone(name, snapshot));
}

int iz_hold(iz_pool_t* pool, const char* snapshot, const char* tag) {
  nvlist_t *holds, *errors;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  if (!iz_dataset_exists(snapshot)) return (ENOENT);
  holds = fnvlist_alloc();
  errors = fnvlist_alloc();
  fnvlist_add_string(holds, snapshot, tag);
  error = first_error(errors, dsl_dataset_user_hold(holds, 0, errors));
  fnvlist_free(holds);
  fnvlist_free(errors);
  return (error);
}

int iz_release(iz_pool_t* pool, const char* snapshot, const char* tag) {
  nvlist_t *holds, *tags, *errors;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  holds = fnvlist_alloc();
  tags = fnvlist_alloc();
  errors = fnvlist_alloc();
  fnvlist_add_boolean(tags, tag);
  fnvlist_add_nvlist(holds, snapshot, tags);
  error = first_error(errors, dsl_dataset_user_release(holds, errors));
  fnvlist_free(holds);
  fnvlist_free(tags);
  fnvlist_free(errors);
  return (error);
}

int iz_bookmark(iz_pool_t* pool, const char* snapshot, const char* bookmark) {
  nvlist_t *list, *errors;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  list = fnvlist_alloc();
  errors = fnvlist_alloc();
  fnvlist_add_string(list, bookmark, snapshot);
  error = first_error(errors, dsl_bookmark_create(list, errors));
  fnvlist_free(list);
  fnvlist_free(errors);
  return (error);
}
