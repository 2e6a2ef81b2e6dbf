// Typed, range-checked reading of one JSON object; every error names file and key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bt/core/json.h"

namespace bt {

struct IntegerRange {
  int64_t min = 0, max = 0;
};

struct NumberRange {
  double min = 0, max = 0;  // both included; NaN and infinity are never inside
};

// In every getter with a default, an absent key and null count as missing.
class JsonReader {
 public:
  // `place`: how errors name the object, "config.json" or "config.json: rope_scaling". `object` must outlive this.
  JsonReader(const Json& object, std::string place);

  int64_t integer(std::string_view key, IntegerRange range) const;
  int64_t integer(std::string_view key, IntegerRange range, int64_t missing) const;
  double number(std::string_view key, NumberRange range) const;
  double number(std::string_view key, NumberRange range, double missing) const;
  bool boolean(std::string_view key, bool missing) const;
  const std::string& text(std::string_view key) const;
  std::string text(std::string_view key, std::string missing) const;

  bool has(std::string_view key) const { return find(key) != nullptr; }  // present and not null
  const Json* find(std::string_view key) const;                          // nullptr when missing
  const Json& required(std::string_view key) const;
  std::optional<JsonReader> object(std::string_view key) const;  // nothing when missing
  std::string where(std::string_view key) const;

 private:
  const Json* object_;
  std::string place_;
};

int64_t checked_integer(const Json& value, IntegerRange range, const std::string& where);

}  // namespace bt
