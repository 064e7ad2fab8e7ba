/*
 * The umem face that OpenZFS allocates through, sent to our arena (arena.h).
 *
 * OpenZFS in user space calls umem_alloc(3) and friends; its own header forwards them to malloc,
 * and glibc gives large buffers back to the system on every free, so that page faults become most
 * of the CPU. Building the library with `-include umem.h` sets the guard of its own header, and
 * every buffer comes from pages that are touched once and kept.
 *
 * The names and signatures are umem_alloc(3) and umem_cache_create(3), as illumos documents them.
 */
#ifndef _LIBSPL_UMEM_H
#define _LIBSPL_UMEM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/debug.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * `align` is 0 or a power of two, the same at alloc and free; never returns NULL (the process
 * stops when the machine has no memory left, as a kernel's KM_SLEEP would wait for ever).
 */
void *ipfs_zfs_arena_alloc(size_t size, size_t align);
void ipfs_zfs_arena_free(void *ptr, size_t size, size_t align);

typedef void vmem_t;

#define UMEM_DEFAULT 0x0000
#define UMEM_NOFAIL 0x0100
#define UMC_NODEBUG 0x00020000
#define UMC_NOTOUCH 0x00010000
#define UMEM_CACHE_NAMELEN 31

/* umem_free_aligned() is told no alignment: one page is the only one OpenZFS asks for there. */
#define UMEM_DIRECT_ALIGN 4096

typedef int umem_nofail_callback_t(void);
typedef int umem_constructor_t(void *, void *, int);
typedef void umem_destructor_t(void *, void *);
typedef void umem_reclaim_t(void *);

typedef struct umem_cache {
	char cache_name[UMEM_CACHE_NAMELEN + 1];
	size_t cache_bufsize;
	size_t cache_align;
	umem_constructor_t *cache_constructor;
	umem_destructor_t *cache_destructor;
	void *cache_private;
} umem_cache_t;

const char *_umem_debug_init(void);
const char *_umem_options_init(void);
const char *_umem_logging_init(void);

static inline void *
umem_alloc(size_t size, int flags)
{
	(void) flags;
	return (ipfs_zfs_arena_alloc(size, 0));
}

static inline void *
umem_zalloc(size_t size, int flags)
{
	return (memset(umem_alloc(size, flags), 0, size));
}

static inline void *
umem_alloc_aligned(size_t size, size_t align, int flags)
{
	(void) flags;
	if (align > UMEM_DIRECT_ALIGN) {
		fprintf(stderr, "umem_alloc_aligned: alignment %zu is over a page\n", align);
		abort();
	}
	return (ipfs_zfs_arena_alloc(size, UMEM_DIRECT_ALIGN));
}

static inline void
umem_free(const void *ptr, size_t size)
{
	ipfs_zfs_arena_free((void *)ptr, size, 0);
}

static inline void
umem_free_aligned(void *ptr, size_t size)
{
	ipfs_zfs_arena_free(ptr, size, UMEM_DIRECT_ALIGN);
}

static inline void
umem_nofail_callback(umem_nofail_callback_t *cb)
{
	(void) cb;
}

static inline umem_cache_t *
umem_cache_create(const char *name, size_t bufsize, size_t align, umem_constructor_t *constructor,
    umem_destructor_t *destructor, umem_reclaim_t *reclaim, void *priv, void *vmp, int cflags)
{
	umem_cache_t *cp = (umem_cache_t *)umem_alloc(sizeof (umem_cache_t), UMEM_NOFAIL);

	(void) reclaim;
	(void) vmp;
	(void) cflags;
	(void) snprintf(cp->cache_name, sizeof (cp->cache_name), "%s", name);
	cp->cache_bufsize = bufsize;
	cp->cache_align = align;
	cp->cache_constructor = constructor;
	cp->cache_destructor = destructor;
	cp->cache_private = priv;
	return (cp);
}

static inline void
umem_cache_destroy(umem_cache_t *cp)
{
	umem_free(cp, sizeof (umem_cache_t));
}

static inline void *
umem_cache_alloc(umem_cache_t *cp, int flags)
{
	void *ptr = ipfs_zfs_arena_alloc(cp->cache_bufsize, cp->cache_align);

	(void) flags;
	if (cp->cache_constructor != NULL)
		(void) cp->cache_constructor(ptr, cp->cache_private, UMEM_DEFAULT);
	return (ptr);
}

static inline void
umem_cache_free(umem_cache_t *cp, void *ptr)
{
	if (cp->cache_destructor != NULL)
		cp->cache_destructor(ptr, cp->cache_private);
	ipfs_zfs_arena_free(ptr, cp->cache_bufsize, cp->cache_align);
}

static inline void
umem_cache_reap_now(umem_cache_t *cp)
{
	(void) cp;
}

#ifdef __cplusplus
}
#endif

#endif
