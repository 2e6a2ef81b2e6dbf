#include "bt/text/tasks.h"

#include <algorithm>
#include <iterator>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"
#include "bt/text/python_str.h"
#include "bt/text/text_template.h"
#include "task_families.h"

namespace bt {
namespace {

std::vector<Task> all_tasks() {
  std::vector<Task> out;
  for (auto family : {gsm8k_tasks, math_tasks, word_problem_tasks, theorem_tasks, choice_tasks}) {
    std::vector<Task> members = family();
    std::move(members.begin(), members.end(), std::back_inserter(out));
  }
  return out;
}

bool names_a_field(std::string_view form) {  // its braces match
  size_t at = form.find('{');
  while (at != std::string_view::npos && form.substr(at).starts_with("{{")) at = form.find('{', at + 2);
  return at != std::string_view::npos;
}

std::vector<Json> read_documents(const Task& task, const std::string& data_dir) {
  const std::string path = data_dir + "/" + task.data_file;
  std::vector<Json> documents = task.read ? task.read(path) : read_json_lines(path);
  if (!task.only_type.empty())
    std::erase_if(documents, [&](const Json& d) { return text_of(d, "type") != task.only_type; });
  if (documents.empty()) {
    fail_bad_file({.what = "no document for the task",
                   .where = path,
                   .expected = str("documents of ", task.name),
                   .found = "none"});
  }
  return documents;
}

}  // namespace

const std::string& text_of(const Json& document, std::string_view key) {
  const std::string where = str("document: ", key);
  return document.at(key, where).as_string(where);
}

std::function<std::vector<std::string>(size_t, const std::string&)> fixed_preamble(
    const std::vector<Exemplar>& exemplars, std::string (*question_of)(std::string_view question)) {
  std::string text;
  for (const Exemplar& exemplar : exemplars) text += question_of(exemplar.question) + " " + exemplar.answer + "\n\n";
  return [text](size_t documents, const std::string&) { return std::vector<std::string>(documents, text); };
}

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = all_tasks();
  return all;
}

const Task& find_task(std::string_view name) {
  std::vector<std::string> names;
  for (const Task& task : tasks()) {
    if (task.name == name) return task;
    names.push_back(task.name);
  }
  const std::string nearest = nearest_name(name, names);
  fail_usage({.what = "unknown task",
              .where = "command line",
              .expected = nearest.empty() ? "a task's name" : nearest,
              .found = std::string(name),
              .next_step = "bt-eval tasks lists them"});
}

std::string gold_of(const Task& task, const Json& document) {
  const std::string where = str("document of ", task.name, ": ", task.gold_field);
  const Json& gold = document.at(task.gold_field, where);
  return gold.is_string() ? gold.as_string(where) : gold.dump();
}

void check_prompt_template(std::string_view form) {
  const TextTemplate checked(form, "the prompt template");
  if (names_a_field(form)) return;
  fail_usage({.what = "the prompt template names no field: every document would get the same prompt",
              .where = "command line",
              .expected = "a text such as \"{question}\\n\"",
              .found = quoted_excerpt(form)});
}

std::vector<Prompt> make_prompts(const Task& task, const std::string& data_dir, const PromptOptions& options) {
  if (task.default_template.empty() && !options.prompt_template.empty()) {
    fail_usage({.what = "the task has a prompt of its own",
                .where = "prompt template for " + task.name,
                .next_step = "leave the template out, or evaluate gsm8k_sft or math_sft"});
  }
  std::vector<Json> documents = read_documents(task, data_dir);
  const size_t count =
      static_cast<size_t>(std::clamp<int64_t>(options.limit, 0, static_cast<int64_t>(documents.size())));
  const std::string& chosen = options.prompt_template.empty() ? task.default_template : options.prompt_template;
  const std::vector<std::string> preambles =
      task.preambles ? task.preambles(count, data_dir) : std::vector<std::string>(count);

  const TextTemplate form(chosen, "the prompt template");
  std::vector<Prompt> prompts;
  for (size_t i = 0; i < count; ++i) {
    Json& document = documents[i];
    const std::string question = chosen.empty()
                                     ? task.question(document)
                                     : form.render(document, str(task.name, ", document ", i), ExitCode::usage);
    prompts.push_back({static_cast<int64_t>(i), std::move(document), preambles[i] + question, {}});
    prompts.back().target = task.target(prompts.back().document);
  }
  return prompts;
}

std::string cut_at_stops(std::string_view completion, const std::vector<std::string>& stop) {
  for (const std::string& text : stop) {
    if (!text.empty()) completion = completion.substr(0, completion.find(text));
  }
  return std::string(completion);
}

}  // namespace bt
