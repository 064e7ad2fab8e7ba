{
  "targets": [
    {
      "target_name": "openzfs_face",
      "type": "static_library",
      "sources": [
        "native/zfs/embedded/apply.c",
        "native/zfs/embedded/buffers.c",
        "native/zfs/embedded/damage.c",
        "native/zfs/embedded/dataset.c",
        "native/zfs/embedded/file.c",
        "native/zfs/embedded/keys.c",
        "native/zfs/embedded/namespace.c",
        "native/zfs/embedded/pool.c",
        "native/zfs/embedded/properties.c",
        "native/zfs/embedded/read.c",
        "native/zfs/embedded/snapshot.c",
        "native/zfs/embedded/start.c",
        "native/zfs/embedded/stream.c",
        "native/zfs/embedded/taskq.c",
        "native/zfs/embedded/txg.c",
        "native/zfs/embedded/zpl.c",
        "native/zfs/kernel/ioctl.c",
        "native/zfs/property_text.c"
      ],
      "include_dirs": [
        "<(openzfs)/include/libzpool",
        "<(openzfs)/include/zfs",
        "<(openzfs)/include/libspl",
        "<(openzfs)/include/libspl-linux",
        "native"
      ],
      "defines": ["_GNU_SOURCE", "_LARGEFILE64_SOURCE"],
      "cflags": [
        "-O2",
        "-g1",
        "-fPIC",
        "-fvisibility=hidden",
        "-Wall",
        "-include <(openzfs)/zfs_config.h"
      ]
    },
    {
      "target_name": "engines",
      "type": "static_library",
      "sources": [
        "native/zfs/embedded/arena.cc",
        "native/zfs/embedded/dataset_files.cc",
        "native/zfs/embedded/engine.cc",
        "native/zfs/embedded/file_io.cc",
        "native/zfs/embedded/memory.cc",
        "native/zfs/embedded/pool_admin.cc",
        "native/zfs/engine.cc",
        "native/zfs/errors.cc",
        "native/zfs/import.cc",
        "native/zfs/kernel/engine.cc",
        "native/zfs/kernel/lists.cc",
        "native/zfs/kernel/mounted_files.cc",
        "native/zfs/kernel/mounts.cc",
        "native/zfs/kernel/permissions.cc",
        "native/zfs/kernel/pool.cc",
        "native/zfs/kernel/streams.cc",
        "native/zfs/labels.cc",
        "native/zfs/pool_lock.cc",
        "native/zfs/pool_status.cc",
        "native/zfs/vdev_tree.cc"
      ],
      "include_dirs": [
        "<(openzfs)/include/libzpool",
        "<(openzfs)/include/zfs",
        "<(openzfs)/include/libspl",
        "<(openzfs)/include/libspl-linux",
        "native"
      ],
      "defines": ["_GNU_SOURCE", "_LARGEFILE64_SOURCE"],
      "cflags": [
        "-O2",
        "-g1",
        "-fPIC",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-include <(openzfs)/zfs_config.h"
      ],
      "libraries": [
        "<(weakened)/libzpool.a",
        "<(openzfs)/lib/libzfs_core.a",
        "<(openzfs)/lib/libzutil.a",
        "<(openzfs)/lib/libnvpair.a",
        "<(openzfs)/lib/libicp.a",
        "<(openzfs)/lib/libzstd.a",
        "<(openzfs)/lib/libunicode.a",
        "<(openzfs)/lib/libavl.a",
        "<(openzfs)/lib/libtpool.a",
        "<(openzfs)/lib/libefi.a",
        "<(openzfs)/lib/libspl.a",
        "<(openzfs)/lib/libspl_assert.a",
        "-l:libz.a",
        "-luuid",
        "-lblkid",
        "-ltirpc",
        "-lm",
        "-lrt",
        "-lpthread"
      ]
    },
    {
      "target_name": "core",
      "type": "static_library",
      "sources": [
        "native/store/block_store.cc",
        "native/store/catalog.cc",
        "native/store/index/background.cc",
        "native/store/index/bulk_load.cc",
        "native/store/index/counts.cc",
        "native/store/index/cursor.cc",
        "native/store/index/filter.cc",
        "native/store/index/index.cc",
        "native/store/index/index_background.cc",
        "native/store/index/index_open.cc",
        "native/store/index/log.cc",
        "native/store/index/manifest.cc",
        "native/store/index/page_cache.cc",
        "native/store/index/run.cc",
        "native/store/index/run_lookup.cc",
        "native/store/index/run_writer.cc",
        "native/store/index/table.cc",
        "native/store/key.cc",
        "native/store/packs.cc",
        "native/store/put_group.cc",
        "native/store/sha256.cc",
        "native/store/shard.cc",
        "native/store/shard_check.cc",
        "native/store/shard_compact.cc",
        "native/store/shard_put.cc",
        "native/store/shard_read.cc",
        "native/store/shard_verify.cc",
        "native/store/slots.cc",
        "native/sqlite/file.cc",
        "native/sqlite/vfs.cc"
      ],
      "include_dirs": ["native"],
      "cflags": ["-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"],
      "libraries": ["-l:libcrypto.a"]
    },
    {
      "target_name": "ipfs_zfs",
      "type": "loadable_module",
      "dependencies": ["core", "engines", "openzfs_face"],
      "sources": [
        "native/addon/addon.cc",
        "native/addon/catalog_calls.cc",
        "native/addon/convert.cc",
        "native/addon/env.cc",
        "native/addon/handles.cc",
        "native/addon/pages.cc",
        "native/addon/pool_calls.cc",
        "native/addon/shared.cc",
        "native/addon/store_calls.cc",
        "native/addon/work.cc"
      ],
      "include_dirs": ["native"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags": ["-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"],
      "ldflags": [
        "-Wl,-Bsymbolic",
        "-Wl,--exclude-libs,ALL",
        "-Wl,--no-undefined-version",
        "-Wl,--version-script=<(module_root_dir)/native/addon/exports.map"
      ]
    }
  ]
}
