/* Names: directories of an open dataset, changed one at a time. */
#include "internal.h"

#include <sys/stat.h>

#define ENTRY_FOLDER 4 /* as readdir(3) has them: DT_DIR, DT_REG */
#define ENTRY_FILE 8
#define NAME_MAX_BYTES 255
#define ATTRIBUTES_SIZE_HINT 256
#define FREE_STEP_INDIRECTS 32 /* indirect blocks freed in one transaction */

static uint64_t entry_value(uint64_t object, int is_folder) {
  return (object | (uint64_t)(is_folder ? ENTRY_FOLDER : ENTRY_FILE) << 60);
}

/* Copies the next part of `*path` and moves past it. 0 at the end, EINVAL for a bad name. */
static int next_name(const char** path, char name[NAME_MAX_BYTES + 1], int* more) {
  const char* start = *path + strspn(*path, "/");
  size_t length = strcspn(start, "/");

  *more = length > 0;
  if (length == 0) return (0);
  if (length > NAME_MAX_BYTES) return (ENAMETOOLONG);
  (void)memcpy(name, start, length);
  name[length] = '\0';
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return (EINVAL);
  *path = start + length;
  return (0);
}

static int lookup_entry(iz_dataset_t* dataset, uint64_t folder, const char* name, uint64_t* object,
                        int* is_folder) {
  uint64_t value;
  int error = zap_lookup(dataset->os, folder, name, 8, 1, &value);

  if (error != 0) return (error == ENOTDIR ? ENOTDIR : error);
  *object = ZFS_DIRENT_OBJ(value);
  *is_folder = ZFS_DIRENT_TYPE(value) == ENTRY_FOLDER;
  return (0);
}

int iz_lookup(iz_dataset_t* dataset, const char* path, uint64_t* object, int* is_folder) {
  char name[NAME_MAX_BYTES + 1];
  int more, error;

  *object = dataset->root;
  *is_folder = 1;
  while ((error = next_name(&path, name, &more)) == 0 && more) {
    if (!*is_folder) return (ENOTDIR);
    error = lookup_entry(dataset, *object, name, object, is_folder);
    if (error != 0) return (error);
  }
  return (error);
}

/* A folder's own attributes follow its entries: SIZE counts them, LINKS its subfolders. */
static void count_entry(iz_dataset_t* dataset, sa_handle_t* folder, int entries, int subfolders,
                        dmu_tx_t* tx) {
  sa_attr_type_t* table = dataset->attributes;
  uint64_t size, links, now[2];
  sa_bulk_attr_t bulk[4];
  int n = 0;

  VERIFY0(sa_lookup(folder, table[ZPL_SIZE], &size, 8));
  VERIFY0(sa_lookup(folder, table[ZPL_LINKS], &links, 8));
  size += entries;
  links += subfolders;
  iz_now(now);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_SIZE], NULL, &size, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_LINKS], NULL, &links, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_MTIME], NULL, now, 16);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_CTIME], NULL, now, 16);
  VERIFY0(sa_bulk_update(folder, bulk, n, tx));
}

static int add_node(iz_dataset_t* dataset, uint64_t folder, const char* name, int is_folder,
                    uint32_t record_size, uint64_t* object) {
  sa_handle_t* sa;
  dmu_tx_t* tx;
  uint64_t value;
  int error = sa_handle_get(dataset->os, folder, NULL, SA_HDL_PRIVATE, &sa);

  if (error != 0) return (error);
  tx = dmu_tx_create(dataset->os);
  dmu_tx_hold_sa_create(tx, ATTRIBUTES_SIZE_HINT);
  dmu_tx_hold_zap(tx, folder, B_TRUE, name);
  dmu_tx_hold_sa(tx, sa, B_FALSE);
  if (is_folder) dmu_tx_hold_zap(tx, DMU_NEW_OBJECT, B_FALSE, NULL);
  /* Also when a quota is reached: compaction opens a pack before it gives others back. */
  dmu_tx_mark_netfree(tx);
  error = iz_tx_assign(dataset->pool, tx);
  if (error != 0) {
    sa_handle_destroy(sa);
    return (error);
  }
  *object = iz_node_create(dataset->os, dataset->attributes, folder, is_folder, record_size, tx);
  value = entry_value(*object, is_folder);
  error = zap_add(dataset->os, folder, name, 8, 1, &value, tx);
  if (error == 0)
    count_entry(dataset, sa, 1, is_folder, tx);
  else
    (void)dmu_object_free(dataset->os, *object, tx);
  dmu_tx_commit(tx);
  sa_handle_destroy(sa);
  return (iz_read_error(dataset->pool, error));
}

