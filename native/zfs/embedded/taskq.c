/*
 * libzpool's taskq_cancel_id() neither cancels nor waits, and a dataset that is closed right after
 * it was opened was freed under its upgrade task. This one waits (weaken.txt).
 */
#include <sys/zfs_context.h>

int taskq_cancel_id(taskq_t* queue, taskqid_t id) {
  (void)id;
  /* Nothing ever runs on the delay queue: libzpool drops what is dispatched to it. */
  if (queue != system_delay_taskq) taskq_wait(queue);
  return (ENOENT);
}
