/* Calls of /dev/zfs, as its own tools make them. */
#include "ioctl.h"

#include <sys/zfs_context.h>
#include <sys/dsl_crypt.h>
#include <sys/zfs_ioctl.h>
#include <sys/zfs_sysfs.h>

#include <fcntl.h>
#include <libzfs_core.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zfeature_common.h>
#include <zfs_prop.h>

#include "../stream_begin.h"

#define FIRST_ANSWER_BYTES (256 << 10)
#define MOST_ANSWER_BYTES (256 << 20)

static int zfs_fd = -1, zfs_error;

/* Names of properties and features; OpenZFS itself makes these tables when it starts in here. */
static void fill_tables(void) {
  if (zpool_prop_to_name(ZPOOL_PROP_FAILUREMODE) != NULL) return;
  zpool_feature_init();
  zfs_prop_init();
  zpool_prop_init();
}

static void open_device(void) {
  fill_tables();
  zfs_fd = open(ZFS_DEV, O_RDWR | O_CLOEXEC);
  if (zfs_fd < 0)
    zfs_error = errno;
  else
    zfs_error = libzfs_core_init();
}

int kz_start(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  VERIFY0(pthread_once(&once, open_device));
  return (zfs_error);
}

static zfs_cmd_t* make_command(const char* name) {
  zfs_cmd_t* zc = calloc(1, sizeof(*zc));

  VERIFY(zc != NULL);
  (void)strlcpy(zc->zc_name, name, sizeof(zc->zc_name));
  return (zc);
}

static int call(unsigned long request, zfs_cmd_t* zc) {
  int error = kz_start();

  if (error == 0 && ioctl(zfs_fd, request, zc) != 0) error = errno;
  return (error);
}

static void put_list(nvlist_t* list, uint64_t* address, uint64_t* size) {
  char* packed = NULL;
  size_t length = 0;

  VERIFY0(nvlist_pack(list, &packed, &length, NV_ENCODE_NATIVE, 0));
  *address = (uint64_t)(uintptr_t)packed;
  *size = length;
}

/* nvlist_pack() takes its memory as nvlist_alloc() does: from malloc here. */
static void drop_list(uint64_t address) { free((void*)(uintptr_t)address); }

/* A call whose answer is an nvlist: again with more room while it does not fit. */
static int call_for_list(unsigned long request, zfs_cmd_t* zc, nvlist_t** list) {
  size_t size = FIRST_ANSWER_BYTES;
  int error;

  *list = NULL;
  for (;;) {
    void* answer = malloc(size);

    VERIFY(answer != NULL);
    zc->zc_nvlist_dst = (uint64_t)(uintptr_t)answer;
    zc->zc_nvlist_dst_size = size;
    error = call(request, zc);
    if (error == ENOMEM && zc->zc_nvlist_dst_size > size && size < MOST_ANSWER_BYTES) {
      size = MAX(zc->zc_nvlist_dst_size, 2 * size);
      free(answer);
      continue;
    }
    if (zc->zc_nvlist_dst_filled || error == 0) {
      if (nvlist_unpack(answer, zc->zc_nvlist_dst_size, list, 0) != 0) *list = NULL;
    }
    free(answer);
    return (error);
  }
}

/* Features that this library knows and the kernel does not are left out. */
static int kernel_has_feature(const char* guid) {
  /* As a module, or built in. */
  static const char* const folders[] = {ZFS_SYSFS_DIR, ZFS_SYSFS_ALT_DIR};

  for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
    char path[256];
    struct stat info;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", folders[i], ZFS_SYSFS_POOL_FEATURES, guid);
    if (stat(path, &info) == 0) return (1);
  }
  return (0);
}

