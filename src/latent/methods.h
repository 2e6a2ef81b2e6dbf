// The factories behind methods.inc: make_<name>(options, context), one per method source file.
#pragma once

#include "bt/latent/method.h"
#include "bt/options/method_options.h"

namespace bt {

#define BT_METHOD(name, options, summary) std::unique_ptr<Method> make_##name(const options&, const MethodContext&);
#include "bt/options/methods.inc"
#undef BT_METHOD

}  // namespace bt
