// bt-eval: evaluates models on tasks; grades, compares and shows prompts without a model.
#include <CLI/CLI.hpp>
#include <optional>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/options/eval_options.h"
#include "bt/report/html_report.h"
#include "bt/text/json_lines.h"
#include "bt/text/regrade.h"
#include "bt/text/sample_comparison.h"
#include "bt/text/tasks.h"
#include "tools/cli_fields.h"
#include "tools/command_line.h"
#include "tools/launcher.h"

namespace {

using namespace bt;

constexpr const char* kExamples = R"(
Examples:
  bt-eval run --model runs/sft/final --tasks gsm8k_sft --data data --out results/sft
  bt-eval run --model runs/sft/final --latent runs/bt/final --tasks gsm8k_sft --data data --out results/bt
  bt-eval perplexity --model runs/sft/final --input text.txt --context 1024 --stride 512
  bt-eval ahead --model runs/sft/final --latent runs/dca/final --input text.txt
  bt-eval probe --model runs/sft/final --latent runs/bt/final --input labelled.jsonl
  bt-eval compare results/sft results/bt
  bt-eval report runs/sft runs/bt results/sft results/bt --out report.html
  bt-eval grade --task gsm8k_cot --input completions.jsonl --output graded.jsonl
  bt-eval prompts --task gsm8k --data data --output prompts.jsonl --limit 10

Exit codes: 0 done, 2 usage, 3 bad model or data file, 4 the model's numbers are not finite, 5 out of memory, 6 cannot
read or write.)";

// A command that runs a model: its options, and the entry point of libbt that carries it out.
template <class CommandOptions>
struct WithModel {
  const char* entry;
  CommandOptions options = {};
  void declare(CLI::App& app) {
    tools::CliFields flags(app);
    options.fields(flags);
  }
  int run() const {
    options.validate();
    check_files(options);
    return tools::launch(entry, &options, options.place.device);
  }
};

struct Grade {
  std::string task, input, output;
  void declare(CLI::App& app) {
    app.add_option("--task", task, "name of the task")->required();
    app.add_option("--input", input, "JSON Lines: {\"completion\": \"...\", \"gold\": the data set's answer field}")
        ->required();
    app.add_option("--output", output, "the same lines with \"graded\"")->required();
  }
  int run() const {
    const Task& chosen = find_task(task);
    check_writable_file(output);
    print(regrade_text(chosen, regrade_file(chosen, input, output)));
    return 0;
  }
};

struct Compare {
  std::string a, b;
  ComparisonOptions options;
  bool json = false;
  void declare(CLI::App& app) {
    app.add_option("A", a, "result folder, samples file or graded file")->required();
    app.add_option("B", b, "the same for the other side")->required();
    app.add_option("--task", options.task, "this task only");
    app.add_option("--resamples", options.resamples, "of the paired bootstrap")
        ->capture_default_str()
        ->transform(tools::in_range<int64_t>(1, 10'000'000));
    app.add_option("--seed", options.seed, "of the bootstrap")->capture_default_str();
    app.add_option("--confidence", options.confidence, "of the intervals")
        ->capture_default_str()
        ->transform(tools::in_range<double>(0.5, 0.9999));
    app.add_flag("--json", json, "print one JSON object");
  }
  int run() const {
    const auto comparisons = compare_samples(a, b, options);
    print(json ? comparison_json(comparisons, options).dump(2) + "\n" : comparison_text(comparisons, options));
    return 0;
  }
};

struct Report {
  std::vector<std::string> runs;
  std::string out;
  void declare(CLI::App& app) {
    app.add_option("RUN", runs, "folder of bt-train, of bt-eval run, or of a study (study.json)")->required();
    app.add_option("--out", out, "the page to write, HTML")->required();
  }
  int run() const {
    check_writable_file(out);
    const std::string page = html_report(runs);
    write_file_atomically(out, page);
    print(str(out, ": ", runs.size(), runs.size() == 1 ? " folder, " : " folders, ", (page.size() + 999) / 1000,
              " kB\n"));
    return 0;
  }
};

struct ListTasks {
  bool json = false;
  void declare(CLI::App& app) { app.add_flag("--json", json, "one JSON object a line"); }
  int run() const {
    for (const Task& task : tasks()) print(json ? as_json(task) : as_text(task));
    return 0;
  }

 private:
  static std::string as_text(const Task& task) {
    return str(task.name, "\n  prompt  ", task.prompt_form, "\n  grader  ", task.grader, "\n  shots   ", task.shots,
               ", at most ", task.max_new_tokens, " new tokens, data ", task.data_file, "\n");
  }
  static std::string as_json(const Task& task) {
    return Json::object({{"task", task.name},
                         {"prompt", task.prompt_form},
                         {"grader", task.grader},
                         {"shots", task.shots},
                         {"max_new_tokens", task.max_new_tokens},
                         {"data_file", task.data_file}})
               .dump() +
           "\n";
  }
};

