#include "interactive.h"

#include <unistd.h>

#include <iostream>
#include <string>

#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/text/text_template.h"
#include "bt/train/stop_signal.h"

namespace bt {

namespace {

std::string prompt_of(const InferenceModel& model, const std::string& line) {
  const bool trained_form = model.training != nullptr && model.chat.name == "none";
  const std::string form = trained_form ? model.training->prompt_template : std::string();
  const std::string field = only_field(form);
  return field.empty() ? line : TextTemplate(form, "data.prompt").render(Json::object({{field, line}}), "the line");
}

void answer(const InferenceModel& model, const GenerationOptions& options, const GenerationRequest& request) {
  const StopSignal stop;
  const auto completions = generate(
      model, {request}, options,
      {.on_text = [](size_t, std::string_view text) { print(text); }, .interrupted = [&] { return stop.requested(); }});
  print(completions[0].text.ends_with('\n') ? "" : "\n");
}

}  // namespace

int answer_lines(const InferenceModel& model, const GenerationOptions& options, int64_t max_new_tokens) {
  const bool on_terminal = isatty(STDIN_FILENO) == 1;
  if (on_terminal) log::info("a prompt a line; Ctrl-C ends an answer, Ctrl-D the program");
  std::string line;
  for (uint64_t number = 0;; ++number) {
    if (on_terminal) print("> ");
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    const std::vector<int32_t> ids = model.encode_prompt(prompt_of(model, line));
    const int64_t room = model.decoder().config.max_position - static_cast<int64_t>(ids.size());
    if (ids.empty() || room < 1) {
      log::warning(ids.empty() ? "the line has no tokens" : "the line is longer than the model's context");
      continue;
    }
    answer(model, options, {number, ids, std::min(max_new_tokens, room)});
  }
  if (on_terminal) print("\n");
  return 0;
}

}  // namespace bt
