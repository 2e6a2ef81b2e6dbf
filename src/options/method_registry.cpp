#include <map>
#include <stdexcept>

#include "bt/core/strings.h"
#include "bt/options/method_options.h"

namespace bt {
namespace {

struct Schema {
  std::string summary;
  MakeMethodOptions make = nullptr;
};

template <class MethodOptionsType>
std::unique_ptr<Options> make_options() {
  return std::make_unique<MethodOptionsType>();
}

std::map<std::string, Schema, std::less<>> built_in_schemas() {
  return {
#define BT_METHOD(name, options, summary) {#name, {summary, &make_options<options>}},
#include "bt/options/methods.inc"
#undef BT_METHOD
  };
}

std::map<std::string, Schema, std::less<>>& schemas() {
  static auto all = built_in_schemas();
  return all;
}

}  // namespace

void register_method_options(std::string_view name, std::string_view summary, MakeMethodOptions make) {
  const bool is_new = schemas().try_emplace(std::string(name), Schema{std::string(summary), make}).second;
  if (!is_new) throw std::logic_error(str("method \"", name, "\" is registered twice"));
}

std::unique_ptr<Options> make_method_options(std::string_view name) {
  const auto found = schemas().find(name);
  return found == schemas().end() ? nullptr : found->second.make();
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& [name, schema] : schemas()) names.push_back(name);
  return names;
}

std::string_view method_summary(std::string_view name) {
  const auto found = schemas().find(name);
  return found == schemas().end() ? std::string_view() : std::string_view(found->second.summary);
}

}  // namespace bt
