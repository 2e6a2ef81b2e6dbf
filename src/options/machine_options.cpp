#include "machine_options.h"

#include <filesystem>

#include "bt/core/error.h"

namespace bt {

void machine_fields(OptionFields& f, std::string& device, std::string& dtype, int64_t& threads) {
  f.field("device", device, {.help = "cpu, cuda, cuda:N or auto (a GPU where there is one)"});
  f.field("dtype", dtype, {.help = "of weights and computation", .choices = {"float32", "float64", "bfloat16"}});
  f.field("threads", threads, {.help = "CPU threads; 0: one per core", .min = 0, .max = 1024});
}

void check_device(const std::string& device) {
  const bool numbered = device.starts_with("cuda:") && device.size() > 5 && device.size() <= 8 &&
                        device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (device == "auto" || device == "cpu" || device == "cuda" || numbered) return;
  fail_usage({.what = "unknown device", .where = "--device", .expected = "cpu, cuda, cuda:N or auto", .found = device});
}

void need_file(const std::string& path, const std::string& what) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) return;
  fail_bad_file({.what = what + " is missing", .where = path, .expected = "a file", .found = "none"});
}

void need_folder(const std::string& path, const std::string& what) {
  std::error_code ignored;
  if (path.empty() || std::filesystem::is_directory(path, ignored)) return;
  fail_bad_file({.what = what + " is missing", .where = path, .expected = "a folder", .found = "none"});
}

}  // namespace bt
