#include "folders.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

void check(const std::error_code& error, const char* what, const std::string& where) {
  if (!error) return;
  errno = error.value();
  fail_io({.what = what, .where = where});
}

}  // namespace

void remove_folder(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  check(error, "cannot remove a folder", folder);
}

void replace_folder(const std::string& made, const std::string& folder) {
  const bool exchanged = renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) == 0;
  if (!exchanged) {
    remove_folder(folder);
    std::error_code error;
    fs::rename(made, folder, error);
    check(error, "cannot rename a folder", made);
  }
  sync_folder(fs::absolute(folder).parent_path().string());
  if (exchanged) remove_folder(made);
}

}  // namespace bt
