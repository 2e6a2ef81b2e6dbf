#include <ATen/OpMathType.h>

#include <map>
#include <stdexcept>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "methods.h"

namespace bt {
namespace {

template <class MethodOptionsType, std::unique_ptr<Method> (*make)(const MethodOptionsType&, const MethodContext&)>
std::unique_ptr<Method> make_typed(const Options& options, const MethodContext& context) {
  return make(dynamic_cast<const MethodOptionsType&>(options), context);
}

std::map<std::string, MakeMethod, std::less<>>& factories() {
  static std::map<std::string, MakeMethod, std::less<>> all = {
#define BT_METHOD(name, options, summary) {#name, &make_typed<options, &make_##name>},
#include "bt/options/methods.inc"
#undef BT_METHOD
  };
  return all;
}

}  // namespace

c10::TensorOptions MethodContext::measured() const {
  return options.dtype(at::toOpMathType(c10::typeMetaToScalarType(options.dtype())));
}

void register_method(std::string_view name, MakeMethod make) {
  const bool is_new = factories().try_emplace(std::string(name), make).second;
  if (!is_new) throw std::logic_error(str("method \"", name, "\" is registered twice"));
}

std::unique_ptr<Method> make_method(std::string_view name, const Options& options, const MethodContext& context) {
  const auto found = factories().find(name);
  if (found == factories().end()) {
    fail_usage({.what = str("unknown method \"", name, "\""),
                .where = "latent.method",
                .expected = join(method_names(), ", ")});
  }
  return found->second(options, context);
}

}  // namespace bt
