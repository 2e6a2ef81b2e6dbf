#include "study.h"

#include <cmath>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "run_folder.h"

namespace bt::report {
namespace {

constexpr uint64_t kMostBytes = uint64_t{16} << 20;
constexpr size_t kMostRows = 1024, kMostSeeds = 256;

// Optional members of one object of the file. `place`: what goes before a key in errors, "study.json: rows[0].".
struct Members {
  const Json& object;
  std::string place;

  std::string at(const char* key) const { return place + key; }
  const Json* find(const char* key) const {
    const Json* value = object.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    return value == nullptr ? "" : value->as_string(at(key));
  }
  std::string required_text(const char* key) const { return object.at(key, at(key)).as_string(at(key)); }
  double number(const char* key) const { return number_or_nan(find(key), at(key)); }
  std::vector<double> numbers(const char* key) const {
    std::vector<double> out;
    for (const Json& item : items(key, kMostSeeds)) out.push_back(number_or_nan(&item, at(key)));
    return out;
  }
  std::vector<int64_t> integers(const char* key) const {
    std::vector<int64_t> out;
    for (const Json& item : items(key, kMostSeeds)) out.push_back(item.as_int(at(key)));
    return out;
  }
  const Json::Array& items(const char* key, size_t most) const {
    static const Json::Array none;
    const Json* value = find(key);
    if (value == nullptr) return none;
    const Json::Array& found = value->as_array(at(key));
    if (found.size() > most) fail_too_many(at(key), "entries", most, found.size());
    return found;
  }
};

StudyRow read_row(const Members& row) {
  return {.arm = row.required_text("arm"),
          .weights = row.text("weights"),
          .split = row.text("split"),
          .task = row.text("task"),
          .filter = row.text("filter"),
          .accuracy = row.numbers("accuracy"),
          .validation_loss = row.numbers("validation_loss"),
          .train_loss = row.numbers("train_loss"),
          .flops = row.numbers("flops"),
          .training_s = row.numbers("training_s"),
          .steps = row.numbers("steps"),
          .trained_parameters = row.number("trained_parameters"),
          .inference_parameters = row.number("inference_parameters"),
          .failed = row.integers("failed")};
}

std::optional<Interval> read_interval(const Members& contrast) {
  const std::vector<double> ends = contrast.numbers("interval");
  if (ends.empty()) return std::nullopt;
  if (ends.size() != 2 || ends[0] > ends[1]) {
    fail_bad_file({.what = "an interval is no pair of ends",
                   .where = contrast.at("interval"),
                   .expected = "[lower, upper] or null",
                   .found = quoted_excerpt(contrast.find("interval")->dump())});
  }
  if (std::isnan(ends[0]) || std::isnan(ends[1])) return std::nullopt;
  return Interval{ends[0], ends[1]};
}

// A text, or {"task", "filter"}.
std::string read_outcome(const Members& contrast) {
  const Json* outcome = contrast.find("outcome");
  if (outcome == nullptr) return "";
  if (outcome->is_string()) return outcome->as_string("");
  outcome->as_object(contrast.at("outcome"));  // throws where it is none
  const Members of{*outcome, contrast.at("outcome") + "."};
  return named({of.text("task"), of.text("filter")});
}

StudyContrast read_contrast(const Members& contrast) {
  const Json* primary = contrast.find("primary");
  return {.a = contrast.required_text("a"),
          .b = contrast.required_text("b"),
          .outcome = read_outcome(contrast),
          .split = contrast.text("split"),
          .difference = contrast.number("difference"),
          .p = contrast.number("p"),
          .p_holm = contrast.number("p_holm"),
          .interval = read_interval(contrast),
          .is_primary = primary != nullptr && primary->as_bool(contrast.at("primary")),
          .per_seed = contrast.numbers("per_seed")};
}

// Every object of the list `key` of the file, read by `read`.
template <class Read>
auto read_list(const Members& file, const char* key, Read read) {
  std::vector<decltype(read(file))> out;
  for (const Json& item : file.items(key, kMostRows)) {
    const std::string place = str(file.at(key), "[", out.size(), "]");
    item.as_object(place);
    out.push_back(read(Members{item, place + "."}));
  }
  return out;
}

}  // namespace

std::string named(const std::vector<std::string>& parts) {
  std::vector<std::string> known;
  for (const std::string& part : parts) {
    if (!part.empty()) known.push_back(part);
  }
  return join(known, ", ");
}

Study parse_study(const Json& json, const std::string& source) {
  json.as_object(source);
  const Members file{json, source + ": "};
  Study study;
  json.at("rows", file.at("rows"));  // throws where it is missing: another kind of file
  study.seeds = file.integers("seeds");
  study.unfinished_seeds = file.integers("unfinished_seeds");
  if (const Json* protocol = file.find("protocol")) study.protocol = protocol->dump(2);
  study.rows = read_list(file, "rows", read_row);
  study.contrasts = read_list(file, "contrasts", read_contrast);
  return study;
}

Study read_study(const std::string& folder) {
  const std::string path = folder + "/study.json";
  Study study = parse_study(Json::parse_file(path, kMostBytes), path);
  study.folder = folder;
  return study;
}

}  // namespace bt::report
