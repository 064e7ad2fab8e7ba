// What a pool's administration reads from and writes to the kernel's nvlists.
#pragma once

#include <string>
#include <vector>

#include "../../result.h"
#include "../labels.h"
#include "../pool_admin.h"

namespace ipfs_zfs::kernel {

// Names as keys without a value.
Nvlist name_list(const std::vector<std::string>& names);

// Of the per-name errors of a call: the first says more than the call's own.
int first_error(nvlist* errors, int error);

// Text as zfsprops(7) spells it, checked. kInvalid says which is wrong.
Result<Nvlist> property_list(const Properties& properties);
// What the kernel says of a dataset or snapshot, as the next three take it.
Result<Nvlist> stats_of(const std::string& dataset);
Properties properties_in(const std::string& dataset, nvlist* stats);
DatasetStatus status_in(const std::string& name, nvlist* stats);
uint64_t property_number(nvlist* stats, const char* name);
// The dataset that it is inherited from, or set on; "" for a default.
std::string property_source(nvlist* stats, const char* name);

// What a new key says of itself; for a new dataset also that it is encrypted.
void add_key_properties(nvlist* properties, bool is_new_dataset);

// "recordsize,userprop": what zfs-allow(8) calls the permissions to set these.
std::string permissions_for(const Properties& properties);

// An ioctl's error number, in the numbers of errors.h.
int own_error(int error);

}  // namespace ipfs_zfs::kernel
