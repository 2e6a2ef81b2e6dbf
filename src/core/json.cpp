#include "bt/core/json.h"

#include <algorithm>
#include <limits>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

// The value itself where it is short, else its type: "the string \"abc\"", "-3", "an array".
std::string describe(const Json& value) {
  if (value.is_string()) return "the string " + quoted_excerpt(value.as_string(""));
  if (value.is_bool() || value.is_number()) return value.dump();
  return value.is_null() ? "null" : str("an ", value.type_name());
}

[[noreturn]] void fail_type(const Json& value, std::string_view where, const char* expected) {
  fail_bad_file(
      {.what = "wrong type of value", .where = std::string(where), .expected = expected, .found = describe(value)});
}

}  // namespace

// Out of line: inlined moves of a std::variant make GCC 12 warn of uninitialised members that are not.
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

Json::Json(uint64_t value) : value_(value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) value_ = static_cast<int64_t>(value);
}

const char* Json::type_name() const {
  if (is_null()) return "null";
  if (is_bool()) return "boolean";
  if (is_integer()) return "integer";
  if (is_number()) return "number";
  if (is_string()) return "string";
  return is_array() ? "array" : "object";
}

bool Json::as_bool(std::string_view where) const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  fail_type(*this, where, "true or false");
}

int64_t Json::as_int(std::string_view where) const {
  if (const int64_t* value = std::get_if<int64_t>(&value_)) return *value;
  fail_type(*this, where, "an integer of 64 bits");
}

uint64_t Json::as_uint(std::string_view where) const {
  if (const uint64_t* value = std::get_if<uint64_t>(&value_)) return *value;
  const int64_t* value = std::get_if<int64_t>(&value_);
  if (value == nullptr || *value < 0) fail_type(*this, where, "a non-negative integer of 64 bits");
  return static_cast<uint64_t>(*value);
}

double Json::as_double(std::string_view where) const {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (const int64_t* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
  if (const uint64_t* value = std::get_if<uint64_t>(&value_)) return static_cast<double>(*value);
  fail_type(*this, where, "a number");
}

const std::string& Json::as_string(std::string_view where) const {
  if (const std::string* value = std::get_if<std::string>(&value_)) return *value;
  fail_type(*this, where, "a string");
}

const Json::Array& Json::as_array(std::string_view where) const {
  if (const Array* value = std::get_if<Array>(&value_)) return *value;
  fail_type(*this, where, "an array");
}

const Json::Object& Json::as_object(std::string_view where) const {
  if (const Object* value = std::get_if<Object>(&value_)) return *value;
  fail_type(*this, where, "an object");
}

const Json* Json::find(std::string_view key) const {
  const Object* members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(), [key](const Member& m) { return m.first == key; });
  return found == members->end() ? nullptr : &found->second;
}

const Json& Json::at(std::string_view key, std::string_view where) const {
  as_object(where);
  if (const Json* value = find(key)) return *value;
  fail_bad_file({.what = str("the key ", quoted_excerpt(key), " is missing"), .where = std::string(where)});
}

void Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object();
  BT_ASSERT(is_object());
  Object& members = std::get<Object>(value_);
  const auto found = std::find_if(members.begin(), members.end(), [&key](const Member& m) { return m.first == key; });
  if (found == members.end()) {
    members.emplace_back(std::move(key), std::move(value));
  } else {
    found->second = std::move(value);
  }
}

void Json::push_back(Json value) {
  if (is_null()) value_ = Array();
  BT_ASSERT(is_array());
  std::get<Array>(value_).push_back(std::move(value));
}

bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

}  // namespace bt
