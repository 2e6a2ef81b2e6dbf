# Third-party libraries: the system's packages, LibTorch from .venv or a zip, SentencePiece built by tools/setup.
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PCRE2 REQUIRED)
find_package(Utf8proc REQUIRED)
find_package(SentencePiece REQUIRED)
find_package(yaml-cpp REQUIRED)
set(BT_YAML_CPP yaml-cpp::yaml-cpp)
if(NOT TARGET yaml-cpp::yaml-cpp)  # 0.7 and older
  set(BT_YAML_CPP yaml-cpp)
endif()

# Header only, so that nothing built here needs the shared spdlog and fmt of one distribution release.
add_library(bt_spdlog INTERFACE)
get_target_property(_spdlog_include spdlog::spdlog_header_only INTERFACE_INCLUDE_DIRECTORIES)
target_include_directories(bt_spdlog SYSTEM INTERFACE "${_spdlog_include}")
target_compile_definitions(bt_spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
target_link_libraries(bt_spdlog INTERFACE Threads::Threads)

if(BT_TORCH)
  find_package(LibTorch 2.11 REQUIRED)
endif()
if(BT_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
