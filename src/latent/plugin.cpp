#include "bt/latent/plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "bt/core/error.h"

namespace bt {

void open_plugin(const std::string& path) {
  // A bare name would be looked for in the system's folders.
  const std::string place = std::filesystem::absolute(path).string();
  if (dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return;
  const char* reason = dlerror();
  fail_bad_file({.what = "cannot open a plug-in", .where = path, .found = reason != nullptr ? reason : ""});
}

}  // namespace bt
