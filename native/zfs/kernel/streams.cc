// What a pool's administration does with streams, keys, holds and bookmarks, by libzfs_core.
#include <fcntl.h>
#include <libnvpair.h>
#include <libzfs_core.h>
#include <sys/fs/zfs.h>

#include <cerrno>

#include "../errors.h"
#include "../names.h"
#include "../stream_plan.h"
#include "ioctl.h"
#include "lists.h"
#include "mounts.h"
#include "permissions.h"
#include "pool.h"

namespace ipfs_zfs::kernel {
namespace {

Result<uint64_t> guid_of_bookmark(const std::string& name) {
  const size_t at = name.find('#');
  Nvlist wanted(fnvlist_alloc());
  fnvlist_add_boolean(wanted.get(), "guid");
  nvlist *raw = nullptr, *bookmark = nullptr;
  const int error = own_error(lzc_get_bookmarks(name.substr(0, at).c_str(), wanted.get(), &raw));
  Nvlist bookmarks(raw);
  if (error != 0) return make_error(error, name);
  if (nvlist_lookup_nvlist(raw, name.c_str() + at + 1, &bookmark) != 0) {
    return make_error(ENOENT, name);
  }
  return property_number(bookmark, "guid");
}

Result<uint64_t> guid_of(const std::string& name) {
  if (name.find('#') != std::string::npos) return guid_of_bookmark(name);
  const Result<Nvlist> stats = stats_of(name);
  if (!stats) return stats.error();
  return property_number(stats->get(), "guid");
}

}  // namespace

Status KernelPool::hold(const std::string& snapshot, const std::string& tag) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  if (!lzc_exists(snapshot.c_str())) return make_error(ENOENT, "cannot hold " + snapshot);
  Nvlist holds(fnvlist_alloc());
  fnvlist_add_string(holds.get(), snapshot.c_str(), tag.c_str());
  nvlist* raw = nullptr;
  const int call = lzc_hold(holds.get(), -1, &raw);
  Nvlist errors(raw);
  const int error = own_error(first_error(errors.get(), call));
  if (error == EPERM) return not_allowed("hold " + snapshot, "hold", dataset_of(snapshot));
  return status_of(error, "cannot hold " + snapshot);
}

Status KernelPool::release(const std::string& snapshot, const std::string& tag) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  Nvlist holds(fnvlist_alloc()), tags(fnvlist_alloc());
  fnvlist_add_boolean(tags.get(), tag.c_str());
  fnvlist_add_nvlist(holds.get(), snapshot.c_str(), tags.get());
  nvlist* raw = nullptr;
  const int call = lzc_release(holds.get(), &raw);
  Nvlist errors(raw);
  const int error = own_error(first_error(errors.get(), call));
  const std::string what = "release the hold " + tag + " of " + snapshot;
  if (error == EPERM) return not_allowed(what, "release", dataset_of(snapshot));
  return status_of(error, "cannot " + what);
}

Status KernelPool::bookmark(const std::string& snapshot, const std::string& name) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (named) named = check_bookmark(name_, name);
  if (!named) return named;
  Nvlist list(fnvlist_alloc());
  fnvlist_add_string(list.get(), name.c_str(), snapshot.c_str());
  nvlist* raw = nullptr;
  const int call = lzc_bookmark(list.get(), &raw);
  Nvlist errors(raw);
  const int error = own_error(first_error(errors.get(), call));
  if (error == EPERM) {
    return not_allowed("make the bookmark " + name, "bookmark", dataset_of(snapshot));
  }
  return status_of(error, "cannot make the bookmark " + name);
}

Status KernelPool::load_key(const std::string& dataset, const Key32& key) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  if (key.size() != kKeyBytes) return bad_key_size();
  Key32 wrapping = key;
  const int error = own_error(lzc_load_key(dataset.c_str(), B_FALSE, wrapping.data(), kKeyBytes));
  if (error == EPERM) return not_allowed("load the key of " + dataset, "load-key", dataset);
  return error == 0 ? Status() : Status(key_error(error, dataset));
}

// A mounted dataset keeps its key.
Status KernelPool::unload_key(const std::string& dataset) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  if (has_open_files(dataset)) return make_error(EBUSY, "the key of '" + dataset + "'");
  const Status unmounted = unmount_all(dataset);
  if (!unmounted) return unmounted;
  const int error = own_error(lzc_unload_key(dataset.c_str()));
  if (error == EPERM) return not_allowed("unload the key of " + dataset, "load-key", dataset);
  return error == 0 ? Status() : Status(key_error(error, dataset));
}

Status KernelPool::change_key(const std::string& dataset, const Key32& key) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  if (key.size() != kKeyBytes) return bad_key_size();
  Key32 wrapping = key;
  Nvlist properties(fnvlist_alloc());
  add_key_properties(properties.get(), false);
  const int error =
      own_error(kz_change_key(dataset.c_str(), properties.get(), wrapping.data(), wrapping.size()));
  if (error == EPERM) {
    return not_allowed("change the key of " + dataset, "change-key,keyformat,keylocation", dataset);
  }
  return error == 0 ? Status() : Status(key_error(error, dataset));
}

Status KernelPool::send(const std::string& snapshot, const SendOptions& options, int fd) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  const Result<StreamPlan> plan = plan_stream(snapshot, options, guid_of);
  if (!plan) return plan.error();
  int flags = 0;
  if (plan->embedded) flags |= LZC_SEND_FLAG_EMBED_DATA;
  if (plan->large_blocks) flags |= LZC_SEND_FLAG_LARGE_BLOCK;
  if (plan->compressed) flags |= LZC_SEND_FLAG_COMPRESS;
  if (plan->raw) flags |= LZC_SEND_FLAG_RAW;
  const int error = own_error(
      lzc_send_resume(snapshot.c_str(), options.from.empty() ? nullptr : options.from.c_str(), fd,
                      static_cast<lzc_send_flags>(flags), plan->object, plan->offset));
  if (error == EPERM) {
    return not_allowed("send " + snapshot, plan->raw ? "send:raw" : "send", dataset_of(snapshot));
  }
  return status_of(error, "cannot send " + snapshot);
}

Status KernelPool::receive(const std::string& snapshot, const ReceiveOptions& options, int fd) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, snapshot, true);
  if (!named) return named;
  const std::string dataset = dataset_of(snapshot);
  if (has_open_files(dataset)) return make_error(EBUSY, "cannot receive " + snapshot);
  const int error = own_error(kz_receive(snapshot.c_str(), options.force, options.resumable, fd));
  if (error == EPERM) return not_allowed("receive " + snapshot, "receive,create,mount", dataset);
  if (error != 0) return receive_error(error, snapshot);
  (void)ensure_mounted(dataset);
  return {};
}

// A new dataset holds it itself, an old one in a hidden clone.
Status KernelPool::abort_receive(const std::string& dataset) {
  std::shared_lock lock(gate_);
  if (!usable()) return usable();
  Status named = check_name(name_, dataset, false);
  if (!named) return named;
  int error = own_error(lzc_destroy((dataset + "/%recv").c_str()));
  if (error == ENOENT) {
    const Result<Nvlist> stats = stats_of(dataset);
    if (!stats || !nvlist_exists(stats->get(), "receive_resume_token")) {
      return nothing_kept(dataset);
    }
    error = own_error(lzc_destroy(dataset.c_str()));
  }
  const std::string what = "drop what was received of " + dataset;
  if (error == EPERM) return not_allowed(what, "destroy,mount", dataset);
  return status_of(error, "cannot " + what);
}

}  // namespace ipfs_zfs::kernel