/* The folder that `path` names something in, and that last name. Missing folders are made. */
static int enter_parent(iz_dataset_t* dataset, const char* path, int make, uint64_t* folder,
                        char name[NAME_MAX_BYTES + 1]) {
  char next[NAME_MAX_BYTES + 1];
  int more, is_folder, error = next_name(&path, name, &more);

  *folder = dataset->root;
  if (error == 0 && !more) return (EINVAL);
  while (error == 0) {
    uint64_t object = 0;

    error = next_name(&path, next, &more);
    if (error != 0 || !more) break;
    error = lookup_entry(dataset, *folder, name, &object, &is_folder);
    if (error == ENOENT && make) {
      is_folder = 1;
      error = add_node(dataset, *folder, name, 1, 0, &object);
    }
    if (error == 0 && !is_folder) error = ENOTDIR;
    *folder = object;
    (void)strlcpy(name, next, NAME_MAX_BYTES + 1);
  }
  return (error);
}

static int create_node(iz_dataset_t* dataset, const char* path, int is_folder, uint32_t record_size,
                       uint64_t* object) {
  char name[NAME_MAX_BYTES + 1];
  uint64_t folder, found;
  int error, found_folder;

  if (dataset->readonly) return (IZ_EREADONLY);
  mutex_enter(&dataset->namespace_lock);
  error = enter_parent(dataset, path, 1, &folder, name);
  if (error == 0) {
    error = lookup_entry(dataset, folder, name, &found, &found_folder);
    if (error == 0)
      error = EEXIST;
    else if (error == ENOENT)
      error = add_node(dataset, folder, name, is_folder, record_size, object);
  }
  mutex_exit(&dataset->namespace_lock);
  return (error);
}

int iz_create(iz_dataset_t* dataset, const char* path, uint32_t record_size, uint64_t* object) {
  return (create_node(dataset, path, 0, record_size, object));
}

int iz_stop_compressing(iz_dataset_t* dataset, uint64_t object) {
  dmu_tx_t* tx = dmu_tx_create(dataset->os);
  int error;

  dmu_tx_hold_bonus(tx, object);
  error = iz_tx_assign(dataset->pool, tx);
  if (error != 0) return (error);
  dmu_object_set_compress(dataset->os, object, ZIO_COMPRESS_OFF, tx);
  dmu_tx_commit(tx);
  return (0);
}

int iz_make_folder(iz_dataset_t* dataset, const char* path) {
  uint64_t object;

  return (create_node(dataset, path, 1, 0, &object));
}

static int check_empty(iz_dataset_t* dataset, uint64_t folder) {
  uint64_t entries;
  int error = zap_count(dataset->os, folder, &entries);

  return (error != 0 ? error : entries != 0 ? ENOTEMPTY : 0);
}

/* An object whose last name goes waits on the delete queue, where a crash finds it. Done before the
 * name goes: the queue may turn out unreadable. */
static int drop_node(iz_dataset_t* dataset, uint64_t object, sa_handle_t* sa, dmu_tx_t* tx) {
  uint64_t links = 0;
  int error = zap_add_int(dataset->os, dataset->delete_queue, object, tx);

  if (error == 0) VERIFY0(sa_update(sa, dataset->attributes[ZPL_LINKS], &links, 8, tx));
  return (error);
}

/* The name could not be changed after all. */
static void keep_node(iz_dataset_t* dataset, uint64_t object, sa_handle_t* sa, dmu_tx_t* tx) {
  uint64_t links = 1;

  (void)zap_remove_int(dataset->os, dataset->delete_queue, object, tx);
  VERIFY0(sa_update(sa, dataset->attributes[ZPL_LINKS], &links, 8, tx));
}

