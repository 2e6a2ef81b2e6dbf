#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/train/trainer.h"
#include "folders.h"

namespace bt {

namespace fs = std::filesystem;

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

void clear_run_folder(const std::string& run_folder, bool may_replace) {
  for (const char* name : {"/checkpoints", "/final"}) {
    const std::string left = run_folder + name;
    if (may_replace || !fs::exists(left) || fs::is_empty(left)) continue;
    fail_usage({.what = "run.out holds another run, and no checkpoint of it is whole",
                .where = left,
                .next_step = "choose another run.out, or replace what is there with --resume none"});
  }
  for (const char* name : {"/checkpoints", "/final", "/best"}) remove_folder(run_folder + name);
  make_folder(run_folder);
}

void remove_later_checkpoints(const std::string& run_folder, int64_t step) {
  for (const Checkpoint& checkpoint : list_checkpoints(run_folder + "/checkpoints")) {
    if (checkpoint.step > step) remove_folder(checkpoint.path);
  }
}

}  // namespace bt
