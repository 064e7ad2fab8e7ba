/* Starts OpenZFS in this process, once, with the settings of a library instead of a stress test. */
#include "internal.h"

#include <sys/arc_impl.h>
#include <sys/stat.h>
#include <sys/zfs_impl.h>

extern char* spa_config_path;
extern uint32_t hostid;
extern uint64_t zfs_dirty_data_max_max;
extern void kernel_init(int mode);

/* OpenZFS reads this file at start and removes it when a pool is exported. On a host that uses
 * ZFS the default, /etc/zfs/zpool.cache, is the list of pools to import at boot. */
static char no_cachefile[] = "/dev/null/ipfs-zfs-has-no-cachefile";

/* In user space nothing measures them, and "fastest" means the portable one. Those that this CPU
 * can run are listed from the plain to the special instructions. */
static void use_fastest(const char* algorithm) {
  const zfs_impl_t* impl = zfs_impl_get_ops(algorithm);

  if (impl != NULL) impl->setid(impl->getcnt() - 1);
}

/* gethostid(3) makes one up from the address of the host name where none is set, and that changes
 * under a container: a pool would then look like another machine's after a crash. */
static int has_fixed_hostid(void) {
  struct stat info;

  return (stat("/etc/hostid", &info) == 0 ||
          stat("/sys/module/spl/parameters/spl_hostid", &info) == 0);
}

void iz_start(const iz_start_t* options) {
  spa_config_path = no_cachefile;

  zfs_arc_min = options->arc_min_bytes;
  zfs_dirty_data_max = options->dirty_max_bytes;
  zfs_dirty_data_max_max = options->dirty_max_bytes;

  kernel_init(SPA_MODE_READ | SPA_MODE_WRITE);

  if (!has_fixed_hostid()) hostid = 0;
  use_fastest("sha256");
  use_fastest("sha512");
  use_fastest("blake3");
  iz_zpl_register();
}