static int remove_entry(iz_dataset_t* dataset, uint64_t folder, const char* name, uint64_t object,
                        int is_folder) {
  sa_handle_t *folder_sa, *sa;
  dmu_tx_t* tx;
  int error = sa_handle_get(dataset->os, folder, NULL, SA_HDL_PRIVATE, &folder_sa);

  if (error != 0) return (error);
  error = sa_handle_get(dataset->os, object, NULL, SA_HDL_PRIVATE, &sa);
  if (error != 0) {
    sa_handle_destroy(folder_sa);
    return (error);
  }
  tx = dmu_tx_create(dataset->os);
  dmu_tx_hold_zap(tx, folder, B_FALSE, name);
  dmu_tx_hold_sa(tx, folder_sa, B_FALSE);
  dmu_tx_hold_sa(tx, sa, B_FALSE);
  dmu_tx_hold_zap(tx, dataset->delete_queue, B_TRUE, NULL);
  dmu_tx_mark_netfree(tx);
  error = iz_tx_assign(dataset->pool, tx);
  if (error == 0) {
    error = drop_node(dataset, object, sa, tx);
    if (error == 0) {
      error = zap_remove(dataset->os, folder, name, tx);
      if (error == 0)
        count_entry(dataset, folder_sa, -1, is_folder ? -1 : 0, tx);
      else
        keep_node(dataset, object, sa, tx);
    }
    dmu_tx_commit(tx);
  }
  sa_handle_destroy(sa);
  sa_handle_destroy(folder_sa);
  return (iz_read_error(dataset->pool, error));
}

int iz_unlink(iz_dataset_t* dataset, const char* path, uint64_t* freed) {
  char name[NAME_MAX_BYTES + 1];
  uint64_t folder, object = 0;
  int error, is_folder;

  *freed = 0;
  if (dataset->readonly) return (IZ_EREADONLY);
  mutex_enter(&dataset->namespace_lock);
  error = enter_parent(dataset, path, 0, &folder, name);
  if (error == 0) error = lookup_entry(dataset, folder, name, &object, &is_folder);
  if (error == 0 && is_folder) error = check_empty(dataset, object);
  if (error == 0) error = remove_entry(dataset, folder, name, object, is_folder);
  mutex_exit(&dataset->namespace_lock);
  if (error == 0) *freed = object;
  return (error);
}

/* Is `folder` the same as, or below, `above`? */
static int is_below(iz_dataset_t* dataset, uint64_t folder, uint64_t above) {
  while (folder != above && folder != dataset->root) {
    sa_handle_t* sa;
    int error;

    if (sa_handle_get(dataset->os, folder, NULL, SA_HDL_PRIVATE, &sa) != 0) return (1);
    error = sa_lookup(sa, dataset->attributes[ZPL_PARENT], &folder, 8);
    sa_handle_destroy(sa);
    if (error != 0) return (1);
  }
  return (folder == above);
}

typedef struct move {
  uint64_t from_folder, to_folder, object, replaced;
  int is_folder;
  const char *from_name, *to_name;
  sa_handle_t *from_sa, *to_sa, *sa, *replaced_sa;
} move_t;

static int move_handles(iz_dataset_t* dataset, move_t* move) {
  int error = sa_handle_get(dataset->os, move->from_folder, NULL, SA_HDL_PRIVATE, &move->from_sa);

  if (error == 0)
    error = sa_handle_get(dataset->os, move->to_folder, NULL, SA_HDL_PRIVATE, &move->to_sa);
  if (error == 0) error = sa_handle_get(dataset->os, move->object, NULL, SA_HDL_PRIVATE, &move->sa);
  if (error == 0 && move->replaced != 0)
    error = sa_handle_get(dataset->os, move->replaced, NULL, SA_HDL_PRIVATE, &move->replaced_sa);
  return (error);
}