int kz_pool_create(const char* name, nvlist_t* vdev_root) {
  zfs_cmd_t* zc = make_command(name);
  nvlist_t* props = fnvlist_alloc();
  int error;

  /* As the embedded engine: no machine imports it by itself, and a lost disk blocks nobody. */
  fnvlist_add_string(props, zpool_prop_to_name(ZPOOL_PROP_CACHEFILE), "none");
  fnvlist_add_uint64(props, zpool_prop_to_name(ZPOOL_PROP_FAILUREMODE), ZIO_FAILURE_MODE_CONTINUE);
  for (int i = 0; i < SPA_FEATURES; i++) {
    char property[128];

    if (!kernel_has_feature(spa_feature_table[i].fi_guid)) continue;
    (void)snprintf(property, sizeof(property), "feature@%s", spa_feature_table[i].fi_uname);
    fnvlist_add_uint64(props, property, 0);
  }
  put_list(vdev_root, &zc->zc_nvlist_conf, &zc->zc_nvlist_conf_size);
  put_list(props, &zc->zc_nvlist_src, &zc->zc_nvlist_src_size);
  error = call(ZFS_IOC_POOL_CREATE, zc);
  drop_list(zc->zc_nvlist_conf);
  drop_list(zc->zc_nvlist_src);
  fnvlist_free(props);
  free(zc);
  return (error);
}

int kz_pool_import(const char* name, nvlist_t* config, int stays, nvlist_t** result) {
  zfs_cmd_t* zc = make_command(name);
  nvlist_t* props = fnvlist_alloc();
  int error;

  if (!stays) fnvlist_add_string(props, zpool_prop_to_name(ZPOOL_PROP_CACHEFILE), "none");
  (void)nvlist_lookup_uint64(config, ZPOOL_CONFIG_POOL_GUID, &zc->zc_guid);
  zc->zc_cookie = ZFS_IMPORT_NORMAL;
  put_list(config, &zc->zc_nvlist_conf, &zc->zc_nvlist_conf_size);
  put_list(props, &zc->zc_nvlist_src, &zc->zc_nvlist_src_size);
  error = call_for_list(ZFS_IOC_POOL_IMPORT, zc, result);
  drop_list(zc->zc_nvlist_conf);
  drop_list(zc->zc_nvlist_src);
  fnvlist_free(props);
  free(zc);
  return (error);
}

int kz_pool_export(const char* name) {
  zfs_cmd_t* zc = make_command(name);
  int error = call(ZFS_IOC_POOL_EXPORT, zc);

  free(zc);
  return (error);
}

int kz_pool_stats(const char* name, nvlist_t** stats) {
  zfs_cmd_t* zc = make_command(name);
  int error = call_for_list(ZFS_IOC_POOL_STATS, zc, stats);

  /* A pool that cannot be opened has statistics all the same, and its error in zc_cookie. */
  if (error == 0 && *stats == NULL) error = zc->zc_cookie != 0 ? (int)zc->zc_cookie : EIO;
  free(zc);
  return (error);
}

int kz_pool_is_readonly(const char* name) {
  zfs_cmd_t* zc = make_command(name);
  nvlist_t *props = NULL, *entry = NULL;
  uint64_t value = 0;

  (void)call_for_list(ZFS_IOC_POOL_GET_PROPS, zc, &props);
  if (props != NULL && nvlist_lookup_nvlist(props, "readonly", &entry) == 0)
    (void)nvlist_lookup_uint64(entry, ZPROP_VALUE, &value);
  nvlist_free(props);
  free(zc);
  return (value != 0);
}

int kz_pool_scrub(const char* name, int start) {
  zfs_cmd_t* zc = make_command(name);
  int error;

  zc->zc_cookie = start ? POOL_SCAN_SCRUB : POOL_SCAN_NONE;
  zc->zc_flags = POOL_SCRUB_NORMAL;
  error = call(ZFS_IOC_POOL_SCAN, zc);
  free(zc);
  return (error);
}

