// bt-bench: times operators, decoding, training steps and the reading of weights against what they are compared with.
#include <CLI/CLI.hpp>

#include "bt/core/error.h"
#include "bt/options/bench_options.h"
#include "tools/cli_fields.h"
#include "tools/launcher.h"

namespace {

using namespace bt;

constexpr const char* kExamples = R"(
Examples:
  bt-bench
  bt-bench --filter train --json train.json
  bt-bench --threads 1 --clock cpu --repetitions 21      steadier where other programs run
  bt-bench load --model MODEL                            reading of weights: time, peak memory

Every table's first row is what the others are compared with. Exit codes: 0 done, 2 usage, 3 bad model file, 5 out of memory, 6 cannot read or write.)";

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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  if (*load) {
    check_files(load_options);
    return tools::launch("bt_app_bench_load", &load_options, "cpu");
  }
  options.validate();
  return tools::launch("bt_app_bench", &options, options.device);
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-bench", [&] { return run_tool(argc, argv); });
}
