#include "bt/format/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "checkpoint_manifest.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

// N of "step_N", written without leading zeros.
std::optional<int64_t> step_of(std::string_view name) {
  constexpr std::string_view kPrefix = "step_";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  if (digits.empty() || digits[0] < '0' || digits[0] > '9' || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  int64_t step = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return step;
}

// What an interrupted save, replacement or removal leaves: step_N.tmp, step_N.old.tmp.
bool is_leftover(std::string_view name) {
  if (!name.ends_with(".tmp")) return false;
  name.remove_suffix(4);
  if (name.ends_with(".old")) name.remove_suffix(4);
  return step_of(name).has_value();
}

std::vector<fs::path> folders_in(const std::string& folder) {
  std::vector<fs::path> folders;
  std::error_code failure;
  fs::directory_iterator entries(folder, failure);
  if (failure == std::errc::no_such_file_or_directory) return folders;
  if (failure) {
    errno = failure.value();
    fail_io({.what = "cannot list the checkpoints folder", .where = folder});
  }
  for (const fs::directory_entry& entry : entries) {
    if (entry.is_directory(failure)) folders.push_back(entry.path());
  }
  return folders;
}

bool remove_folder(const fs::path& path) {
  std::error_code failure;
  fs::remove_all(path, failure);
  if (failure) log::warning(str("cannot remove ", path.string(), ": ", failure.message()));
  return !failure;
}

// The name goes first, so that a kill in between never leaves half a checkpoint under a checkpoint's name.
bool remove_checkpoint(const Checkpoint& checkpoint) {
  const fs::path doomed = checkpoint.path + ".old.tmp";
  std::error_code failure;
  fs::rename(checkpoint.path, doomed, failure);
  if (failure) {
    log::warning(str("cannot remove ", checkpoint.path, ": ", failure.message()));
    return false;
  }
  remove_folder(doomed);
  return true;
}

bool verifies(const Checkpoint& checkpoint) {
  try {
    verify_checkpoint(checkpoint.path);
    return true;
  } catch (const Error& error) {
    log::warning(str("skipping checkpoint ", checkpoint.path, ": ", error.what()));
    return false;
  }
}

}  // namespace

std::vector<Checkpoint> list_checkpoints(const std::string& folder) {
  std::vector<Checkpoint> checkpoints;
  for (const fs::path& path : folders_in(folder)) {
    if (const auto step = step_of(path.filename().string())) checkpoints.push_back({*step, path.string()});
  }
  std::sort(checkpoints.begin(), checkpoints.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.step < b.step; });
  return checkpoints;
}

void verify_checkpoint(const std::string& checkpoint) {
  const CheckpointManifest manifest = read_manifest(checkpoint);
  const std::string folder_name = fs::path(checkpoint).filename().string();
  if (const auto step = step_of(folder_name); step && *step != manifest.step) {
    fail_bad_file({.what = "manifest is of another step",
                   .where = checkpoint,
                   .expected = str(*step),
                   .found = str(manifest.step)});
  }
  for (const ManifestFile& expected : manifest.files) {
    const std::string path = (fs::path(checkpoint) / expected.name).string();
    const ManifestFile found = measure_file(path, expected.name);
    if (found.bytes != expected.bytes || found.crc32 != expected.crc32) {
      fail_bad_file({.what = "checkpoint file is damaged",
                     .where = path,
                     .expected = str(expected.bytes, " bytes with CRC-32 ", expected.crc32),
                     .found = str(found.bytes, " bytes with CRC-32 ", found.crc32),
                     .next_step = "resume from another one"});
    }
  }
}

std::optional<Checkpoint> find_latest_checkpoint(const std::string& folder) {
  const std::vector<Checkpoint> checkpoints = list_checkpoints(folder);
  for (auto it = checkpoints.rbegin(); it != checkpoints.rend(); ++it) {
    if (verifies(*it)) return *it;
  }
  return std::nullopt;
}

std::vector<Checkpoint> purge_checkpoints(const std::string& folder, const CheckpointRetention& retention) {
  BT_ASSERT(retention.keep_last >= 1 && retention.keep_every >= 0);
  const std::vector<Checkpoint> checkpoints = list_checkpoints(folder);
  std::vector<Checkpoint> removed;
  if (checkpoints.empty() || !verifies(checkpoints.back())) return removed;
  for (const fs::path& path : folders_in(folder)) {
    if (is_leftover(path.filename().string())) remove_folder(path);
  }
  const size_t newest = std::min(checkpoints.size(), static_cast<size_t>(retention.keep_last));
  for (size_t i = 0; i + newest < checkpoints.size(); ++i) {
    const Checkpoint& checkpoint = checkpoints[i];
    const bool milestone = retention.keep_every > 0 && checkpoint.step % retention.keep_every == 0;
    if (milestone || checkpoint.step == retention.best_step) continue;
    if (remove_checkpoint(checkpoint)) removed.push_back(checkpoint);
  }
  return removed;
}

}  // namespace bt