/* The new name before the old one goes: a folder that cannot be read must not lose the object. */
static int move_names(iz_dataset_t* dataset, move_t* move, dmu_tx_t* tx) {
  uint64_t value = entry_value(move->object, move->is_folder);
  int error = zap_update(dataset->os, move->to_folder, move->to_name, 8, 1, &value, tx);

  if (error == 0) error = zap_remove(dataset->os, move->from_folder, move->from_name, tx);
  return (error);
}

static int move_entry(iz_dataset_t* dataset, move_t* move) {
  int folders = move->is_folder ? 1 : 0, error;
  dmu_tx_t* tx = dmu_tx_create(dataset->os);

  dmu_tx_hold_zap(tx, move->from_folder, B_FALSE, move->from_name);
  dmu_tx_hold_zap(tx, move->to_folder, B_TRUE, move->to_name);
  dmu_tx_hold_sa(tx, move->from_sa, B_FALSE);
  dmu_tx_hold_sa(tx, move->to_sa, B_FALSE);
  dmu_tx_hold_sa(tx, move->sa, B_FALSE);
  if (move->replaced != 0) {
    dmu_tx_hold_sa(tx, move->replaced_sa, B_FALSE);
    dmu_tx_hold_zap(tx, dataset->delete_queue, B_TRUE, NULL);
  }
  error = iz_tx_assign(dataset->pool, tx);
  if (error != 0) return (error);
  if (move->replaced != 0) error = drop_node(dataset, move->replaced, move->replaced_sa, tx);
  if (error == 0) error = move_names(dataset, move, tx);
  if (error == 0) {
    count_entry(dataset, move->from_sa, -1, -folders, tx);
    count_entry(dataset, move->to_sa, move->replaced != 0 ? 0 : 1,
                move->replaced != 0 ? 0 : folders, tx);
    VERIFY0(sa_update(move->sa, dataset->attributes[ZPL_PARENT], &move->to_folder, 8, tx));
  }
  dmu_tx_commit(tx);
  return (iz_read_error(dataset->pool, error));
}

/* What stands in the way at the target: nothing, or something of the same kind to replace. */
static int check_target(iz_dataset_t* dataset, move_t* move) {
  int target_folder = 0;
  int error =
      lookup_entry(dataset, move->to_folder, move->to_name, &move->replaced, &target_folder);

  if (error == ENOENT) {
    move->replaced = 0;
    error = 0;
  } else if (error == 0 && target_folder != move->is_folder) {
    error = target_folder ? EISDIR : ENOTDIR;
  } else if (error == 0 && target_folder && move->replaced != move->object) {
    error = check_empty(dataset, move->replaced);
  }
  if (error == 0 && move->is_folder && is_below(dataset, move->to_folder, move->object))
    error = EINVAL;
  return (error);
}

int iz_rename(iz_dataset_t* dataset, const char* from, const char* to, uint64_t* replaced) {
  char from_name[NAME_MAX_BYTES + 1], to_name[NAME_MAX_BYTES + 1];
  move_t move = {.from_name = from_name, .to_name = to_name};
  int error;

  *replaced = 0;
  if (dataset->readonly) return (IZ_EREADONLY);
  mutex_enter(&dataset->namespace_lock);
  error = enter_parent(dataset, from, 0, &move.from_folder, from_name);
  if (error == 0)
    error = lookup_entry(dataset, move.from_folder, from_name, &move.object, &move.is_folder);
  if (error == 0) error = enter_parent(dataset, to, 1, &move.to_folder, to_name);
  if (error == 0) error = check_target(dataset, &move);
  if (error == 0 && move.replaced != move.object) {
    error = move_handles(dataset, &move);
    if (error == 0) error = move_entry(dataset, &move);
    if (error == 0) *replaced = move.replaced;
    for (int i = 0; i < 4; i++) {
      sa_handle_t* sa = (sa_handle_t*[]){move.from_sa, move.to_sa, move.sa, move.replaced_sa}[i];

      if (sa != NULL) sa_handle_destroy(sa);
    }
  }
  mutex_exit(&dataset->namespace_lock);
  return (error);
}

