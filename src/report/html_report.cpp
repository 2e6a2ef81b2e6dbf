#include "bt/report/html_report.h"

#include <filesystem>

#include "bt/core/build_info.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "sections.h"
#include "style.h"

namespace bt {
namespace {

using namespace report;

// What all folders hold, each kind in the order given.
struct Contents {
  std::vector<TrainingRun> training;
  std::vector<EvaluationRun> evaluations;
  std::vector<Study> studies;
};

void check_folders(const std::vector<std::string>& folders) {
  if (folders.empty() || folders.size() > kMostReportedFolders) {
    fail_usage({.what = "cannot report on so many folders",
                .where = "RUN",
                .expected = str("1 to ", kMostReportedFolders),
                .found = str(folders.size())});
  }
  for (size_t i = 0; i < folders.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      std::error_code ignored;
      if (folders[i] != folders[j] && !std::filesystem::equivalent(folders[i], folders[j], ignored)) continue;
      fail_usage({.what = "a folder is given twice", .where = folders[i], .found = "also as " + folders[j]});
    }
  }
}

Contents read_all(const std::vector<std::string>& folders) {
  Contents contents;
  for (const std::string& path : folders) {
    const RunFolder folder = open_run_folder(path);
    if (folder.is_training) contents.training.push_back(read_training_run(folder));
    if (!folder.results.empty()) contents.evaluations.push_back(read_evaluation_run(folder));
    if (folder.is_study) contents.studies.push_back(read_study(path));
  }
  return contents;
}

template <class Run>
void make_names_distinct(std::vector<Run>& runs) {
  std::vector<std::string> names, folders;
  for (const Run& run : runs) {
    names.push_back(run.name);
    folders.push_back(run.folder);
  }
  names = distinct_names(names, folders);
  for (size_t i = 0; i < runs.size(); ++i) runs[i].name = names[i];
}

std::vector<Provenance> provenance_of(const Contents& contents) {
  std::vector<Provenance> out;
  for (const TrainingRun& run : contents.training) {
    out.push_back(run.provenance);
    out.back().name = run.name + ", training";
  }
  for (const EvaluationRun& run : contents.evaluations) {
    for (const Provenance& file : run.provenance) {
      out.push_back(file);
      out.back().name = run.name + ", evaluation";
    }
  }
  return out;
}

// No script and nothing from elsewhere may load, whatever the page came to hold.
constexpr const char* kHead =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
    "<title>bt: report</title>";

std::string page(const Markup& body) {
  const BuildInfo& build = build_info();
  Markup content = element("h1", text("Report"));
  content += element("p", {{"class", "soft"}}, text(str("Made by bt ", build.version, " (", build.git_hash, ").")));
  content += body;
  return str(kHead, element("style", {kStyle}).xml, "</head>", element("body", content).xml, "</html>\n");
}

}  // namespace

std::string html_report(const std::vector<std::string>& folders) {
  check_folders(folders);
  Contents contents = read_all(folders);
  make_names_distinct(contents.training);
  make_names_distinct(contents.evaluations);
  Markup body;
  for (const Study& study : contents.studies) body += study_section(study);
  body += training_section(contents.training);
  body += evaluation_section(contents.evaluations);
  body += provenance_section(provenance_of(contents));
  return page(body);
}

}  // namespace bt
