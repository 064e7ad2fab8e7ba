/* Dataset properties as text: each one checked against OpenZFS's own table before any is set. */
#include "property_text.h"

#include <sys/zfs_context.h>
#include <sys/dsl_prop.h>
#include <sys/spa.h>
#include <sys/zap.h>

#include <ctype.h>
#include <zfs_prop.h>

#define RECORD_MIN_BYTES SPA_MINBLOCKSIZE
#define RECORD_MAX_BYTES SPA_MAXBLOCKSIZE

/* "128K", "1.5G" is not taken: whole numbers with a binary suffix. */
static int parse_number(const char* text, uint64_t* number) {
  static const char suffixes[] = "BKMGTPE";
  unsigned long long value;
  const char* suffix;
  char* end;
  int shift;

  if (!isdigit((unsigned char)text[0])) return (EINVAL);
  errno = 0;
  value = strtoull(text, &end, 10);
  if (errno != 0) return (ERANGE);
  *number = value;
  if (*end == '\0') return (0);
  suffix = strchr(suffixes, toupper((unsigned char)*end));
  if (suffix == NULL ||
      (end[1] != '\0' && strcasecmp(end + 1, "B") != 0 && strcasecmp(end + 1, "iB") != 0))
    return (EINVAL);
  shift = 10 * (int)(suffix - suffixes);
  if (shift > 0 && (value >> (64 - shift)) != 0) return (ERANGE);
  *number = value << shift;
  return (0);
}

static int takes_none(zfs_prop_t prop) {
  return (prop == ZFS_PROP_QUOTA || prop == ZFS_PROP_REFQUOTA || prop == ZFS_PROP_RESERVATION ||
          prop == ZFS_PROP_REFRESERVATION || prop == ZFS_PROP_FILESYSTEM_LIMIT ||
          prop == ZFS_PROP_SNAPSHOT_LIMIT);
}

static int is_limit(zfs_prop_t prop) {
  return (prop == ZFS_PROP_FILESYSTEM_LIMIT || prop == ZFS_PROP_SNAPSHOT_LIMIT);
}

static int check_number(zfs_prop_t prop, const char* text, uint64_t* number, char* problem,
                        size_t size) {
  const char* name = zfs_prop_to_name(prop);

  if (takes_none(prop) && strcmp(text, "none") == 0) {
    *number = is_limit(prop) ? UINT64_MAX : 0;
    return (0);
  }
  if (parse_number(text, number) != 0) {
    (void)snprintf(problem, size, "%s: '%s' is no number; write one like 131072 or 128K", name,
                   text);
    return (EINVAL);
  }
  if (prop == ZFS_PROP_RECORDSIZE &&
      (*number < RECORD_MIN_BYTES || *number > RECORD_MAX_BYTES || !ISP2(*number))) {
    (void)snprintf(problem, size, "%s: '%s' is not a power of two from 512 to 16M", name, text);
    return (EINVAL);
  }
  return (0);
}

/* Checks one property and adds its value to `values`, as OpenZFS's own tools would send it. */
static int check_property(nvlist_t* values, const char* name, const char* text, char* problem,
                          size_t size) {
  zfs_prop_t prop = zfs_name_to_prop(name);
  uint64_t number;

  if (prop == ZPROP_USERPROP && zfs_prop_user(name)) {
    if (strlen(name) >= ZAP_MAXNAMELEN || strlen(text) >= ZAP_MAXVALUELEN) {
      (void)snprintf(problem, size, "%s: the name or value is too long", name);
      return (EINVAL);
    }
    fnvlist_add_string(values, name, text);
    return (0);
  }
  if (prop == ZPROP_USERPROP || !zfs_prop_valid_for_type(prop, ZFS_TYPE_FILESYSTEM, B_FALSE)) {
    (void)snprintf(problem, size, "there is no property '%s' (own ones have a colon)", name);
    return (EINVAL);
  }
  if (zfs_prop_readonly(prop) || zfs_prop_setonce(prop)) {
    (void)snprintf(problem, size, "%s cannot be changed", name);
    return (EINVAL);
  }
  switch (zfs_prop_get_type(prop)) {
    case PROP_TYPE_NUMBER:
      if (check_number(prop, text, &number, problem, size) != 0) return (EINVAL);
      fnvlist_add_uint64(values, name, number);
      return (0);
    case PROP_TYPE_INDEX:
      if (zfs_prop_string_to_index(prop, text, &number) != 0) {
        (void)snprintf(problem, size, "%s: '%s' is not one of %s", name, text,
                       zprop_values(prop, ZFS_TYPE_FILESYSTEM));
        return (EINVAL);
      }
      fnvlist_add_uint64(values, name, number);
      return (0);
    default: fnvlist_add_string(values, name, text); return (0);
  }
}

