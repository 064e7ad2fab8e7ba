/* Between dataset properties as text, as zfsprops(7) spells them, and as OpenZFS takes them. */
#ifndef IPFS_ZFS_PROPERTY_TEXT_H
#define IPFS_ZFS_PROPERTY_TEXT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct nvlist;

/* Checks all and adds them to `values`; EINVAL, and the reason in `problem`. */
int iz_properties_parse(struct nvlist* values, const char* const* names, const char* const* texts,
                        size_t count, char* problem, size_t size);

/* Tells of each native property, with its default where `values` (of a dataset's statistics) says
 * nothing, and of each user property. */
typedef void iz_property_cb_t(void* context, const char* name, const char* value);
void iz_properties_tell(struct nvlist* values, iz_property_cb_t* callback, void* context);

#ifdef __cplusplus
}
#endif

#endif
