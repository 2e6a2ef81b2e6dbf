#include "tokenizer_files.h"

#include <algorithm>
#include <filesystem>

#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

constexpr char kSpecialTokensFile[] = "special_tokens_map.json";
constexpr const char* kCarried[] = {kTokenizerJsonFile, kSentencePieceFile,  kTokenizerConfigFile,
                                    kSpecialTokensFile, "added_tokens.json", "chat_template.jinja"};

}  // namespace

TokenizerFiles::TokenizerFiles(const std::string& file, uint64_t max_bytes) : path_(file) {
  const fs::path own = file;
  // Under the name by which it is found again.
  const char* name = own.extension() == ".json" ? kTokenizerJsonFile : kSentencePieceFile;
  files_.emplace_back(name, read_file(file, max_bytes));
  for (const char* carried : kCarried) {
    const fs::path beside = fs::path(own).replace_filename(carried);
    std::error_code ignored;
    if (beside == own || std::string_view(carried) == name || !fs::is_regular_file(beside, ignored)) continue;
    files_.emplace_back(carried, read_file(beside, max_bytes));
  }
}

const std::string* TokenizerFiles::find(std::string_view name) const {
  const auto found =
      std::find_if(files_.begin(), files_.end(), [name](const auto& file) { return file.first == name; });
  return found == files_.end() ? nullptr : &found->second;
}

std::string TokenizerFiles::fingerprint() const { return sha256_hex(bytes()); }

std::optional<std::string> TokenizerFiles::special_token(std::string_view key) const {
  for (const char* name : {kTokenizerConfigFile, kSpecialTokensFile}) {
    const std::string* text = find(name);
    if (text == nullptr) continue;
    const std::string file = fs::path(path_).replace_filename(name);
    const Json json = Json::parse(*text, file);
    const Json* token = json.find(key);
    if (token == nullptr || token->is_null()) continue;
    const std::string where = str(file, ": ", key);
    return token->is_object() ? token->at("content", where).as_string(where) : token->as_string(where);
  }
  return std::nullopt;
}

bool TokenizerFiles::config_flag(std::string_view key, bool otherwise) const {
  const std::string* text = find(kTokenizerConfigFile);
  if (text == nullptr) return otherwise;
  const std::string file = fs::path(path_).replace_filename(kTokenizerConfigFile);
  const Json json = Json::parse(*text, file);
  const Json* value = json.find(key);
  return value == nullptr || value->is_null() ? otherwise : value->as_bool(str(file, ": ", key));
}

void TokenizerFiles::save(const std::string& folder) const {
  for (const auto& [name, bytes] : files_) write_file_atomically(fs::path(folder) / name, bytes);
}

}  // namespace bt