int iz_properties_parse(nvlist_t* values, const char* const* names, const char* const* texts,
                        size_t count, char* problem, size_t size) {
  for (size_t i = 0; i < count; i++) {
    if (check_property(values, names[i], texts[i], problem, size) != 0) return (EINVAL);
  }
  return (0);
}

typedef struct listing {
  nvlist_t* values; /* what the dataset says */
  iz_property_cb_t* callback;
  void* context;
} listing_t;

static void tell_number(const listing_t* listing, zfs_prop_t prop, uint64_t number) {
  char text[32];
  const char* word = text;

  if (zfs_prop_get_type(prop) == PROP_TYPE_INDEX) {
    if (zfs_prop_index_to_string(prop, number, &word) != 0) return;
  } else if (prop == ZFS_PROP_COMPRESSRATIO || prop == ZFS_PROP_REFRATIO) {
    (void)snprintf(text, sizeof(text), "%llu.%02llu", (u_longlong_t)number / 100,
                   (u_longlong_t)number % 100);
  } else if (is_limit(prop) && number == UINT64_MAX) {
    word = "none";
  } else {
    (void)snprintf(text, sizeof(text), "%llu", (u_longlong_t)number);
  }
  listing->callback(listing->context, zfs_prop_to_name(prop), word);
}

/* A zprop_func: one native property, from the dataset or its default. */
static int tell_property(int number, void* arg) {
  const listing_t* listing = arg;
  zfs_prop_t prop = number;
  const char *name = zfs_prop_to_name(prop), *text;
  nvlist_t* entry = NULL;
  uint64_t value;

  if (!zfs_prop_valid_for_type(prop, ZFS_TYPE_FILESYSTEM, B_FALSE)) return (ZPROP_CONT);
  (void)nvlist_lookup_nvlist(listing->values, name, &entry);
  if (zfs_prop_get_type(prop) == PROP_TYPE_STRING) {
    if (entry == NULL || nvlist_lookup_string(entry, ZPROP_VALUE, &text) != 0)
      text = zfs_prop_default_string(prop);
    if (text != NULL && text[0] != '\0') listing->callback(listing->context, name, text);
  } else if (entry != NULL && nvlist_lookup_uint64(entry, ZPROP_VALUE, &value) == 0) {
    tell_number(listing, prop, value);
  } else if (!zfs_prop_readonly(prop)) {
    tell_number(listing, prop, zfs_prop_default_numeric(prop));
  }
  return (ZPROP_CONT);
}

static void tell_own(const listing_t* listing) {
  nvpair_t* pair = NULL;

  while ((pair = nvlist_next_nvpair(listing->values, pair)) != NULL) {
    const char* text;
    nvlist_t* entry;

    if (zfs_prop_user(nvpair_name(pair)) && nvpair_value_nvlist(pair, &entry) == 0 &&
        nvlist_lookup_string(entry, ZPROP_VALUE, &text) == 0)
      listing->callback(listing->context, nvpair_name(pair), text);
  }
}

void iz_properties_tell(nvlist_t* values, iz_property_cb_t* callback, void* context) {
  listing_t listing = {values, callback, context};

  (void)zprop_iter_common(tell_property, &listing, B_TRUE, B_FALSE, ZFS_TYPE_FILESYSTEM);
  tell_own(&listing);
}
