# Reads bindings.gyp, the addon's one list of sources, include paths, defines, options and
# libraries, and makes its targets. native/CMakeLists.txt builds the addon from it, and
# test/native/CMakeLists.txt the same code without Node.
#
#   bindings_target(<name>)   makes the target <name> of the list (its dependencies first)
#
# OPENZFS_PREFIX is a folder as scripts/openzfs.sh makes it.

set(module_root_dir "${CMAKE_CURRENT_LIST_DIR}/..")
cmake_path(NORMAL_PATH module_root_dir)
string(REGEX REPLACE "/$" "" module_root_dir "${module_root_dir}")

if(NOT OPENZFS_PREFIX)
  set(OPENZFS_PREFIX "$ENV{OPENZFS_PREFIX}")
endif()
set(OPENZFS_PREFIX "${OPENZFS_PREFIX}" CACHE PATH "OpenZFS, as scripts/openzfs.sh makes it")
if(NOT EXISTS "${OPENZFS_PREFIX}/lib/libzpool.a")
  message(FATAL_ERROR "OPENZFS_PREFIX ('${OPENZFS_PREFIX}') has no lib/libzpool.a: "
                      "run scripts/setup.sh, or set it to what scripts/openzfs.sh prints")
endif()
file(REAL_PATH "${OPENZFS_PREFIX}" openzfs)
set(weakened "${CMAKE_BINARY_DIR}")

# Which variant the library is decides how its headers must be read: ours takes its memory from our
# arena; OpenZFS as it comes asserts, and its structures are larger.
file(STRINGS "${openzfs}/lib/libzpool.a" arena_calls REGEX "ipfs_zfs_arena_alloc" LIMIT_COUNT 1)
if(arena_calls)
  set(openzfs_options "SHELL:-include ${module_root_dir}/native/zfs/embedded/umem.h")
else()
  set(openzfs_options -DDEBUG -UNDEBUG -DZFS_DEBUG)
endif()

file(READ "${module_root_dir}/bindings.gyp" bindings)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${module_root_dir}/bindings.gyp"
  "${module_root_dir}/native/zfs/embedded/weaken.txt"
  "${module_root_dir}/native/zfs/embedded/wrap.txt")

# One list of a target, its variables `<(name)` filled in.
function(bindings_list out target key)
  set(items)
  string(JSON count ERROR_VARIABLE missing LENGTH "${target}" "${key}")
  if(missing STREQUAL "NOTFOUND" AND count GREATER 0)
    math(EXPR last "${count} - 1")
    foreach(i RANGE ${last})
      string(JSON item GET "${target}" "${key}" ${i})
      foreach(variable openzfs weakened module_root_dir)
        string(REPLACE "<(${variable})" "${${variable}}" item "${item}")
      endforeach()
      list(APPEND items "${item}")
    endforeach()
  endif()
  set(${out} "${items}" PARENT_SCOPE)
endfunction()

# A file that is not in the list would be left out quietly: say so.
file(GLOB_RECURSE found RELATIVE "${module_root_dir}" CONFIGURE_DEPENDS
  "${module_root_dir}/native/*.c" "${module_root_dir}/native/*.cc")
list(FILTER found EXCLUDE REGEX "^native/build/")
foreach(source IN LISTS found)
  string(FIND "${bindings}" "\"${source}\"" at)
  if(at EQUAL -1)
    message(SEND_ERROR "${source} is not in bindings.gyp")
  endif()
endforeach()

# OpenZFS's library with the functions made weak that we bring ourselves, and its copies of
# OpenSSL's assembler under names of their own.
set(also_in_libcrypto aesni_gcm_decrypt aesni_gcm_encrypt gcm_ghash_avx gcm_gmult_avx
    gcm_gmult_clmul)
function(weaken_libzpool)
  set(list "${module_root_dir}/native/zfs/embedded/weaken.txt")
  list(TRANSFORM also_in_libcrypto REPLACE "(.+)" "--redefine-sym=\\1=zfs_\\1" OUTPUT_VARIABLE renames)
  add_custom_command(
    OUTPUT "${weakened}/libzpool.a"
    COMMAND "${CMAKE_OBJCOPY}" "--weaken-symbols=${list}" ${renames}
            "${openzfs}/lib/libzpool.a" "${weakened}/libzpool.a"
    DEPENDS "${openzfs}/lib/libzpool.a" "${list}"
    VERBATIM)
  add_custom_target(weakened_libzpool DEPENDS "${weakened}/libzpool.a")
endfunction()

function(bindings_target name)
  if(TARGET ${name})
    return()
  endif()
  string(JSON count LENGTH "${bindings}" targets)
  math(EXPR last "${count} - 1")
  foreach(i RANGE ${last})
    string(JSON candidate GET "${bindings}" targets ${i} target_name)
    if(candidate STREQUAL name)
      string(JSON target GET "${bindings}" targets ${i})
    endif()
  endforeach()
  if(NOT DEFINED target)
    message(FATAL_ERROR "bindings.gyp has no target ${name}")
  endif()

  # Objects, not archives: what registers itself by a constructor must not be dropped.
  string(JSON type GET "${target}" type)
  if(type STREQUAL "loadable_module")
    add_library(${name} MODULE)
    set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".node")
  else()
    add_library(${name} OBJECT)
  endif()
  bindings_list(sources "${target}" sources)
  list(TRANSFORM sources PREPEND "${module_root_dir}/")
  target_sources(${name} PRIVATE ${sources})

  bindings_list(dependencies "${target}" dependencies)
  foreach(dependency IN LISTS dependencies)
    bindings_target(${dependency})
    if(type STREQUAL "loadable_module")
      target_link_libraries(${name} PRIVATE ${dependency})
    endif()
  endforeach()

  bindings_list(include_dirs "${target}" include_dirs)
  foreach(folder IN LISTS include_dirs)
    cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY "${module_root_dir}")
    string(FIND "${folder}" "${openzfs}" at)
    if(at EQUAL 0)
      target_include_directories(${name} SYSTEM PRIVATE "${folder}")
    else()
      target_include_directories(${name} PRIVATE "${folder}")
    endif()
  endforeach()
  bindings_list(defines "${target}" defines)
  target_compile_definitions(${name} PRIVATE ${defines})
  bindings_list(cflags "${target}" cflags)
  list(TRANSFORM cflags PREPEND "SHELL:") # one item may be two words, as in "-include file"
  target_compile_options(${name} PRIVATE ${cflags})
  bindings_list(ldflags "${target}" ldflags)
  target_link_options(${name} PRIVATE ${ldflags})
  bindings_list(libraries "${target}" libraries)
  target_link_libraries(${name} PUBLIC ${libraries})

  if("${include_dirs}" MATCHES "libzpool")
    target_compile_options(${name} PRIVATE ${openzfs_options})
  endif()
  if("${libraries}" MATCHES "libzpool")
    weaken_libzpool()
    add_dependencies(${name} weakened_libzpool)
    file(STRINGS "${module_root_dir}/native/zfs/embedded/wrap.txt" wrapped)
    list(TRANSFORM wrapped PREPEND "-Wl,--wrap=")
    target_link_options(${name} INTERFACE ${wrapped})
  endif()
endfunction()
