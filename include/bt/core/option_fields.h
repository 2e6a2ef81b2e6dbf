// Options declared once: a struct lists its fields, and parser, --help, resolved config and docs come from that list.
//
//   struct ScheduleOptions final : Options {
//     std::string kind = "cosine";
//     int64_t warmup_steps = 0;
//     void fields(OptionFields& f) override {
//       f.field("kind", kind, {.help = "shape after the warm-up", .choices = {"cosine", "constant"}});
//       f.field("warmup_steps", warmup_steps, {.help = "steps of linear warm-up", .min = 0});
//     }
//   };
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/config_node.h"

namespace bt {

class OptionFields;

struct Options {
  virtual ~Options() = default;
  virtual void fields(OptionFields& f) = 0;
  // Checks that need more than one field. Called after reading; throws Error(usage) whose `where` is the dotted key
  // from the root ("train.steps"), which read_options completes with file, line and column.
  virtual void validate() const {}
};

// What is known of a field besides its name, type and default.
struct FieldInfo {
  std::string help;  // one line; units and the meaning of special values
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;  // strings only; empty: any
  bool required = false;             // must be given by the user
};

// Visited by Options::fields, which may be called several times, also before anything is read. Implementations: reader,
// YAML writer, help printer.
class OptionFields {
 public:
  virtual ~OptionFields() = default;
  virtual void field(std::string_view key, bool& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, int64_t& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, double& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, std::string& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, std::vector<int64_t>& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, std::vector<double>& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, std::vector<std::string>& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, std::optional<int64_t>& value, const FieldInfo& info) = 0;
  virtual void field(std::string_view key, std::optional<double>& value, const FieldInfo& info) = 0;
  // A nested map.
  virtual void group(std::string_view key, Options& value, std::string_view help) = 0;
  // A nested map whose type is named by its own key `selector` (latent: {method: bt, ...}). `make` returns the options
  // of a name, or nullptr for an unknown one; `names` lists the valid names. Absent or null map: `value` stays null.
  // Absent selector: a non-empty `name` is the default.
  using MakeOptions = std::unique_ptr<Options> (*)(std::string_view name);
  virtual void variant(std::string_view key, std::string_view selector, std::string& name,
                       std::unique_ptr<Options>& value, MakeOptions make, const std::vector<std::string>& names,
                       std::string_view help) = 0;
};

// Fills `options` from `node` (a map, or null for all defaults) and validates every group. Unknown keys, wrong types
// and values out of range are Error(usage) with file:line:column, dotted key and the nearest valid name. Integers may
// be written 3e4; leading zeros are refused; booleans are true or false only; numbers are finite. A quoted value is
// always a string; a plain one is a string where one is asked for.
void read_options(const ConfigNode& node, Options& options);

// All fields with their values, nested, in declaration order; reading it back gives equal options.
std::string write_options_yaml(Options& options);

// A heading per group and one line per field: dotted key, type, default, range or choices, help.
std::string describe_options(Options& options);

}  // namespace bt
