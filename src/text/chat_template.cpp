#include "bt/text/chat_template.h"

#include <algorithm>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/text/python_str.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTemplateBytes = uint64_t{16} << 20;

// What surrounds a message, and how a template treats it.
struct ChatTemplate {
  std::string_view name;
  bool starts_with_bos;
  std::string_view before_system, after_system;
  std::string_view default_system;  // where none is given; needs_system: the block stands even when it is empty
  bool needs_system;
  std::string_view before_user, after_user, before_answer;
  bool trims;                           // messages lose the white space at their ends
  std::vector<std::string_view> marks;  // each must be one token
};

constexpr std::string_view kHeaders[] = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};

ChatTemplate llama3(std::string_view name, std::string_view before_system, bool needs_system) {
  return {name,
          true,
          before_system,
          "<|eot_id|>",
          "",
          needs_system,
          "<|start_header_id|>user<|end_header_id|>\n\n",
          "<|eot_id|>",
          "<|start_header_id|>assistant<|end_header_id|>\n\n",
          true,
          {std::begin(kHeaders), std::end(kHeaders)}};
}

ChatTemplate chatml(std::string_view name, std::string_view default_system) {
  return {name,
          false,
          "<|im_start|>system\n",
          "<|im_end|>\n",
          default_system,
          false,
          "<|im_start|>user\n",
          "<|im_end|>\n",
          "<|im_start|>assistant\n",
          false,
          {"<|im_start|>", "<|im_end|>"}};
}

const std::vector<ChatTemplate>& templates() {
  static const std::vector<ChatTemplate> kTemplates = {
      llama3("llama3", "<|start_header_id|>system<|end_header_id|>\n\n", false),
      llama3("llama3.1",
             "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
             "Today Date: 26 Jul 2024\n\n",
             true),
      chatml("chatml", ""),
      chatml("qwen2", "You are a helpful assistant."),
      chatml("qwen2.5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
      chatml("smollm2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
      {"gemma",
       true,
       "",
       "",
       "",
       false,
       "<start_of_turn>user\n",
       "<end_of_turn>\n",
       "<start_of_turn>model\n",
       true,
       {"<start_of_turn>", "<end_of_turn>"}},
      {"mistral", true, "", "\n\n", "", false, "[INST] ", " [/INST]", "", false, {}},
      {"mistral-v3", true, "", "\n\n", "", false, "[INST] ", "[/INST]", "", false, {"[INST]", "[/INST]"}},
      {"phi3",
       false,
       "<|system|>\n",
       "<|end|>\n",
       "",
       false,
       "<|user|>\n",
       "<|end|>\n",
       "<|assistant|>\n",
       false,
       {"<|system|>", "<|user|>", "<|end|>", "<|assistant|>"}},
      {"olmo2", true, "<|system|>\n", "\n", "", false, "<|user|>\n", "\n", "<|assistant|>\n", false, {}},
  };
  return kTemplates;
}

const ChatTemplate& find_template(std::string_view name) {
  const auto& all = templates();
  const auto found = std::find_if(all.begin(), all.end(), [name](const ChatTemplate& t) { return t.name == name; });
  if (found != all.end()) return *found;
  fail_usage({.what = "no chat template of this name",
              .where = "--chat",
              .expected = join(chat_template_names(), ", "),
              .found = quoted_excerpt(name)});
}

bool is_mistral(const ChatTemplate& chat) { return chat.name.starts_with("mistral"); }

void refuse_system(const ChatTemplate& chat) {
  fail_usage({.what = str("the chat template ", chat.name, " takes no system message"),
              .where = "--system",
              .next_step = "put it into the prompt"});
}

std::string template_text(const fs::path& folder) {
  std::error_code ignored;
  const fs::path jinja = folder / "chat_template.jinja", config = folder / "tokenizer_config.json";
  if (fs::is_regular_file(jinja, ignored)) return read_file(jinja, kMaxTemplateBytes);
  if (!fs::is_regular_file(config, ignored)) return {};
  const Json json = Json::parse_file(config, kMaxTemplateBytes);
  const Json* text = json.find("chat_template");
  return text != nullptr && text->is_string() ? text->as_string("") : std::string();
}

struct Sign {
  std::string_view name;
  std::vector<std::string_view> marks;  // all occur in the template
};

const std::vector<Sign>& signs() {  // the first that fits
  static const std::vector<Sign> kSigns = {
      {"llama3.1", {"<|start_header_id|>", "Cutting Knowledge Date"}},
      {"llama3", {"<|start_header_id|>"}},
      {"gemma", {"<start_of_turn>", "System role not supported"}},
      {"qwen2.5", {"<|im_start|>", "You are Qwen, created by Alibaba Cloud"}},
      {"smollm2", {"<|im_start|>", "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>"}},
      {"qwen2", {"<|im_start|>", "You are a helpful assistant"}},
      {"phi3", {"<|user|>", "<|end|>", "<|assistant|>"}},
      {"olmo2", {"<|user|>", "<|assistant|>", "eos_token"}},
      {"mistral-v3", {"[INST]", "[AVAILABLE_TOOLS]"}},
      {"mistral", {"[INST]"}},
  };
  return kSigns;
}

bool fits(const Sign& sign, std::string_view text) {
  return std::all_of(sign.marks.begin(), sign.marks.end(),
                     [text](std::string_view mark) { return text.find(mark) != std::string_view::npos; });
}

// ChatML without a system message of its own; SmolLM3's writes the day's date and the mode of reasoning into it.
bool is_plain_chatml(std::string_view text) {
  return text.find("<|im_start|>") != std::string_view::npos && text.find("Reasoning Mode") == std::string_view::npos;
}

}  // namespace

const std::vector<std::string>& chat_template_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const ChatTemplate& chat : templates()) names.emplace_back(chat.name);
    return names;
  }();
  return kNames;
}

