// Strict JSON: UTF-8, no duplicate keys, depth at most 64, typed getters that name file and key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bt {

// A JSON value. Objects keep the order of the file. Integers and floats are told apart by their spelling; an integer of
// more than 64 bits is held as a float, so the integer getters refuse it.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;  // null
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<int64_t>(value)) {}
  Json(int64_t value) : value_(value) {}
  Json(uint64_t value);                  // held as int64_t where it fits
  Json(double value) : value_(value) {}  // NaN and infinity are written as strings "NaN", "Infinity", "-Infinity"
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  static Json object(Object members = {}) {
    Json j;
    j.value_ = std::move(members);
    return j;
  }
  static Json array(Array items = {}) { return Json(std::move(items)); }

  // Parses the whole text. `source` names the file in errors (ExitCode::bad_file with line and column).
  static Json parse(std::string_view text, std::string_view source);
  // Reads and parses a file of at most `max_bytes`. ExitCode::bad_file when missing, too large or malformed.
  static Json parse_file(const std::string& path, uint64_t max_bytes = uint64_t{256} << 20);
  // indent < 0: one line. Strings must be UTF-8; invalid bytes become U+FFFD.
  std::string dump(int indent = -1) const;

  bool is_null() const { return is<std::monostate>(); }
  bool is_bool() const { return is<bool>(); }
  bool is_integer() const { return is<int64_t>() || is<uint64_t>(); }
  bool fits_int() const { return is<int64_t>(); }  // an integer that as_int gives
  bool is_number() const { return is_integer() || is<double>(); }
  bool is_string() const { return is<std::string>(); }
  bool is_array() const { return is<Array>(); }
  bool is_object() const { return is<Object>(); }
  const char* type_name() const;

  // Typed getters. `where` names the place ("config.json: hidden_size"); a wrong type is ExitCode::bad_file.
  bool as_bool(std::string_view where) const;
  int64_t as_int(std::string_view where) const;  // integers only; no silent conversion
  uint64_t as_uint(std::string_view where) const;
  double as_double(std::string_view where) const;  // any number
  const std::string& as_string(std::string_view where) const;
  const Array& as_array(std::string_view where) const;
  const Object& as_object(std::string_view where) const;

  // Object access. find: nullptr when absent or when this is not an object.
  const Json* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const Json& at(std::string_view key, std::string_view where) const;  // ExitCode::bad_file when absent
  void set(std::string key, Json value);                               // replaces or appends; null becomes an object
  void push_back(Json value);                                          // null becomes an array

  // Equal values; members in the same order. An integer never equals a float.
  friend bool operator==(const Json& a, const Json& b);

 private:
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(value_);
  }

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> value_;
};

}  // namespace bt
