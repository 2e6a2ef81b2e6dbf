#include "component.h"

#include <limits>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt::hf {

std::string Component::place(std::string_view key) const {
  return where_ + (where_.find(": ") == std::string::npos ? ": " : ".") + std::string(key);
}

std::string Component::type() const { return text("type"); }

const Json* Component::find(std::string_view key) const {
  json_->as_object(where_);
  const Json* value = json_->find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Component::flag(std::string_view key, bool otherwise) const {
  const Json* value = find(key);
  return value == nullptr ? otherwise : value->as_bool(place(key));
}

const std::string& Component::text(std::string_view key) const { return json_->at(key, where_).as_string(place(key)); }

int64_t Component::count(std::string_view key) const {
  const int64_t value = json_->at(key, where_).as_int(place(key));
  if (value < 0 || value > std::numeric_limits<int32_t>::max()) refuse(key, "value out of range", "0 to 2147483647");
  return value;
}

Component Component::child(std::string_view key) const { return {json_->at(key, where_), place(key)}; }

std::vector<Component> Component::children(std::string_view key) const {
  std::vector<Component> parts;
  for (const Json& part : json_->at(key, where_).as_array(place(key))) {
    parts.emplace_back(part, str(place(key), "[", parts.size(), "]"));
  }
  return parts;
}

void Component::refuse_type(std::string_view supported) const {
  fail_bad_file({.what = "this component of the tokenizer is not supported",
                 .where = place("type"),
                 .expected = std::string(supported),
                 .found = quoted_excerpt(type())});
}

void Component::refuse(std::string_view key, std::string what, std::string expected) const {
  const Json* value = find(key);
  fail_bad_file({.what = std::move(what),
                 .where = place(key),
                 .expected = std::move(expected),
                 .found = value == nullptr ? "" : quoted_excerpt(value->dump())});
}

}  // namespace bt::hf
