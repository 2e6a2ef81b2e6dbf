// Chat templates by name: one user message, and a system message, as the families' instruct models expect them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bt/text/tokenizer.h"

namespace bt {

// There is no engine for Jinja templates: these texts are built in.
// - llama3: Llama 3, <|start_header_id|>user<|end_header_id|> ...
// - llama3.1: Llama 3.1 to 3.3, the same behind the system block with the two dates (26 Jul 2024, the template's own)
// - chatml: Qwen3 and others, <|im_start|>user ... without a system message of its own
// - qwen2: Qwen2, chatml with the system message "You are a helpful assistant."
// - qwen2.5: Qwen2.5, chatml with Qwen's introduction
// - smollm2: SmolLM2, chatml with SmolLM's introduction
// - gemma: Gemma and Gemma 2, <start_of_turn>user ...; takes no system message
// - mistral: Mistral 7B v0.1 and v0.2, [INST] ... [/INST]; a system message precedes the user's, as in the templates
// - mistral-v3: Mistral 7B v0.3, the same without the space before [/INST]
// - phi3: Phi-3, <|user|> ... <|end|>
// - olmo2: OLMo 2, <|user|> ...
const std::vector<std::string>& chat_template_names();

// The prompt up to where the answer begins, the text of the beginning-of-text token included where the template has it.
// An empty `system` means the template's own, if it has one. ExitCode::usage for an unknown name, or a system message
// that the template does not take.
std::string chat_prompt(std::string_view name, std::string_view system, std::string_view user, std::string_view bos);

// Its ids: nothing is added around them. ExitCode::usage where the tokenizer lacks one of the template's marks, as a
// base model's or another family's does.
std::vector<int32_t> chat_ids(const Tokenizer& tokenizer, std::string_view name, std::string_view system,
                              std::string_view user);

// The name for the template that lies in a model's folder (chat_template.jinja, or "chat_template" of
// tokenizer_config.json), told by the marks in its text. ExitCode::usage when there is none or it is not known.
std::string recognised_chat_template(const std::string& model_folder);

}  // namespace bt
