// bt-train CONFIG.yaml [key.path=value ...]: reads and checks the config, then opens LibTorch and trains.
#include <CLI/CLI.hpp>

#include "bt/app/train_app.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/options/train_options.h"
#include "tools/command_line.h"
#include "tools/launcher.h"

namespace {

constexpr const char* kExamples = R"(
Examples:
  bt-train configs/toy/sft.yaml
  bt-train run.yaml train.lr=3e-4 --train.steps=200      any key of the config can be set here
  bt-train run.yaml --dry-run                            what would be trained, and the memory it needs
  bt-train run.yaml --resume none                        start anew; the default goes on where run.out has a checkpoint

Keys of CONFIG.yaml:
)";

struct CommandLine {
  std::string config, resume = "auto", device, dtype, log_level = "info";
  int threads = -1;
  bool dry_run = false, version = false, help = false;
  std::vector<std::string> overrides;
};

// "a.b=value" or "--a.b=value"; everything else is for the parser of flags.
bool is_override(const std::string& argument) {
  const size_t equals = argument.find('=');
  return equals != std::string::npos && argument.substr(0, equals).find('.') != std::string::npos;
}

void add_flags(CLI::App& app, CommandLine& line) {
  app.set_help_flag();
  app.add_option("CONFIG.yaml", line.config, "the run");
  app.add_option("--resume", line.resume, "auto, none or the path of a checkpoint")->type_name("auto|none|PATH");
  app.add_flag("--dry-run", line.dry_run, "open and describe everything, write nothing");
  app.add_option("--device", line.device, "short for run.device")->type_name("cpu|cuda|cuda:N|auto");
  app.add_option("--dtype", line.dtype, "short for run.dtype")->type_name("float32|float64|bfloat16");
  app.add_option("--threads", line.threads, "short for run.threads")->type_name("N");
  app.add_option("--log-level", line.log_level, "debug, info, warning, error or off");
  app.add_flag("--version", line.version, "print the version");
  app.add_flag("-h,--help", line.help, "print this help");
}

[[noreturn]] void fail_command_line(const std::string& what, const std::string& found) {
  bt::fail_usage({.what = what, .where = "command line", .found = found, .next_step = "see bt-train --help"});
}

CommandLine parse(CLI::App& app, int argc, char** argv) {
  CommandLine line;
  std::vector<std::string> flags;  // CLI11 takes them last first
  for (int i = argc - 1; i > 0; --i) {
    if (is_override(argv[i]))
      line.overrides.insert(line.overrides.begin(), argv[i]);
    else
      flags.emplace_back(argv[i]);
  }
  add_flags(app, line);
  try {
    app.parse(flags);
  } catch (const CLI::ParseError& error) {
    bt::tools::refuse_unknown(app);
    fail_command_line(error.what(), "");
  }
  bt::tools::refuse_empty(app);
  if (!line.device.empty()) line.overrides.push_back("run.device=" + line.device);
  if (!line.dtype.empty()) line.overrides.push_back("run.dtype=" + line.dtype);
  if (line.threads >= 0) line.overrides.push_back(bt::str("run.threads=", line.threads));
  return line;
}

void print_help(const CLI::App& app) {
  bt::ExperimentOptions options;
  bt::print(app.help() + kExamples + bt::describe_options(options));
}

// Reads the whole config as the run will, so that a mistake costs milliseconds. With plug-ins their methods' keys are
// unknown before LibTorch is open; then only the device is read.
std::string checked_device(const bt::ConfigNode& config) {
  bt::ExperimentOptions options;
  if (bt::plugin_paths(config).empty()) {
    bt::read_options(config, options);
    return options.run.device;
  }
  const bt::ConfigNode* device = config.find("run")->find("device");
  return device != nullptr ? device->scalar : options.run.device;
}

int run(int argc, char** argv) {
  CLI::App app("Trains a decoder, or a latent method on a frozen one, as a YAML file says.", "bt-train");
  const CommandLine line = parse(app, argc, argv);
  if (line.help) {
    print_help(app);
    return 0;
  }
  if (line.version) {
    bt::print(bt::tools::version_text("bt-train") + "\n");
    return 0;
  }
  bt::log::Level level{};
  if (!bt::log::parse_level(line.log_level, level)) fail_command_line("unknown log level", line.log_level);
  bt::log::set_level(level);
  if (line.config.empty()) fail_command_line("CONFIG.yaml is missing", "");
  const bt::TrainRequest request{bt::read_config(line.config, line.overrides), line.resume, line.dry_run};
  return bt::tools::launch("bt_app_train", &request, checked_device(request.config));
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-train", [&] { return run(argc, argv); });
}
