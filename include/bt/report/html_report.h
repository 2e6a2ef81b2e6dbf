// One self-contained HTML page about runs: curves, tables, heat maps and intervals, without scripts or links.
#pragma once

#include <string>
#include <vector>

namespace bt {

// Most folders of one page: that many lines are told apart by colour and dashes.
inline constexpr size_t kMostReportedFolders = 28;

// Each of `folders` is what bt-train wrote (config.resolved.yaml, metrics.jsonl), what bt-eval wrote (results_*.json,
// and samples_*.jsonl for comparisons), or holds a study.json; one that is several of these counts as each. The page is
// HTML that an XML parser reads as well; its size is bounded whatever the files hold. ExitCode::usage for too many
// folders or one given twice, ExitCode::bad_file for any other folder or a malformed file.
std::string html_report(const std::vector<std::string>& folders);

}  // namespace bt
