/*
 * The ZFS POSIX layer's structures on disk: what makes an object set a file system that a kernel
 * mounts. OpenZFS's own code for them is kernel code; this writes the same attributes in the same
 * order.
 */
#include "internal.h"

#include <sys/acl.h>
#include <sys/sa_impl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_MODE (S_IFDIR | 0755)
#define FILE_MODE (S_IFREG | 0644)
#define ACE_COUNT 3

/* One entry of the access list that says what the mode says: owner, group, everyone. */
typedef struct mode_ace {
  uint16_t type;
  uint16_t who;
  uint32_t access;
} mode_ace_t;

void iz_now(uint64_t encoded[2]) {
  struct timespec now;

  (void)clock_gettime(CLOCK_REALTIME, &now);
  encoded[0] = (uint64_t)now.tv_sec;
  encoded[1] = (uint64_t)now.tv_nsec;
}

static uint32_t access_mask(uint64_t rwx, int is_folder, int is_owner) {
  uint32_t mask = ACE_READ_ACL | ACE_READ_ATTRIBUTES | ACE_READ_NAMED_ATTRS | ACE_SYNCHRONIZE;

  if (is_owner)
    mask |= ACE_WRITE_ATTRIBUTES | ACE_WRITE_OWNER | ACE_WRITE_ACL | ACE_WRITE_NAMED_ATTRS;
  if (rwx & 4) mask |= ACE_READ_DATA;
  if (rwx & 2) mask |= ACE_WRITE_DATA | ACE_APPEND_DATA | (is_folder ? ACE_DELETE_CHILD : 0);
  if (rwx & 1) mask |= ACE_EXECUTE;
  return (mask);
}

static void fill_aces(mode_ace_t aces[ACE_COUNT], uint64_t mode) {
  static const uint16_t who[ACE_COUNT] = {ACE_OWNER, ACE_GROUP | ACE_IDENTIFIER_GROUP,
                                          ACE_EVERYONE};

  for (int i = 0; i < ACE_COUNT; i++) {
    aces[i].type = ACE_ACCESS_ALLOWED_ACE_TYPE;
    aces[i].who = who[i];
    aces[i].access = access_mask((mode >> (6 - 3 * i)) & 7, S_ISDIR(mode), i == 0);
  }
}

static void write_attributes(objset_t* os, sa_attr_type_t* table, uint64_t object, uint64_t parent,
                             int is_folder, dmu_tx_t* tx) {
  uint64_t mode = is_folder ? FOLDER_MODE : FILE_MODE;
  uint64_t size = is_folder ? 2 : 0, links = is_folder ? 2 : 1; /* "." and ".." */
  uint64_t generation = dmu_tx_get_txg(tx), uid = geteuid(), gid = getegid();
  uint64_t flags = ZFS_ARCHIVE | ZFS_AV_MODIFIED | ZFS_ACL_TRIVIAL;
  uint64_t now[2], project = ZFS_DEFAULT_PROJID, ace_count = ACE_COUNT;
  mode_ace_t aces[ACE_COUNT];
  sa_bulk_attr_t bulk[ZPL_END];
  sa_handle_t* sa;
  int n = 0, has_project = dmu_objset_projectquota_enabled(os);

  if (is_folder) flags |= ZFS_ACL_AUTO_INHERIT | ZFS_NO_EXECS_DENIED;
  if (has_project) flags |= ZFS_PROJID;
  fill_aces(aces, mode);
  iz_now(now);

  /* The kernel finds the first attributes by their place, so the order is part of the format. */
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_MODE], NULL, &mode, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_SIZE], NULL, &size, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_GEN], NULL, &generation, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_UID], NULL, &uid, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_GID], NULL, &gid, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_PARENT], NULL, &parent, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_FLAGS], NULL, &flags, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_ATIME], NULL, now, 16);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_MTIME], NULL, now, 16);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_CTIME], NULL, now, 16);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_CRTIME], NULL, now, 16);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_LINKS], NULL, &links, 8);
  if (has_project) SA_ADD_BULK_ATTR(bulk, n, table[ZPL_PROJID], NULL, &project, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_DACL_COUNT], NULL, &ace_count, 8);
  SA_ADD_BULK_ATTR(bulk, n, table[ZPL_DACL_ACES], NULL, aces, sizeof(aces));

  VERIFY0(sa_handle_get(os, object, NULL, SA_HDL_PRIVATE, &sa));
  VERIFY0(sa_replace_all_by_template(sa, bulk, n, tx));
  sa_handle_destroy(sa);
}