int kz_pool_clear(const char* name) {
  zfs_cmd_t* zc = make_command(name);
  int error;

  zc->zc_cookie = ZPOOL_NO_REWIND;
  error = call(ZFS_IOC_CLEAR, zc);
  free(zc);
  return (error);
}

/* The kernel fills the room given from its end. */
int kz_pool_damage(const char* name, kz_damage_t** damages, size_t* count) {
  zfs_cmd_t* zc = make_command(name);
  size_t room = 1024;
  zbookmark_phys_t* marks = NULL;
  int error;

  *damages = NULL;
  *count = 0;
  do {
    free(marks);
    room *= 4;
    marks = calloc(room, sizeof(*marks));
    VERIFY(marks != NULL);
    zc->zc_nvlist_dst = (uint64_t)(uintptr_t)marks;
    zc->zc_nvlist_dst_size = room;
    error = call(ZFS_IOC_ERROR_LOG, zc);
  } while (error == ENOMEM && room < MOST_ANSWER_BYTES / sizeof(*marks));
  if (error == 0) {
    size_t first = zc->zc_nvlist_dst_size;

    *count = room - first;
    *damages = calloc(*count + 1, sizeof(**damages));
    VERIFY(*damages != NULL);
    for (size_t i = 0; i < *count; i++) {
      const zbookmark_phys_t* mark = &marks[first + i];

      (*damages)[i] =
          (kz_damage_t){mark->zb_objset, mark->zb_object, mark->zb_level, mark->zb_blkid};
    }
  }
  free(marks);
  free(zc);
  return (error);
}

int kz_dataset_of(const char* pool, uint64_t objset, char* name, size_t size) {
  zfs_cmd_t* zc = make_command(pool);
  int error;

  zc->zc_obj = objset;
  error = call(ZFS_IOC_DSOBJ_TO_DSNAME, zc);
  if (error == 0) (void)strlcpy(name, zc->zc_value, size);
  free(zc);
  return (error);
}

int kz_dataset_stats(const char* name, nvlist_t** properties) {
  zfs_cmd_t* zc = make_command(name);
  int error = call_for_list(ZFS_IOC_OBJSET_STATS, zc, properties);

  free(zc);
  return (error);
}

int kz_next(const char* parent, int snapshots, uint64_t* cursor, char* name,
            nvlist_t** properties) {
  zfs_cmd_t* zc = make_command(parent);
  int error;

  zc->zc_cookie = *cursor;
  error = call_for_list(snapshots ? ZFS_IOC_SNAPSHOT_LIST_NEXT : ZFS_IOC_DATASET_LIST_NEXT, zc,
                        properties);
  *cursor = zc->zc_cookie;
  if (error == 0) (void)strlcpy(name, zc->zc_name, ZFS_MAX_DATASET_NAME_LEN);
  free(zc);
  return (error);
}

int kz_change_key(const char* name, nvlist_t* properties, uint8_t* key, size_t size) {
  return (lzc_change_key(name, DCP_CMD_NEW_KEY, properties, key, (uint_t)size));
}

int kz_set_properties(const char* name, nvlist_t* properties) {
  zfs_cmd_t* zc = make_command(name);
  nvlist_t* errors = NULL;
  int error;

  put_list(properties, &zc->zc_nvlist_src, &zc->zc_nvlist_src_size);
  error = call_for_list(ZFS_IOC_SET_PROP, zc, &errors);
  drop_list(zc->zc_nvlist_src);
  if (errors != NULL) nvlist_free(errors);
  free(zc);
  return (error);
}

int kz_receive(const char* snapshot, int force, int resumable, int fd) {
  dmu_replay_record_t begin;
  int error = iz_stream_begin(fd, &begin);

  if (error != 0) return (error);
  /* "raw" only means the newer ioctl, which takes any stream; what this one is stands in itself. */
  error =
      lzc_receive_with_header(snapshot, NULL, NULL, force != 0, resumable != 0, B_TRUE, fd, &begin);
  return (iz_stream_error(&begin, error));
}
