#include <fcntl.h>
#include <stdio.h>  // renameat2

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/format/disk_space.h"
#include "checkpoint_manifest.h"
#include "file_descriptor.h"
#include "file_name.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSpaceMargin = uint64_t{1} << 20;  // manifest, directory entries, rounding to blocks

void make_empty_folder(const std::string& path) {
  std::error_code failure;
  fs::remove_all(path, failure);
  if (!failure) fs::create_directories(path, failure);
  if (failure) {
    errno = failure.value();
    fail_io({.what = "cannot make the checkpoint folder", .where = path});
  }
}

void rename_or_fail(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_io({.what = "cannot rename checkpoint to", .where = to});
}

// Puts the finished `temporary` in the place of an older checkpoint `final_path`, and removes that.
void replace_folder(const std::string& temporary, const std::string& final_path) {
  // Exchanging the two names is one step; where the file system cannot, two renames leave a short gap without either.
  std::string old = temporary;
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) != 0) {
    old = final_path + ".old.tmp";
    make_empty_folder(old);
    rename_or_fail(final_path, old);
    rename_or_fail(temporary, final_path);
  }
  std::error_code ignored;  // purge_checkpoints() tries again
  fs::remove_all(old, ignored);
}

}  // namespace

CheckpointWriter::CheckpointWriter(const std::string& folder, int64_t step, uint64_t expected_bytes)
    : folder_(folder), temporary_((fs::path(folder) / str("step_", step, ".tmp")).string()), step_(step) {
  BT_ASSERT(step >= 0);
  make_empty_folder(temporary_);
  try {
    check_free_space(temporary_, checked_add(expected_bytes, kSpaceMargin, "checkpoint size"));
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary_, ignored);
    throw;
  }
}

CheckpointWriter::~CheckpointWriter() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

std::string CheckpointWriter::file_path(std::string_view name) const {
  BT_ASSERT(is_plain_file_name(name) && name != kManifestName);
  return (fs::path(temporary_) / name).string();
}

void CheckpointWriter::add_file(std::string_view name) {
  BT_ASSERT(!committed_ && std::find(names_.begin(), names_.end(), name) == names_.end());
  BT_ASSERT(fs::is_regular_file(file_path(name)));
  names_.emplace_back(name);
}

void CheckpointWriter::add_bytes(std::string_view name, std::string_view bytes) {
  FileDescriptor file = FileDescriptor::create(file_path(name));
  file.write(bytes);
  file.close();
  add_file(name);
}

Checkpoint CheckpointWriter::commit() {
  BT_ASSERT(!committed_);
  CheckpointManifest manifest{step_, {}};
  for (const std::string& name : names_) {
    sync_file(file_path(name));
    manifest.files.push_back(measure_file(file_path(name), name));
  }
  FileDescriptor file = FileDescriptor::create((fs::path(temporary_) / kManifestName).string());
  file.write(manifest_text(manifest));
  file.sync();
  file.close();
  sync_folder(temporary_);

  const Checkpoint checkpoint{step_, (fs::path(folder_) / str("step_", step_)).string()};
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(checkpoint.path, ignored))) {
    replace_folder(temporary_, checkpoint.path);
  } else {
    rename_or_fail(temporary_, checkpoint.path);
  }
  committed_ = true;
  sync_folder(folder_);
  return checkpoint;
}

}  // namespace bt
