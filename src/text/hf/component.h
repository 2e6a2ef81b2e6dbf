// Reading one component of a tokenizer.json, {"type": "Split", ...}, with its place in the file for messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"

namespace bt::hf {

class Component {
 public:
  Component(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}
  const std::string& where() const { return where_; }
  std::string place(std::string_view key) const;  // "FILE: decoder.type"

  std::string type() const;
  const Json* find(std::string_view key) const;  // nullptr when absent or null
  bool flag(std::string_view key, bool otherwise) const;
  const std::string& text(std::string_view key) const;
  int64_t count(std::string_view key) const;  // a non-negative integer that fits 31 bits
  Component child(std::string_view key) const;
  std::vector<Component> children(std::string_view key) const;  // of an array
  const Json& json() const { return *json_; }

  // ExitCode::bad_file: this type of component is not read; `supported` lists those that are.
  [[noreturn]] void refuse_type(std::string_view supported) const;
  [[noreturn]] void refuse(std::string_view key, std::string what, std::string expected) const;

 private:
  const Json* json_;
  std::string where_;
};

}  // namespace bt::hf
