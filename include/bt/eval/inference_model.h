// A trained model as inference uses it: decoder, tokenizer, and the latent method that acts on its cache.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bt/latent/method.h"
#include "bt/latent/saved_method.h"
#include "bt/model/decoder.h"
#include "bt/options/model_place.h"
#include "bt/text/boundaries.h"
#include "bt/text/tokenizer.h"

namespace bt {

// How a run of bt-train made its texts, as its folder tells (config.resolved.yaml).
struct TrainingText {
  std::string prompt_template;  // "{question}\n"
  bool add_bos = false;
  bool strip_calculator = false;  // GSM8K's <<48/2=24>> were removed
};

struct InferenceModel {
  std::string path, latent_path;  // latent_path is empty without a method
  std::unique_ptr<Tokenizer> tokenizer;
  BoundaryTable boundaries;
  Backbone backbone;
  SavedMethod latent;           // latent.method is null without one
  std::string rewrite_control;  // "none", or how what it writes is replaced (bt/latent/rewrite_control.h)
  TriggerOptions trigger;       // when the method acts; never, where it has no effect on the cache (LoRA)
  std::vector<int32_t> eos_ids;
  std::unique_ptr<TrainingText> training;  // null for a model that bt-train did not make
  ChatForm chat;                           // never auto

  const Decoder& decoder() const { return backbone.decoder; }
  const Method* method() const { return latent.method.get(); }
  std::string dtype_name() const;   // "float32"
  std::string device_name() const;  // "cuda:0"
  // Ids of a text that the model is to continue. BOS as in the model's training, else as its tokenizer's files say.
  // ExitCode::bad_file for a token that only the tokenizer has.
  std::vector<int32_t> encode(std::string_view text) const;
  // Ids of what a user says: in the chat template where one was asked for, else as `encode`.
  std::vector<int32_t> encode_prompt(std::string_view text) const;
  // Rows that the method's latents may add to a sequence's cache, at most.
  int64_t latent_rows(int64_t prompt_tokens, int64_t new_tokens) const;
};

// Opens everything without gradients. ExitCode::bad_file for missing or malformed files, or a method made for another
// backbone or tokenizer; ExitCode::usage for a GPU that is not there, or a chat template that is not known or that the
// tokenizer lacks the marks of; ExitCode::out_of_memory.
InferenceModel open_inference_model(const ModelPlace& place);

}  // namespace bt
