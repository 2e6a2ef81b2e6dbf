// One function for the fields of every type: Derived has a template visit(key, value, info).
#pragma once

#include "bt/core/option_fields.h"

namespace bt {

template <class Derived>
class EachField : public OptionFields {
 public:
  using Key = std::string_view;
  void field(Key key, bool& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, int64_t& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, double& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, std::string& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, std::vector<int64_t>& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, std::vector<double>& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, std::vector<std::string>& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, std::optional<int64_t>& value, const FieldInfo& info) final { self().visit(key, value, info); }
  void field(Key key, std::optional<double>& value, const FieldInfo& info) final { self().visit(key, value, info); }

 private:
  Derived& self() { return static_cast<Derived&>(*this); }
};

}  // namespace bt
