# libbt_ops_cuda.so: the kernels of kernels/*.cu (pointers and strides, no LibTorch) and their registration for CUDA,
# src/ops_cuda/*.cpp. Opened at run time, only where a CUDA device is used.
file(GLOB _kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*.cu")
file(GLOB_RECURSE _registrations CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/ops_cuda/*.cpp")
if(NOT _kernels)
  message(STATUS "kernels/ holds no CUDA kernel: nothing to compile for CUDA")
  return()
endif()

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)  # before enable_language, and not in the cache
  set(CMAKE_CUDA_ARCHITECTURES 90)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 does not know that nvcc >= 12 speaks C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)  # only now: earlier it breaks the compiler check of CMake 3.25.1
find_package(CUDAToolkit REQUIRED)

# Apart from the library, so that they can be compiled without all that it links.
add_library(bt_ops_cuda_objects OBJECT ${_kernels} ${_registrations})
target_link_libraries(bt_ops_cuda_objects PRIVATE bt_settings LibTorch::cpu)
target_include_directories(bt_ops_cuda_objects PRIVATE "${PROJECT_SOURCE_DIR}" "${CUDAToolkit_INCLUDE_DIRS}")
bt_use_pch(bt_ops_cuda_objects src/torch_pch LibTorch::cpu)

if(NOT TARGET LibTorch::cuda)
  message(STATUS "LibTorch in ${LibTorch_ROOT} has no CUDA part: the kernels compile, libbt_ops_cuda.so is not linked")
  return()
endif()
add_library(bt_ops_cuda SHARED $<TARGET_OBJECTS:bt_ops_cuda_objects>)
set_target_properties(bt_ops_cuda PROPERTIES LINKER_LANGUAGE CXX)
file(GLOB _cudart "${LibTorch_ROOT}/../nvidia/cu13/lib/libcudart.so.13" "${LibTorch_ROOT}/lib/libcudart*.so.13")
if(NOT _cudart)
  set(_cudart CUDA::cudart)
endif()
target_link_libraries(bt_ops_cuda PRIVATE bt_settings bt_ops LibTorch::cuda ${_cudart})  # LibTorch's own runtime
target_link_options(bt_ops_cuda PRIVATE "LINKER:-z,defs")  # a missing definition fails here, not on the GPU's machine
set_property(GLOBAL APPEND PROPERTY BT_SHARED_LIBRARIES bt_ops_cuda)
