// Scores of one evaluation, read from its samples files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace bt {

struct SampleScore {
  double score = 0;
  std::string document_hash;  // "" where the file has none
};

using TaskFilter = std::pair<std::string, std::string>;                     // task, filter
using SampleScores = std::map<TaskFilter, std::map<int64_t, SampleScore>>;  // by document

// `path`: a folder of samples_<task>_<date>.jsonl, such a file, or a file with "graded" objects (task: its name). With
// a `task`, no other's file of a folder is opened.
SampleScores read_sample_scores(const std::string& path, const std::string& task);

}  // namespace bt
