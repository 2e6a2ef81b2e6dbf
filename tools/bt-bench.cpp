// bt-bench: times operators, decoding and training steps against what they are compared with.
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

Every table's first row is what the others are compared with. Exit codes: 0 done, 2 usage, 6 cannot write.)";

int run_tool(int argc, char** argv) {
  CLI::App app("Times operators, decoding and training steps.", "bt-bench");
  app.set_version_flag("--version", tools::version_text("bt-bench"));
  app.footer(kExamples);
  BenchOptions options;
  tools::CliFields flags(app);
  options.fields(flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  options.validate();
  return tools::launch("bt_app_bench", &options, options.device);
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-bench", [&] { return run_tool(argc, argv); });
}
