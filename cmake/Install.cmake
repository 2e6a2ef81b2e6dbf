# cmake --install: bin/ (programs), lib/ (libraries and the yaml-cpp they need), include/bt, and lib/cmake/bt for
# find_package(bt). What is installed may be moved; it finds LibTorch as the build did (tools/launcher.h).
include(CMakePackageConfigHelpers)
get_property(_libraries GLOBAL PROPERTY BT_SHARED_LIBRARIES)
get_property(_programs GLOBAL PROPERTY BT_PROGRAMS)
if(NOT _libraries)
  return()
endif()
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/bt")

install(TARGETS ${_libraries} EXPORT btTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT bt)
install(TARGETS ${_programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT bt)
install(IMPORTED_RUNTIME_ARTIFACTS ${BT_YAML_CPP} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT bt)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/bt" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT bt)
install(EXPORT btTargets NAMESPACE bt:: DESTINATION "${_package}" COMPONENT bt)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/btConfig.cmake.in" "${PROJECT_BINARY_DIR}/btConfig.cmake"
  INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/btConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/btConfig.cmake" "${PROJECT_BINARY_DIR}/btConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindLibTorch.cmake" DESTINATION "${_package}" COMPONENT bt)
