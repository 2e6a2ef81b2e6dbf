// The lines that `bt-eval probe` reads and writes.
#include <array>
#include <cstdio>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/eval/probe.h"

namespace bt {
namespace {

std::optional<std::string> read_label(const Json& label, const std::string& where) {
  if (label.is_null()) return {};
  if (label.is_string()) return label.as_string(where);
  if (!label.is_array() && !label.is_object()) return label.dump();
  fail_bad_file({.what = "not a label", .where = where, .expected = "a text, a number, true, false or null"});
}

std::vector<std::optional<std::string>> read_labels(const Json& labels, const std::string& where) {
  if (!labels.is_array()) return {read_label(labels, where)};
  std::vector<std::optional<std::string>> out;
  for (const Json& label : labels.as_array(where)) out.push_back(read_label(label, str(where, "[", out.size(), "]")));
  return out;
}

}  // namespace

ProbeText read_probe_text(const InferenceModel& model, const Json& line, const std::string& where) {
  ProbeText text{.request = read_score_request(model, line, where)};
  const std::string at = where + ": labels";
  for (const auto& [name, labels] : line.at("labels", at).as_object(at))
    text.labels[name] = read_labels(labels, str(at, ".", name));
  return text;
}

Json probes_json(const InferenceModel& model, const ProbeOptions& options, const std::vector<Probe>& probes) {
  Json list = Json::array();
  for (const Probe& one : probes) {
    list.push_back(Json::object({{"layer", one.layer},
                                 {"label", one.label},
                                 {"row", one.row},
                                 {"calls", one.calls},
                                 {"classes", one.classes},
                                 {"most_common", one.most_common},
                                 {"before", one.before},
                                 {"after", one.after}}));
  }
  return Json::object({{"probes", std::move(list)},
                       {"rows", options.rows},
                       {"ridge", options.ridge},
                       {"model", model.path},
                       {"latent", model.latent_path},
                       {"method", std::string(model.method()->name())},
                       {"rewrite_control", model.rewrite_control},
                       {"dtype", model.dtype_name()},
                       {"device", model.device_name()}});
}

std::string probes_text(const std::vector<Probe>& probes) {
  std::string text = "layer label              row    calls classes  most common   before    after\n";
  for (const Probe& one : probes) {
    std::array<char, 160> line{};
    std::snprintf(line.data(), line.size(), "%5lld %-16s %8s %8lld %7lld %10.1f %% %6.1f %% %6.1f %%\n",
                  static_cast<long long>(one.layer), one.label.c_str(), one.row.c_str(),
                  static_cast<long long>(one.calls), static_cast<long long>(one.classes), 100 * one.most_common,
                  100 * one.before, 100 * one.after);
    text += line.data();
  }
  return text;
}

}  // namespace bt
