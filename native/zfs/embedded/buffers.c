/*
 * One piece of memory a buffer. libzpool ignores zfs_abd_scatter_enabled and cuts every buffer
 * into pages; then each read copies a record out of its pages, each write copies it together
 * again, and the cache and the record's reader cannot share it. (weaken.txt)
 */
#include <sys/zfs_context.h>
#include <sys/abd.h>
#include <sys/abd_impl.h>

boolean_t abd_size_alloc_linear(size_t size) {
  (void)size;
  return (B_TRUE);
}
