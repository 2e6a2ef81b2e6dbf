// A tokenizer's file and those that lie beside it, carried along into every folder that a model is saved to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bt {

inline constexpr char kTokenizerJsonFile[] = "tokenizer.json";
inline constexpr char kSentencePieceFile[] = "tokenizer.model";
inline constexpr char kTokenizerConfigFile[] = "tokenizer_config.json";

class TokenizerFiles {
 public:
  // Reads `file`, and tokenizer_config.json, special_tokens_map.json, added_tokens.json, chat_template.jinja and the
  // tokenizer file of the other kind where they lie in the same folder.
  TokenizerFiles(const std::string& file, uint64_t max_bytes);

  const std::string& path() const { return path_; }
  const std::string& bytes() const { return files_.front().second; }  // of the tokenizer's own file
  const std::string* find(std::string_view name) const;               // a file beside it, or nullptr
  std::string fingerprint() const;                                    // SHA-256 of its own file

  // The text of a special token ("bos_token"), stated as a string or as an object with "content" in
  // tokenizer_config.json or, failing that, special_tokens_map.json.
  std::optional<std::string> special_token(std::string_view key) const;
  // A flag of tokenizer_config.json.
  bool config_flag(std::string_view key, bool otherwise) const;

  void save(const std::string& folder) const;

 private:
  std::string path_;
  std::vector<std::pair<std::string, std::string>> files_;  // name and bytes; the tokenizer's own first
};

}  // namespace bt