std::string chat_prompt(std::string_view name, std::string_view system, std::string_view user, std::string_view bos) {
  const ChatTemplate& chat = find_template(name);
  if (!system.empty() && chat.after_system.empty()) refuse_system(chat);
  std::string_view told = system.empty() ? chat.default_system : system;
  if (chat.trims) {
    told = strip_space(told);
    user = strip_space(user);
  }
  const bool has_system = chat.needs_system || !told.empty();
  const std::string block = has_system ? str(chat.before_system, told, chat.after_system) : "";
  const bool inside = is_mistral(chat);  // of the user's message
  return str(chat.starts_with_bos ? bos : "", inside ? "" : block, chat.before_user, inside ? block : "", user,
             chat.after_user, chat.before_answer);
}

std::vector<int32_t> chat_ids(const Tokenizer& tokenizer, std::string_view name, std::string_view system,
                              std::string_view user) {
  for (const std::string_view mark : find_template(name).marks) {
    const std::vector<int32_t> ids = tokenizer.encode(mark);
    if (ids.size() == 1 && tokenizer.decode(ids) == mark) continue;
    fail_usage({.what = str("the tokenizer has no token ", quoted_excerpt(mark), ", which the chat template ", name,
                            " consists of"),
                .where = "--chat",
                .next_step = "name the template of the model's family, or continue plain text without --chat"});
  }
  const auto bos = tokenizer.bos_id();
  const std::string bos_text = bos ? tokenizer.decode({&*bos, 1}) : std::string();
  return tokenizer.encode(chat_prompt(name, system, user, bos_text));
}

std::string recognised_chat_template(const std::string& model_folder) {
  const std::string text = template_text(model_folder);
  const auto& all = signs();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Sign& sign) { return fits(sign, text); });
  if (found != all.end()) return std::string(found->name);
  if (is_plain_chatml(text)) return "chatml";
  fail_usage({.what = text.empty() ? "the model has no chat template" : "the model's chat template is not known",
              .where = model_folder,
              .next_step = "name one with --chat: " + join(chat_template_names(), ", ")});
}

}  // namespace bt
