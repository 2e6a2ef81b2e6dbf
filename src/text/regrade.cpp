#include "bt/text/regrade.h"

#include <iomanip>
#include <sstream>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/statistics.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"

namespace bt {
namespace {

std::vector<FilterGrade> grade_line(const Task& task, const Json& line, const std::string& where) {
  const std::string& completion = line.at("completion", where + ": completion").as_string(where + ": completion");
  const Json& gold = line.at("gold", where + ": gold");
  try {
    return task.grade(completion, gold.is_string() ? gold.as_string(where) : gold.dump());
  } catch (const Error& error) {
    Problem problem = error.problem();
    problem.where = str(where, ": ", problem.where);
    throw Error(error.code(), problem);
  }
}

void count(const std::vector<FilterGrade>& grades, RegradeSummary& summary) {
  if (summary.filters.empty()) {
    for (const FilterGrade& grade : grades) summary.filters.push_back({grade.filter});
  }
  for (size_t i = 0; i < grades.size(); ++i) {
    summary.filters[i].right += grades[i].score;
    summary.filters[i].undecided += grades[i].undecided;
  }
  ++summary.completions;
}

}  // namespace

Json graded_json(const std::vector<FilterGrade>& grades) {
  Json out = Json::object();
  for (const FilterGrade& grade : grades) {
    Json one = Json::object({{"extracted", grade.extracted}, {"score", grade.score}});
    if (grade.undecided) one.set("undecided", true);
    out.set(grade.filter, std::move(one));
  }
  return out;
}

RegradeSummary regrade_file(const Task& task, const std::string& input, const std::string& output) {
  std::vector<Json> lines = read_json_lines(input);
  RegradeSummary summary;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto grades = grade_line(task, lines[i], str(input, ": object ", i + 1));
    lines[i].set("graded", graded_json(grades));
    count(grades, summary);
  }
  write_file_atomically(output, dump_json_lines(lines));
  return summary;
}

std::string regrade_text(const Task& task, const RegradeSummary& summary) {
  std::ostringstream out;
  out << task.name << ": " << summary.completions << " completions, graded by " << task.grader << "\n" << std::fixed;
  for (const RegradeSummary::Filter& filter : summary.filters) {
    const Interval interval = wilson_interval(filter.right, summary.completions);
    const double share = static_cast<double>(filter.right) / static_cast<double>(summary.completions);
    out << "  " << std::left << std::setw(18) << filter.name << std::setprecision(2) << 100 * share << " %  ["
        << 100 * interval.low << ", " << 100 * interval.high << "]";
    if (filter.undecided > 0) out << "  " << filter.undecided << " undecided: they need computer algebra";
    out << "\n";
  }
  return out.str();
}

}  // namespace bt
