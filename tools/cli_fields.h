// The fields of an option struct as flags of a CLI11 program, so that each is declared once: batch_size is
// --batch-size.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "bt/core/option_fields.h"
#include "tools/command_line.h"

namespace bt::tools {

class CliFields final : public OptionFields {
 public:
  explicit CliFields(CLI::App& app) : app_(app) {}

  void field(std::string_view key, bool& value, const FieldInfo& info) override {
    app_.add_flag(flag_name(key), value, info.help);
  }
  void field(std::string_view key, int64_t& value, const FieldInfo& info) override { number(key, value, info, "N"); }
  void field(std::string_view key, double& value, const FieldInfo& info) override { number(key, value, info, "X"); }
  void field(std::string_view key, std::optional<int64_t>& value, const FieldInfo& info) override {
    with_range<int64_t>(app_.add_option(flag_name(key), value, info.help)->type_name("N"), info);
  }
  void field(std::string_view key, std::optional<double>& value, const FieldInfo& info) override {
    with_range<double>(app_.add_option(flag_name(key), value, info.help)->type_name("X"), info);
  }
  void field(std::string_view key, std::string& value, const FieldInfo& info) override {
    CLI::Option* option = app_.add_option(flag_name(key), value, info.help)->type_name("TEXT")->required(info.required);
    if (!value.empty()) option->capture_default_str();
    if (!info.choices.empty()) option->type_name("")->check(CLI::IsMember(info.choices));
  }
  void field(std::string_view key, std::vector<int64_t>& value, const FieldInfo& info) override {
    list(key, value, info);
  }
  void field(std::string_view key, std::vector<double>& value, const FieldInfo& info) override {
    list(key, value, info);
  }
  void field(std::string_view key, std::vector<std::string>& value, const FieldInfo& info) override {
    list(key, value, info);
  }

  void group(std::string_view key, Options&, std::string_view) override { fail_nested(key); }
  void variant(std::string_view key, std::string_view, std::string&, std::unique_ptr<Options>&, MakeOptions,
               const std::vector<std::string>&, std::string_view) override {
    fail_nested(key);
  }

 private:
  static std::string flag_name(std::string_view key) {
    std::string name = "--" + std::string(key);
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
  }
  [[noreturn]] static void fail_nested(std::string_view key) {
    throw std::logic_error("a command line has no nested options: " + std::string(key));
  }
  template <class Number>
  static void with_range(CLI::Option* option, const FieldInfo& info) {
    option->transform(in_range<Number>(info.min, info.max))->required(info.required);
  }
  template <class Number>
  void number(std::string_view key, Number& value, const FieldInfo& info, const char* type) {
    with_range<Number>(app_.add_option(flag_name(key), value, info.help)->type_name(type)->capture_default_str(), info);
  }
  template <class Item>
  void list(std::string_view key, std::vector<Item>& value, const FieldInfo& info) {
    CLI::Option* option = app_.add_option(flag_name(key), value, info.help)->type_name("A,B,...")->delimiter(',');
    option->required(info.required)->allow_extra_args(false);
    if constexpr (std::is_arithmetic_v<Item>) with_range<Item>(option, info);
  }

  CLI::App& app_;
};

}  // namespace bt::tools
