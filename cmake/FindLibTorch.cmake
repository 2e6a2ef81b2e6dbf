# FindLibTorch: imported targets LibTorch::cpu and (when present) LibTorch::cuda, straight from the files of a PyTorch
# wheel or an official libtorch zip. TorchConfig.cmake is not used: it insists on a CUDA toolkit.
# Root, first hit wins: -DLIBTORCH_ROOT, $BT_LIBTORCH, $LIBTORCH_ROOT; an entry of CMAKE_PREFIX_PATH (the zip, or
# torch.utils.cmake_prefix_path); the `torch` package of -DBT_PYTHON, of .venv beside the sources, of python3.
# Sets LibTorch_ROOT, LibTorch_VERSION.
set(_roots "${LIBTORCH_ROOT}" "$ENV{BT_LIBTORCH}" "$ENV{LIBTORCH_ROOT}")
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _roots "${_prefix}" "${_prefix}/../..")  # .../torch/share/cmake -> .../torch
endforeach()
file(GLOB _venv_roots "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
set(_pythons "${BT_PYTHON}")
if(NOT _venv_roots)
  list(APPEND _pythons python3)
endif()
foreach(_python IN LISTS _pythons)
  if(_python)
    execute_process(COMMAND "${_python}" -c  # looking up a top-level package does not import it
      "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE _out OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE _failed)
    if(NOT _failed AND _out)
      list(APPEND _roots "${_out}")
    endif()
  endif()
endforeach()
list(APPEND _roots ${_venv_roots})
list(REMOVE_ITEM _roots "")

find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h PATHS ${_roots} PATH_SUFFIXES include NO_DEFAULT_PATH)
set(LibTorch_VERSION "")
set(LibTorch_ROOT "")
if(LibTorch_INCLUDE_DIR)
  cmake_path(GET LibTorch_INCLUDE_DIR PARENT_PATH LibTorch_ROOT)
  foreach(_lib IN ITEMS c10 torch_cpu c10_cuda torch_cuda)
    find_library(LibTorch_${_lib}_LIBRARY ${_lib} PATHS "${LibTorch_ROOT}/lib" NO_DEFAULT_PATH)
  endforeach()
  if(EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
    file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
    string(REGEX REPLACE "[^0-9]+([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3" LibTorch_VERSION "${_lines}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY LibTorch_INCLUDE_DIR VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run tools/setup, or give -DLIBTORCH_ROOT=<a libtorch folder, or the torch folder of site-packages>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  foreach(_lib IN ITEMS c10 torch_cpu c10_cuda torch_cuda)
    if(LibTorch_${_lib}_LIBRARY)
      add_library(LibTorch::${_lib} SHARED IMPORTED)
      set_target_properties(LibTorch::${_lib} PROPERTIES
        IMPORTED_LOCATION "${LibTorch_${_lib}_LIBRARY}" IMPORTED_SONAME "lib${_lib}.so")
      target_include_directories(LibTorch::${_lib} SYSTEM INTERFACE
        "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
    endif()
  endforeach()
  find_package(Threads REQUIRED)
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_link_libraries(LibTorch::cpu INTERFACE LibTorch::torch_cpu LibTorch::c10 Threads::Threads)
  target_compile_definitions(LibTorch::cpu INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
  # at::parallel_for is compiled by its callers, and without OpenMP it runs on one thread. The runtime is LibTorch's own:
  # a second one would have a second pool of threads.
  file(GLOB _openmp "${LibTorch_ROOT}/lib/libgomp*.so*")
  if(_openmp)
    list(GET _openmp 0 _openmp)
    target_compile_options(LibTorch::cpu INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    target_link_libraries(LibTorch::cpu INTERFACE "${_openmp}")
  else()
    message(WARNING "no libgomp beside LibTorch: loops of bt's own will run on one thread")
  endif()
  if(LibTorch_torch_cuda_LIBRARY)  # registers its kernels by being loaded: --as-needed must not drop it
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    target_link_options(LibTorch::cuda INTERFACE "LINKER:--push-state,--no-as-needed"
      "${LibTorch_torch_cuda_LIBRARY}" "${LibTorch_c10_cuda_LIBRARY}" "LINKER:--pop-state")
    target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu)
    target_compile_definitions(LibTorch::cuda INTERFACE USE_C10D_NCCL)
  endif()
endif()
