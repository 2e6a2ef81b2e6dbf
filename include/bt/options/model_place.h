// Where a trained model lies and how it is to be run: what every program that runs one is told. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bt {

// How a user's text becomes a prompt (bt/text/chat_template.h).
struct ChatForm {
  std::string name = "none";  // of a template; none: the text as it is; auto: the template in the model's folder
  std::string system;         // empty: the template's own message, if it has one
};

struct ModelPlace {
  std::string model;                     // Hugging Face folder
  std::string latent;                    // folder of a trained method; empty: none
  std::vector<std::string> plugins;      // shared libraries that add methods
  bool allow_other_backbone = false;     // attach it to other weights of the same shape than it was trained on
  std::string rewrite_control = "none";  // none | random | swapped (bt/latent/rewrite_control.h)
  ChatForm chat = {};
  std::string load = "read";    // mmap | read (bt/format/load_mode.h)
  std::string device = "auto";  // cpu | cuda | cuda:N | auto
  std::string dtype = "float32";
  int64_t threads = 0;  // 0: one per core
};

}  // namespace bt