/* `parent` 0 makes the root, which is its own parent. */
uint64_t iz_node_create(objset_t* os, sa_attr_type_t* table, uint64_t parent, int is_folder,
                        uint32_t record_size, dmu_tx_t* tx) {
  int dnode_size = dmu_objset_dnodesize(os);
  uint64_t object;
  int bonus_size;

  if (dnode_size == 0) dnode_size = DNODE_MIN_SIZE;
  bonus_size = DN_BONUS_SIZE(dnode_size);
  if (is_folder) {
    object = zap_create_norm_dnsize(os, 0, DMU_OT_DIRECTORY_CONTENTS, DMU_OT_SA, bonus_size,
                                    dnode_size, tx);
  } else {
    object = dmu_object_alloc_dnsize(os, DMU_OT_PLAIN_FILE_CONTENTS, (int)record_size, DMU_OT_SA,
                                     bonus_size, dnode_size, tx);
  }
  write_attributes(os, table, object, parent != 0 ? parent : object, is_folder, tx);
  return (object);
}

static void add_number(objset_t* os, const char* name, uint64_t value, dmu_tx_t* tx) {
  VERIFY0(zap_update(os, MASTER_NODE_OBJ, name, 8, 1, &value, tx));
}

/* A dmu_objset_create_sync_func_t: gives an empty object set its master node and root directory. */
void iz_zpl_create(objset_t* os, void* arg, cred_t* cr, dmu_tx_t* tx) {
  sa_attr_type_t* table;
  uint64_t attributes, queue;

  (void)arg, (void)cr;
  VERIFY0(zap_create_claim(os, MASTER_NODE_OBJ, DMU_OT_MASTER_NODE, DMU_OT_NONE, 0, tx));
  add_number(os, zfs_prop_to_name(ZFS_PROP_NORMALIZE), 0, tx);
  add_number(os, zfs_prop_to_name(ZFS_PROP_UTF8ONLY), 0, tx);
  add_number(os, zfs_prop_to_name(ZFS_PROP_CASE), ZFS_CASE_SENSITIVE, tx);
  add_number(os, ZPL_VERSION_STR, ZPL_VERSION, tx);

  attributes = zap_create(os, DMU_OT_SA_MASTER_NODE, DMU_OT_NONE, 0, tx);
  add_number(os, ZFS_SA_ATTRS, attributes, tx);
  queue = zap_create(os, DMU_OT_UNLINKED_SET, DMU_OT_NONE, 0, tx);
  add_number(os, ZFS_UNLINKED_SET, queue, tx);

  VERIFY0(sa_setup(os, attributes, zfs_attr_table, ZPL_END, &table));
  add_number(os, ZFS_ROOT_OBJ, iz_node_create(os, table, 0, 1, 0, tx), tx);
}

int iz_zpl_setup(iz_dataset_t* dataset) {
  uint64_t attributes;
  int error;

  error = zap_lookup(dataset->os, MASTER_NODE_OBJ, ZFS_ROOT_OBJ, 8, 1, &dataset->root);
  if (error == 0)
    error =
        zap_lookup(dataset->os, MASTER_NODE_OBJ, ZFS_UNLINKED_SET, 8, 1, &dataset->delete_queue);
  if (error == 0) error = zap_lookup(dataset->os, MASTER_NODE_OBJ, ZFS_SA_ATTRS, 8, 1, &attributes);
  if (error == 0)
    error = sa_setup(dataset->os, attributes, zfs_attr_table, ZPL_END, &dataset->attributes);
  return (error);
}

/* Who owns an object, for the space accounting by user that a kernel keeps in the same dataset. */
static int object_owner(dmu_object_type_t bonus_type, const void* bonus, zfs_file_info_t* owner) {
  const sa_hdr_phys_t* header = bonus;
  const uint64_t* numbers;
  int swap;

  if (bonus_type != DMU_OT_SA && bonus_type != DMU_OT_ZNODE) return (ENOENT);
  memset(owner, 0, sizeof(*owner));
  owner->zfi_project = ZFS_DEFAULT_PROJID;
  if (bonus == NULL) return (EEXIST);
  if (bonus_type == DMU_OT_ZNODE) {
    const znode_phys_t* znode = bonus;

    owner->zfi_user = znode->zp_uid;
    owner->zfi_group = znode->zp_gid;
    owner->zfi_generation = znode->zp_gen;
    return (0);
  }
  swap = header->sa_magic == BSWAP_32(SA_MAGIC);
  if (header->sa_magic != SA_MAGIC && !swap)
    return (0); /* a new object whose attributes are not written yet */

  /* The top six bits of the layout word count the header's eight-byte words. */
  numbers = (const uint64_t*)bonus +
            ((swap ? BSWAP_16(header->sa_layout_info) : header->sa_layout_info) >> 10);
#define NUMBER_AT(offset) (swap ? BSWAP_64(numbers[(offset) / 8]) : numbers[(offset) / 8])
  owner->zfi_user = NUMBER_AT(SA_UID_OFFSET);
  owner->zfi_group = NUMBER_AT(SA_GID_OFFSET);
  owner->zfi_generation = NUMBER_AT(SA_GEN_OFFSET);
  if (NUMBER_AT(SA_FLAGS_OFFSET) & ZFS_PROJID) owner->zfi_project = NUMBER_AT(SA_PROJID_OFFSET);
#undef NUMBER_AT
  return (0);
}

void iz_zpl_register(void) { dmu_objset_register_type(DMU_OST_ZFS, object_owner); }
