// Single option values as text: what reader, writer and help printer share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "bt/core/config_node.h"
#include "bt/core/option_fields.h"
#include "bt/core/strings.h"

namespace bt {

// The value a node spells, or false. A quoted scalar is a string only.
bool parse_option(const ConfigNode& node, bool& value);
bool parse_option(const ConfigNode& node, int64_t& value);
bool parse_option(const ConfigNode& node, double& value);
bool parse_option(const ConfigNode& node, std::string& value);

// The YAML that parse_option reads back.
std::string option_text(bool value);
std::string option_text(int64_t value);
std::string option_text(double value);
std::string option_text(const std::string& value);

template <class T>
std::string option_text(const std::vector<T>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i > 0 ? ", " : "") + option_text(static_cast<T>(values[i]));
  return text + "]";
}

template <class T>
std::string option_text(const std::optional<T>& value) {
  return value ? option_text(*value) : "null";
}

// "boolean", "integer", "number", "string", "list of integers".
template <class T>
std::string option_type(const T&) {
  if constexpr (std::is_same_v<T, bool>) return "boolean";
  if constexpr (std::is_same_v<T, int64_t>) return "integer";
  if constexpr (std::is_same_v<T, double>) return "number";
  return "string";
}

template <class T>
std::string option_type(const std::vector<T>&) {
  return "list of " + option_type(T()) + "s";
}

template <class T>
std::string option_type(const std::optional<T>&) {
  return option_type(T());
}

// " >= 0", " 0 to 1", or nothing.
std::string range_text(const FieldInfo& info);

template <class T>
constexpr bool is_nullable(const T&) {
  return false;
}
template <class T>
constexpr bool is_nullable(const std::optional<T>&) {
  return true;
}
template <class T>
constexpr bool is_list(const T&) {
  return false;
}
template <class T>
constexpr bool is_list(const std::vector<T>&) {
  return true;
}

// What a field takes: "integer >= 0", "cosine | constant", "list of numbers 0 to 1", "integer >= 1 or null".
template <class T>
std::string domain_text(const T& value, const FieldInfo& info) {
  if (!info.choices.empty()) return (is_list(value) ? "list of " : "") + join(info.choices, " | ");
  return option_type(value) + range_text(info) + (is_nullable(value) ? " or null" : "");
}

bool satisfies(const FieldInfo& info, bool value);
bool satisfies(const FieldInfo& info, int64_t value);
bool satisfies(const FieldInfo& info, double value);
bool satisfies(const FieldInfo& info, const std::string& value);

}  // namespace bt