/* Frees the data from the end, some indirect blocks at a time, so that no group grows huge. */
static int free_data(iz_dataset_t* dataset, uint64_t object) {
  dmu_object_info_t info;
  uint64_t step, end;
  int error = dmu_object_info(dataset->os, object, &info);

  if (error != 0) return (error);
  if (info.doi_type != DMU_OT_PLAIN_FILE_CONTENTS) return (0);
  step = (uint64_t)info.doi_data_block_size * (info.doi_metadata_block_size / sizeof(blkptr_t)) *
         FREE_STEP_INDIRECTS;
  end = info.doi_max_offset;
  while (end > step && error == 0) {
    uint64_t start = (end - 1) / step * step;
    dmu_tx_t* tx = dmu_tx_create(dataset->os);

    dmu_tx_hold_free(tx, object, start, end - start);
    dmu_tx_mark_netfree(tx);
    error = iz_tx_assign(dataset->pool, tx);
    if (error == 0) {
      error = dmu_free_range(dataset->os, object, start, end - start, tx);
      dmu_tx_commit(tx);
    }
    end = start;
  }
  return (error);
}

/* A file with a folder of extended attributes was made by a kernel, which also knows how to
 * delete it: it stays on the queue until a kernel mounts the dataset. */
static int is_the_kernels(iz_dataset_t* dataset, uint64_t object) {
  sa_handle_t* sa;
  uint64_t folder = 0;

  if (sa_handle_get(dataset->os, object, NULL, SA_HDL_PRIVATE, &sa) != 0) return (0);
  (void)sa_lookup(sa, dataset->attributes[ZPL_XATTR], &folder, 8);
  sa_handle_destroy(sa);
  return (folder != 0);
}

int iz_free_unlinked(iz_dataset_t* dataset, uint64_t object) {
  dmu_tx_t* tx;
  int error;

  if (is_the_kernels(dataset, object)) return (0);
  error = free_data(dataset, object);
  if (error != 0) return (error);
  tx = dmu_tx_create(dataset->os);
  dmu_tx_hold_free(tx, object, 0, DMU_OBJECT_END);
  dmu_tx_hold_zap(tx, dataset->delete_queue, B_FALSE, NULL);
  dmu_tx_mark_netfree(tx);
  error = iz_tx_assign(dataset->pool, tx);
  if (error != 0) return (error);
  error = dmu_object_free(dataset->os, object, tx);
  if (error == 0) (void)zap_remove_int(dataset->os, dataset->delete_queue, object, tx);
  dmu_tx_commit(tx);
  return (error);
}

int iz_drain_unlinked(iz_dataset_t* dataset) {
  zap_attribute_t* entry = zap_attribute_alloc();
  zap_cursor_t cursor;
  int error = 0;

  if (!dataset->readonly) {
    for (zap_cursor_init(&cursor, dataset->os, dataset->delete_queue);
         error == 0 && zap_cursor_retrieve(&cursor, entry) == 0; zap_cursor_advance(&cursor))
      error = iz_free_unlinked(dataset, entry->za_first_integer);
    zap_cursor_fini(&cursor);
  }
  zap_attribute_free(entry);
  return (error);
}

int iz_list(iz_dataset_t* dataset, const char* path, iz_entry_cb_t* callback, void* context) {
  zap_attribute_t* entry = zap_attribute_alloc();
  zap_cursor_t cursor;
  uint64_t folder;
  int is_folder, error;

  mutex_enter(&dataset->namespace_lock);
  error = iz_lookup(dataset, path, &folder, &is_folder);
  if (error == 0 && !is_folder) error = ENOTDIR;
  if (error == 0) {
    zap_cursor_init(&cursor, dataset->os, folder);
    while ((error = zap_cursor_retrieve(&cursor, entry)) == 0) {
      callback(context, entry->za_name, ZFS_DIRENT_OBJ(entry->za_first_integer),
               ZFS_DIRENT_TYPE(entry->za_first_integer) == ENTRY_FOLDER);
      zap_cursor_advance(&cursor);
    }
    zap_cursor_fini(&cursor);
    if (error == ENOENT) error = 0;
  }
  mutex_exit(&dataset->namespace_lock);
  zap_attribute_free(entry);
  return (error);
}
