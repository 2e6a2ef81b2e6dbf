# What was built from what (bt/core/build_info.h). The git hash is looked up at every build.
function(bt_add_build_info target)
  set(dir "${PROJECT_BINARY_DIR}/build_info")
  add_custom_target(bt_git_hash BYPRODUCTS "${dir}/git_hash.h"
    COMMAND "${CMAKE_COMMAND}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" "-DOUT=${dir}/git_hash.h"
      -P "${PROJECT_SOURCE_DIR}/cmake/GitHash.cmake"
    COMMENT "Looking up the git hash" VERBATIM)
  file(CONFIGURE OUTPUT "${dir}/settings.h" CONTENT "#pragma once
#define BT_VERSION \"@PROJECT_VERSION@\"
#define BT_LIBTORCH_VERSION \"@LibTorch_VERSION@\"
#define BT_LIBTORCH_ROOT \"@LibTorch_ROOT@\"
#define BT_COMPILER \"@CMAKE_CXX_COMPILER_ID@ @CMAKE_CXX_COMPILER_VERSION@\"
#define BT_BUILD_TYPE \"@CMAKE_BUILD_TYPE@\"
" @ONLY)
  target_include_directories(${target} PRIVATE "${dir}")
  add_dependencies(${target} bt_git_hash)
endfunction()
