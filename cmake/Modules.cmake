# A module `x` is include/bt/x, src/x and tests/x: target bt_x_module and, with BT_TESTS, the program x_tests.

# bt_existing(OUT items...): those items that are targets; a module without sources has none.
function(bt_existing out)
  set(found "")
  foreach(item IN LISTS ARGN)
    if(TARGET ${item})
      list(APPEND found ${item})
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# bt_module(NAME [USES other modules...] [LINK private libraries...]): a module that does not link LibTorch.
function(bt_module name)
  cmake_parse_arguments(arg "" "" "USES;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  if(NOT sources)
    return()
  endif()
  add_library(bt_${name}_module STATIC ${sources})
  list(TRANSFORM arg_USES REPLACE "(.+)" "bt_\\1_module")
  bt_existing(uses ${arg_USES})
  target_link_libraries(bt_${name}_module PUBLIC bt_settings ${uses} PRIVATE ${arg_LINK})
  set_property(GLOBAL APPEND PROPERTY BT_TORCH_FREE_MODULES ${name})
endfunction()

# bt_torch_module(NAME): a module on LibTorch, compiled against a precompiled header (src/torch_pch.h).
function(bt_torch_module name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  if(NOT sources)
    return()
  endif()
  add_library(bt_${name}_module STATIC ${sources})
  target_link_libraries(bt_${name}_module PUBLIC bt_settings LibTorch::cpu)
  bt_use_pch(bt_${name}_module src/torch_pch LibTorch::cpu)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")  # what LibTorch's headers cost a file, 2 s, is paid once for four
    set_target_properties(bt_${name}_module PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
  endif()
endfunction()

# bt_use_pch(TARGET PATH [libraries...]): compiles the target against the precompiled PATH.h, made once, with PATH.cpp as
# its owner. The target must be a library or object library, since all users of one header need -fPIC.
function(bt_use_pch target path)
  get_filename_component(name "${path}" NAME)
  if(NOT TARGET bt_${name})
    add_library(bt_${name} OBJECT "${PROJECT_SOURCE_DIR}/${path}.cpp")
    target_link_libraries(bt_${name} PRIVATE bt_settings ${ARGN})
    target_precompile_headers(bt_${name} PRIVATE "${PROJECT_SOURCE_DIR}/${path}.h")
    target_compile_options(bt_${name} PRIVATE -fpch-preprocess)
  endif()
  target_precompile_headers(${target} REUSE_FROM bt_${name})
  target_compile_options(${target} PRIVATE -fpch-preprocess)  # lets ccache cache users of the header
endfunction()

# bt_shared_library(NAME MODULES modules... [LINK public...] [PRIVATE_LINK private...]): lib<NAME>.so, the whole of the
# modules' objects, exported as bt::<NAME>.
function(bt_shared_library name)
  cmake_parse_arguments(arg "" "" "MODULES;LINK;PRIVATE_LINK" ${ARGN})
  list(TRANSFORM arg_MODULES REPLACE "(.+)" "bt_\\1_module")
  bt_existing(modules ${arg_MODULES})
  if(NOT modules)
    return()
  endif()
  list(TRANSFORM modules REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  add_library(${name} SHARED ${objects})
  add_library(bt::${name} ALIAS ${name})
  bt_existing(link ${arg_LINK})
  target_link_libraries(${name} PUBLIC ${link} PRIVATE ${arg_PRIVATE_LINK} "$<BUILD_INTERFACE:bt_settings>")
  target_include_directories(${name} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_compile_features(${name} PUBLIC cxx_std_20)
  if(NOT BT_SANITIZE)  # whose runtime belongs to the program
    target_link_options(${name} PRIVATE "LINKER:-z,defs")  # a missing definition fails here, not when a tool starts
  endif()
  target_link_options(${name} PRIVATE "LINKER:--exclude-libs,ALL"  # keeps SentencePiece's protobuf away from LibTorch's
    INTERFACE "LINKER:--no-as-needed")  # a library may be linked only for the operators and methods it registers
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  set_property(GLOBAL APPEND PROPERTY BT_SHARED_LIBRARIES ${name})
endfunction()

# bt_bundle(NAME LIBRARY): a copy of the shared third-party LIBRARY in bundled/ beside lib<NAME>.so, for a build that is
# carried to a machine without it (tools/gpu-check). Not on the run path: CMake would warn of a library in two places.
function(bt_bundle name library)
  get_target_property(type ${library} TYPE)
  if(TARGET ${name} AND type STREQUAL "SHARED_LIBRARY")
    add_custom_command(TARGET ${name} POST_BUILD COMMAND "${CMAKE_COMMAND}" -E copy_if_different
      "$<TARGET_FILE:${library}>" "$<TARGET_FILE_DIR:${name}>/bundled/$<TARGET_SONAME_FILE_NAME:${library}>")
  endif()
endfunction()

# bt_tests(MODULE): <module>_tests from tests/<module>/*_test.cpp. The first letters of a suite's name give its label:
# Full* (fuzzing and long fault tests, run by tools/check --full) and Gpu* (run by tools/gpu-check).
function(bt_tests name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${name}/*_test.cpp")
  if(NOT sources OR NOT TARGET bt_${name}_module)
    return()
  endif()
  add_library(${name}_test_objects OBJECT ${sources})
  target_include_directories(${name}_test_objects PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${name}_test_objects PRIVATE
    BT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" BT_BINARY_DIR="${PROJECT_BINARY_DIR}")
  get_property(torch_free GLOBAL PROPERTY BT_TORCH_FREE_MODULES)
  if(name IN_LIST torch_free)
    target_link_libraries(${name}_test_objects PUBLIC bt_settings bt_${name}_module GTest::gmock)
    bt_use_pch(${name}_test_objects tests/support/test_pch GTest::gmock)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # false positives in std::string's + once it is precompiled: GCC bug 105651
      target_compile_options(${name}_test_objects PRIVATE -Wno-array-bounds -Wno-stringop-overflow)
    endif()
  else()
    bt_existing(libraries bt bt_ops bt_base)
    target_link_libraries(${name}_test_objects PUBLIC bt_settings ${libraries} LibTorch::cpu GTest::gmock)
    bt_use_pch(${name}_test_objects src/torch_pch LibTorch::cpu)
  endif()
  add_executable(${name}_tests)
  target_link_libraries(${name}_tests PRIVATE ${name}_test_objects GTest::gmock_main)
  bt_discover(${name}_tests)
endfunction()

# bt_discover(PROGRAM): a test for every suite, listed when the program has been built.
function(bt_discover program)
  set(suites "${CMAKE_CURRENT_BINARY_DIR}/${program}_suites.cmake")
  add_custom_command(TARGET ${program} POST_BUILD BYPRODUCTS "${suites}" COMMAND "${CMAKE_COMMAND}"
    "-DPROGRAM=$<TARGET_FILE:${program}>" "-DOUT=${suites}" -P "${PROJECT_SOURCE_DIR}/cmake/ListSuites.cmake")
  set(tests "${CMAKE_CURRENT_BINARY_DIR}/${program}_tests.cmake")
  file(WRITE "${tests}" "if(EXISTS [=[${suites}]=])\n  include([=[${suites}]=])\nelse()\n"
    "  add_test(${program}_NOT_BUILT ${program}_NOT_BUILT)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${tests}")
endfunction()
