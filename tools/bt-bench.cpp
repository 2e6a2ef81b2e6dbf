// bt-bench: times operators, decoding, training steps and the reading of weights against what they are compared with.
#include <CLI/CLI.hpp>
#include <optional>

#include "bt/core/files.h"
#include "bt/options/bench_options.h"
#include "tools/cli_fields.h"
#include "tools/command_line.h"
#include "tools/launcher.h"

namespace {

using namespace bt;

constexpr const char* kExamples = R"(
Examples:
  bt-bench
  bt-bench --filter train --json train.json
  bt-bench --threads 1 --clock cpu --repetitions 21      steadier where other programs run
  bt-bench load --model MODEL                            reading of weights: time, peak memory

Every table's first row is what the others are compared with.

Exit codes: 0 done, 1 a bench failed, 2 usage, 3 bad model file, 5 out of memory, 6 cannot read or write.)";

void check_output(const std::string& path) {
  if (!path.empty()) check_writable_file(path);
}

int run_tool(int argc, char** argv) {
  CLI::App app("Times operators, decoding, training steps and the reading of weights.", "bt-bench");
  app.set_version_flag("--version", tools::version_text("bt-bench"));
  app.footer(kExamples);
  BenchOptions options;
  tools::CliFields flags(app);
  options.fields(flags);
  LoadBenchOptions load_options;
  CLI::App* load = app.add_subcommand("load", "times the reading of a model's weights, and says its peak memory");
  tools::CliFields load_flags(*load);
  load_options.fields(load_flags);
  if (const std::optional<int> answered = tools::parse(app, argc, argv)) return *answered;
  if (*load) {
    check_files(load_options);
    check_output(load_options.json);
    return tools::launch("bt_app_bench_load", &load_options, "cpu");
  }
  options.validate();
  check_output(options.json);
  return tools::launch("bt_app_bench", &options, options.device);
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-bench", [&] { return run_tool(argc, argv); });
}
