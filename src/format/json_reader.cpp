#include "json_reader.h"

#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

double checked_number(const Json& value, NumberRange range, const std::string& where) {
  const double number = value.as_double(where);
  if (!(number >= range.min && number <= range.max)) {
    fail_bad_file({.what = "number out of range",
                   .where = where,
                   .expected = str(range.min, " to ", range.max),
                   .found = str(number)});
  }
  return number;
}

}  // namespace

int64_t checked_integer(const Json& value, IntegerRange range, const std::string& where) {
  const int64_t number = value.as_int(where);
  if (number < range.min || number > range.max) {
    fail_bad_file({.what = "integer out of range",
                   .where = where,
                   .expected = str(range.min, " to ", range.max),
                   .found = str(number)});
  }
  return number;
}

JsonReader::JsonReader(const Json& object, std::string place) : object_(&object), place_(std::move(place)) {
  object.as_object(place_);
}

std::string JsonReader::where(std::string_view key) const {
  return str(place_, place_.find(": ") == std::string::npos ? ": " : ".", key);
}

const Json* JsonReader::find(std::string_view key) const {
  const Json* value = object_->find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const Json& JsonReader::required(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail_bad_file({.what = "key is missing", .where = where(key)});
  return *value;
}

std::optional<JsonReader> JsonReader::object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return JsonReader(*value, where(key));
}

int64_t JsonReader::integer(std::string_view key, IntegerRange range) const {
  return checked_integer(required(key), range, where(key));
}

int64_t JsonReader::integer(std::string_view key, IntegerRange range, int64_t missing) const {
  return has(key) ? integer(key, range) : missing;
}

double JsonReader::number(std::string_view key, NumberRange range) const {
  return checked_number(required(key), range, where(key));
}

double JsonReader::number(std::string_view key, NumberRange range, double missing) const {
  return has(key) ? number(key, range) : missing;
}

bool JsonReader::boolean(std::string_view key, bool missing) const {
  const Json* value = find(key);
  return value == nullptr ? missing : value->as_bool(where(key));
}

const std::string& JsonReader::text(std::string_view key) const { return required(key).as_string(where(key)); }

std::string JsonReader::text(std::string_view key, std::string missing) const {
  return has(key) ? text(key) : std::move(missing);
}

}  // namespace bt
