# C++20, warnings as errors in our own code, position-independent everywhere, ccache and mold where present.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # of objects too: one precompiled header serves libraries and tests
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)     # a changed .so does not relink those that use it
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_BUILD_RPATH "$ORIGIN" "$ORIGIN/../lib")
set(CMAKE_INSTALL_RPATH "$ORIGIN" "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

add_library(bt_settings INTERFACE)
target_include_directories(bt_settings INTERFACE "${PROJECT_SOURCE_DIR}/include")
set(_warnings -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(BT_WERROR)
  list(APPEND _warnings -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # false positives: GCC bugs 105651 (restrict), 107488 (dangling-reference)
  list(APPEND _warnings -Wno-restrict)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    list(APPEND _warnings -Wno-dangling-reference)
  endif()
endif()
target_compile_options(bt_settings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${_warnings}>")

if(BT_SANITIZE)
  target_compile_options(bt_settings INTERFACE -fsanitize=${BT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(bt_settings INTERFACE -fsanitize=${BT_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # With both sanitizers its value ranges take a loop's offset for a pointer, so that attend_to_cache in
    # kernels/segment_attention.cu reads sight[1] for sight[0]: -fdump-tree-vrp2-details of GCC 12.2.
    target_compile_options(bt_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-tree-vrp>)
  endif()
endif()

find_program(BT_CCACHE ccache)
if(BT_CCACHE)  # the settings are what ccache needs to cache users of a precompiled header, from any build folder
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    "CCACHE_BASEDIR=${PROJECT_BINARY_DIR}" CCACHE_NOHASHDIR=1 "${BT_CCACHE}")
endif()
find_program(BT_MOLD mold)
if(BT_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
