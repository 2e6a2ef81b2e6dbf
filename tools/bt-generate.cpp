// bt-generate: continues texts with a model and, if there is one, its latent method.
#include <CLI/CLI.hpp>
#include <optional>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/options/generate_options.h"
#include "tools/cli_fields.h"
#include "tools/command_line.h"
#include "tools/launcher.h"

namespace {

using namespace bt;

constexpr const char* kExamples = R"(
Examples:
  bt-generate --model runs/sft/final --prompt "Tom has 3 apples and buys 4 more. How many has he?"$'\n'
  bt-generate --model runs/sft/final --latent runs/bt/final --input prompts.jsonl --output answers.jsonl
  bt-generate --model runs/sft/final --prompt "Once" --temperature 0.8 --top-p 0.95 --seed 7 --json
  bt-generate --model runs/sft/final --latent runs/bt/final --interactive --stop "####"

Of a generation_config.json only the end tokens are used; its temperature, top_p and the like are not: the flags say all.

Exit codes: 0 done, 2 usage, 3 bad model or input file, 4 the model's numbers are not finite, 5 out of memory, 6 cannot
read or write, 130 or 143 interrupted.)";

void set_log_level(const std::string& name) {
  log::Level level{};
  if (!log::parse_level(name, level)) {
    fail_usage({.what = "unknown log level",
                .where = "--log-level",
                .expected = "debug, info, warning, error or off",
                .found = name});
  }
  log::set_level(level);
}

int run_tool(int argc, char** argv) {
  CLI::App app("Continues texts with a model; the latent method acts at their step boundaries.", "bt-generate");
  app.set_version_flag("--version", tools::version_text("bt-generate"));
  app.footer(kExamples);
  GenerateOptions options;
  std::string log_level = "info";
  tools::CliFields flags(app);
  options.fields(flags);
  app.add_option("--stop", options.stop, "text that ends an answer, not part of it; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app.add_option("--log-level", log_level, "debug, info, warning, error or off")->capture_default_str();
  if (const std::optional<int> answered = tools::parse(app, argc, argv)) return *answered;
  set_log_level(log_level);
  options.validate();
  check_files(options);
  return tools::launch("bt_app_generate", &options, options.place.device);
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-generate", [&] { return run_tool(argc, argv); });
}
