// Checkpoints that survive a kill or a power cut: a folder `step_N` appears whole or not at all.
//
//   run/checkpoints/step_200/   state.json  processor.safetensors  optimizer.safetensors  manifest.json
//
// Files are written into step_N.tmp and synced; manifest.json with the size and CRC-32 of each comes last; then the
// folder is renamed to step_N and its parent synced. One process writes into a checkpoints folder at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

struct Checkpoint {
  int64_t step = 0;
  std::string path;  // <checkpoints folder>/step_N
};

// Writes one checkpoint. Destroyed without commit(), it removes what it wrote.
class CheckpointWriter {
 public:
  // Makes an empty `folder`/step_N.tmp (and `folder`); a leftover of an interrupted save is removed. expected_bytes:
  // size of all files together, checked against the free disk space before anything is written. ExitCode::io.
  CheckpointWriter(const std::string& folder, int64_t step, uint64_t expected_bytes);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Where to write a file of this checkpoint by other means; add_file() registers it afterwards. Plain names only.
  std::string file_path(std::string_view name) const;
  void add_file(std::string_view name);
  void add_bytes(std::string_view name, std::string_view bytes);  // writes and registers

  // Syncs every file, writes the manifest, renames the folder and syncs its parent; an older step_N is replaced. Reads
  // the registered files once, for their CRC-32. Returns the checkpoint; nothing may be added afterwards.
  Checkpoint commit();

 private:
  std::string folder_;
  std::string temporary_;
  int64_t step_;
  std::vector<std::string> names_;
  bool committed_ = false;
};

// The checkpoints of a folder by ascending step, by their names alone. Empty when there is no such folder.
std::vector<Checkpoint> list_checkpoints(const std::string& folder);

// Reads every file of the manifest and compares size and CRC-32. ExitCode::bad_file naming the file that differs.
void verify_checkpoint(const std::string& checkpoint);

// The newest checkpoint that verifies. Others are skipped with a warning that names them and says why.
std::optional<Checkpoint> find_latest_checkpoint(const std::string& folder);

struct CheckpointRetention {
  int64_t keep_last = 1;             // newest ones; at least 1
  int64_t keep_every = 0;            // and every step divisible by this; 0: none
  std::optional<int64_t> best_step;  // and this one
};

// Removes the other checkpoints and what interrupted saves left, provided that the newest checkpoint verifies (else
// removes nothing). A folder that cannot be removed is a warning, never an error. Returns what was removed.
std::vector<Checkpoint> purge_checkpoints(const std::string& folder, const CheckpointRetention& retention);

}  // namespace bt
