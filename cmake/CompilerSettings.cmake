# C++20, warnings as errors in our own code, position-independent everywhere, ccache and mold where present.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(bt_settings INTERFACE)
target_compile_options(bt_settings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Werror>)
target_include_directories(bt_settings INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>")

if(BT_SANITIZE)
  target_compile_options(bt_settings INTERFACE -fsanitize=${BT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(bt_settings INTERFACE -fsanitize=${BT_SANITIZE})
endif()

find_program(BT_CCACHE ccache)
if(BT_CCACHE)  # the sloppiness is what ccache needs to cache users of a precompiled header
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${BT_CCACHE}")
endif()
find_program(BT_MOLD mold)
if(BT_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
