# FindLibTorch: imported targets LibTorch::cpu and (when present) LibTorch::cuda, straight from the files of a
# PyTorch wheel or an official libtorch zip.  Bypasses TorchConfig.cmake, which insists on a CUDA toolkit.
# Root, first hit wins: -DLIBTORCH_ROOT / $LIBTORCH_ROOT ; a CMAKE_PREFIX_PATH entry (libtorch zip, or
# torch.utils.cmake_prefix_path) ; the 'torch' package of -DBT_PYTHON / ${CMAKE_SOURCE_DIR}/.venv / python3.
set(_roots "${LIBTORCH_ROOT}" "$ENV{LIBTORCH_ROOT}")
foreach(_p IN LISTS CMAKE_PREFIX_PATH)
  cmake_path(NORMAL_PATH _p)
  list(APPEND _roots "${_p}" "${_p}/../..")        # .../torch/share/cmake -> .../torch
endforeach()
foreach(_py IN ITEMS "${BT_PYTHON}" "${CMAKE_SOURCE_DIR}/.venv/bin/python3" python3)
  if(NOT _py STREQUAL "")
    execute_process(COMMAND "${_py}" -c  # find_spec of a top-level name does not import it (no CUDA, ~50 ms)
      "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE _out OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE _rc)
    if(_rc EQUAL 0 AND _out)
      list(APPEND _roots "${_out}")
    endif()
  endif()
endforeach()
list(REMOVE_ITEM _roots "")
find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h PATHS ${_roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
cmake_path(GET LibTorch_INCLUDE_DIR PARENT_PATH LibTorch_ROOT)
foreach(_l IN ITEMS c10 torch_cpu c10_cuda torch_cuda torch_python)
  find_library(LibTorch_${_l}_LIBRARY ${_l} PATHS "${LibTorch_ROOT}/lib" NO_DEFAULT_PATH)
endforeach()
if(EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" _v REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
  string(REGEX REPLACE "[^0-9]+([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3" LibTorch_VERSION "${_v}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY
  LibTorch_INCLUDE_DIR VERSION_VAR LibTorch_VERSION)
if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  foreach(_l IN ITEMS c10 torch_cpu c10_cuda torch_cuda)
    if(LibTorch_${_l}_LIBRARY)
      add_library(LibTorch::${_l} SHARED IMPORTED)
      set_target_properties(LibTorch::${_l} PROPERTIES IMPORTED_LOCATION "${LibTorch_${_l}_LIBRARY}"
        IMPORTED_SONAME "lib${_l}.so")
      target_include_directories(LibTorch::${_l} SYSTEM INTERFACE "${LibTorch_INCLUDE_DIR}"
        "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
    endif()
  endforeach()
  find_package(Threads REQUIRED)
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_link_libraries(LibTorch::cpu INTERFACE LibTorch::torch_cpu LibTorch::c10 Threads::Threads)
  target_compile_definitions(LibTorch::cpu INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
  if(LibTorch_torch_cuda_LIBRARY)  # registers the CUDA kernels by being loaded: must not be dropped by --as-needed
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    target_link_options(LibTorch::cuda INTERFACE "LINKER:--push-state,--no-as-needed"
      "${LibTorch_torch_cuda_LIBRARY}" "${LibTorch_c10_cuda_LIBRARY}" "LINKER:--pop-state")
    target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu)
    target_compile_definitions(LibTorch::cuda INTERFACE USE_C10D_NCCL)
  endif()
endif()
