#include <algorithm>
#include <filesystem>
#include <string_view>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/train/trainer.h"
#include "folders.h"

namespace bt {

namespace fs = std::filesystem;

namespace {

constexpr const char* kReplacedFolders[] = {"/checkpoints", "/final", "/best"};

}  // namespace

std::optional<std::string> find_resume_checkpoint(const std::string& resume, const std::string& run_folder) {
  if (resume == "none") return std::nullopt;
  if (resume == "auto") {
    const auto latest = find_latest_checkpoint(run_folder + "/checkpoints");
    return latest ? std::optional(latest->path) : std::nullopt;
  }
  if (fs::exists(resume + "/manifest.json")) {
    verify_checkpoint(resume);
    return resume;
  }
  if (const auto latest = find_latest_checkpoint(resume + "/checkpoints")) return latest->path;
  fail_bad_file({.what = "nothing to resume from",
                 .where = resume,
                 .expected = "a checkpoint (step_N) or the folder of a run with one",
                 .next_step = "use --resume auto to go on in run.out, or --resume none to start anew"});
}

void check_model_outside(const std::string& run_folder, const std::string& model_folder) {
  if (model_folder.empty()) return;
  const fs::path model = fs::weakly_canonical(model_folder);
  for (const char* name : kReplacedFolders) {
    const fs::path replaced = fs::weakly_canonical(run_folder + name);
    if (std::mismatch(replaced.begin(), replaced.end(), model.begin(), model.end()).first != replaced.end()) continue;
    fail_usage({.what = "the run would replace the model that it starts from",
                .where = "model.path",
                .found = model_folder,
                .next_step = "choose another run.out"});
  }
}

bool is_checkpoint_of(const std::string& run_folder, const std::string& checkpoint) {
  return fs::weakly_canonical(checkpoint).parent_path() == fs::weakly_canonical(run_folder + "/checkpoints");
}

void clear_run_folder(const std::string& run_folder, Replace replace) {
  for (const char* name : {"/checkpoints", "/final", "/best", "/metrics.jsonl"}) {
    const std::string left = run_folder + name;
    const bool is_result = name == std::string_view("/checkpoints") || name == std::string_view("/final");
    if (replace == Replace::anything || (replace == Replace::unfinished && !is_result)) continue;
    if (!fs::exists(left) || fs::is_empty(left)) continue;
    fail_usage({.what = "run.out holds another run",
                .where = left,
                .found = "no whole checkpoint of it that this command would go on from",
                .next_step = "choose another run.out, or replace what is there with --resume none"});
  }
  for (const char* name : kReplacedFolders) remove_folder(run_folder + name);
  make_folders(run_folder);
  if (replace == Replace::nothing) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(run_folder)) {  // TensorBoard would show both runs
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) fs::remove(entry.path());
  }
}

void remove_later_checkpoints(const std::string& run_folder, int64_t step) {
  for (const Checkpoint& checkpoint : list_checkpoints(run_folder + "/checkpoints")) {
    if (checkpoint.step > step) remove_folder(checkpoint.path);
  }
}

}  // namespace bt
