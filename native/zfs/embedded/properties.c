/* Dataset properties: set and read. */
#include "internal.h"

#include <sys/dsl_prop.h>
#include <zfs_prop.h>

int iz_properties_check(const char* const* names, const char* const* values, size_t count,
                        char* problem, size_t problem_size) {
  nvlist_t* parsed = fnvlist_alloc();
  int error = iz_properties_parse(parsed, names, values, count, problem, problem_size);

  fnvlist_free(parsed);
  return (error);
}

/* The properties that are not just stored. -1: it is to be stored like the rest. */
static int set_special(const char* dataset, zfs_prop_t prop, uint64_t number) {
  switch (prop) {
    case ZFS_PROP_QUOTA: return (dsl_dir_set_quota(dataset, ZPROP_SRC_LOCAL, number));
    case ZFS_PROP_REFQUOTA: return (dsl_dataset_set_refquota(dataset, ZPROP_SRC_LOCAL, number));
    case ZFS_PROP_RESERVATION: return (dsl_dir_set_reservation(dataset, ZPROP_SRC_LOCAL, number));
    case ZFS_PROP_REFRESERVATION:
      return (dsl_dataset_set_refreservation(dataset, ZPROP_SRC_LOCAL, number));
    case ZFS_PROP_COMPRESSION:
      if (dsl_dataset_set_compression(dataset, ZPROP_SRC_LOCAL, number) != 0) return (ENOTSUP);
      return (-1);
    case ZFS_PROP_FILESYSTEM_LIMIT:
    case ZFS_PROP_SNAPSHOT_LIMIT:
      if (number != UINT64_MAX && dsl_dir_activate_fs_ss_limit(dataset) != 0) return (ENOTSUP);
      return (-1);
    default: return (-1);
  }
}

int iz_properties_set(iz_pool_t* pool, const char* dataset, const char* const* names,
                      const char* const* texts, size_t count, char* problem, size_t problem_size) {
  nvlist_t *values, *stored;
  nvpair_t* pair = NULL;
  int error;

  if (spa_suspended(pool->spa)) return (IZ_ESUSPENDED);
  values = fnvlist_alloc();
  stored = fnvlist_alloc();
  error = iz_properties_parse(values, names, texts, count, problem, problem_size);
  while (error == 0 && (pair = nvlist_next_nvpair(values, pair)) != NULL) {
    int special = -1;

    if (nvpair_type(pair) == DATA_TYPE_UINT64)
      special =
          set_special(dataset, zfs_name_to_prop(nvpair_name(pair)), fnvpair_value_uint64(pair));
    if (special == -1)
      fnvlist_add_nvpair(stored, pair);
    else
      error = special;
    if (error != 0)
      (void)snprintf(problem, problem_size, "%s could not be set on %s", nvpair_name(pair),
                     dataset);
  }
  if (error == 0 && !nvlist_empty(stored)) error = dsl_props_set(dataset, ZPROP_SRC_LOCAL, stored);
  fnvlist_free(stored);
  fnvlist_free(values);
  return (error);
}

int iz_properties_each(iz_pool_t* pool, const char* dataset, iz_property_cb_t* callback,
                       void* context) {
  nvlist_t* values;
  objset_t* os;
  int error;

  (void)pool;
  error = dmu_objset_hold(dataset, FTAG, &os);
  if (error != 0) return (error);
  error = dsl_prop_get_all(os, &values);
  if (error == 0) {
    dmu_objset_stats(os, values);
    iz_properties_tell(values, callback, context);
    nvlist_free(values);
  }
  dmu_objset_rele(os, FTAG);
  return (error);
}