struct Prompts {
  std::string task, data, output;
  PromptOptions options;
  void declare(CLI::App& app) {
    app.add_option("--task", task, "name of the task")->required();
    app.add_option("--data", data, "folder that holds the task's data file")->required();
    app.add_option("--output", output, "JSON Lines: doc_id, prompt, stop, target")->required();
    app.add_option("--limit", options.limit, "first documents only")->transform(tools::in_range<int64_t>(1));
    app.add_option("--prompt-template", options.prompt_template, "prompt of the _sft tasks");
  }
  int run() const {
    const Task& chosen = find_task(task);
    if (!options.prompt_template.empty()) check_prompt_template(options.prompt_template);
    check_writable_file(output);
    Json stop = Json::array();
    for (const std::string& text : chosen.stop) stop.push_back(text);
    std::vector<Json> lines;
    for (const Prompt& prompt : make_prompts(chosen, data, options)) {
      lines.push_back(Json::object(
          {{"doc_id", prompt.doc_id}, {"prompt", prompt.text}, {"stop", stop}, {"target", prompt.target}}));
    }
    write_file_atomically(output, dump_json_lines(lines));
    print(str(output, ": ", lines.size(), " prompts of ", chosen.name, "\n"));
    return 0;
  }
};

// A subcommand: its flags and what it does.
template <class Command>
CLI::App* add_command(CLI::App& app, Command& command, const std::string& name, const std::string& help,
                      std::string& log_level) {
  CLI::App* added = app.add_subcommand(name, help);
  command.declare(*added);
  added->add_option("--log-level", log_level, "debug, info, warning, error or off")->capture_default_str();
  return added;
}

// Flags that every tool takes, on commands that have no use for them.
void accept_machine_flags(CLI::App* command) {
  for (const char* flag : {"--device", "--dtype", "--threads"}) {
    command
        ->add_option(
            flag, [](const CLI::results_t&) { return true; }, "accepted as in the other tools; no effect")
        ->group("");
  }
}

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
  CLI::App app("Evaluates models on tasks; grades, compares and shows prompts without a model.", "bt-eval");
  app.require_subcommand(1);
  app.set_version_flag("--version", tools::version_text("bt-eval"));
  app.footer(kExamples);
  std::string log_level = "info";
  WithModel<EvalRunOptions> run{"bt_app_eval"};
  WithModel<ScoreOptions> score{"bt_app_score"};
  WithModel<PerplexityOptions> perplexity{"bt_app_perplexity"};
  WithModel<AheadPerplexityOptions> ahead{"bt_app_ahead_perplexity"};
  WithModel<ProbeRunOptions> probe{"bt_app_probe"};
  Grade grade;
  Compare compare;
  Report report;
  ListTasks list;
  Prompts prompts;
  CLI::App* run_app = add_command(app, run, "run", "generate and grade answers of a model", log_level);
  CLI::App* score_app = add_command(app, score, "score", "log-probabilities of texts under a model", log_level);
  CLI::App* perplexity_app =
      add_command(app, perplexity, "perplexity", "perplexity of long texts, by a sliding window", log_level);
  CLI::App* ahead_app = add_command(app, ahead, "ahead",
                                    "perplexity by position after appended latents, with and without them", log_level);
  CLI::App* probe_app =
      add_command(app, probe, "probe", "what linear probes read from rewritten cache entries", log_level);
  CLI::App* grade_app = add_command(app, grade, "grade", "grade completions that lie in a file", log_level);
  CLI::App* compare_app =
      add_command(app, compare, "compare", "two evaluations of the same documents, item by item", log_level);
  CLI::App* report_app = add_command(app, report, "report", "one HTML page of runs and evaluations", log_level);
  CLI::App* list_app = add_command(app, list, "tasks", "list the tasks with prompt, grader and shots", log_level);
  CLI::App* prompts_app = add_command(app, prompts, "prompts", "write a task's prompts", log_level);
  for (CLI::App* command : {grade_app, compare_app, report_app, list_app, prompts_app}) accept_machine_flags(command);
  if (const std::optional<int> answered = tools::parse(app, argc, argv)) return *answered;
  set_log_level(log_level);
  if (*run_app) return run.run();
  if (*score_app) return score.run();
  if (*perplexity_app) return perplexity.run();
  if (*ahead_app) return ahead.run();
  if (*probe_app) return probe.run();
  if (*grade_app) return grade.run();
  if (*compare_app) return compare.run();
  if (*report_app) return report.run();
  if (*list_app) return list.run();
  return prompts.run();
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-eval", [&] { return run_tool(argc, argv); });
}
