// One token per byte, then bos, eos and pad: no training, no unknown text.
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "tokenizer_kinds.h"

namespace bt {
namespace {

constexpr int32_t kBytes = 256, kBos = 256, kEos = 257, kPad = 258, kVocab = 259;
constexpr char kSpecialText[][6] = {"<s>", "</s>", "<pad>"};

std::string description() {
  Json json = Json::object();
  json.set("type", "bytes");
  json.set("vocab_size", kVocab);
  json.set("bos_id", kBos);
  json.set("eos_id", kEos);
  json.set("pad_id", kPad);
  return json.dump(2) + "\n";
}

class ByteTokenizer final : public Tokenizer {
  class DecodingBytes final : public Decoding {
   public:
    DecodingBytes(const ByteTokenizer& tokenizer, bool skip_special)
        : tokenizer_(tokenizer), skip_special_(skip_special) {}

    void push(int32_t id, std::string& out) override {
      if (!tokenizer_.is_special(id)) {
        out += static_cast<char>(id);
      } else if (!skip_special_) {
        out += kSpecialText[id - kBos];
      }
    }
    void finish(std::string&) override {}

   private:
    const ByteTokenizer& tokenizer_;
    bool skip_special_;
  };

 public:
  int64_t vocab_size() const override { return kVocab; }

  std::vector<int32_t> encode(std::string_view text, bool add_special) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() + 1);
    if (add_special) ids.push_back(kBos);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }

  std::unique_ptr<Decoding> start_decoding(bool skip_special) const override {
    return std::make_unique<DecodingBytes>(*this, skip_special);
  }

  std::string token_bytes(int32_t id) const override {
    return is_special(id) ? std::string() : std::string(1, static_cast<char>(id));
  }

  bool is_special(int32_t id) const override {
    if (id < 0 || id >= kVocab) {
      fail_bad_file(
          {.what = "token id is outside the vocabulary", .expected = "0 to 258", .found = std::to_string(id)});
    }
    return id >= kBytes;
  }

  std::optional<int32_t> bos_id() const override { return kBos; }
  std::optional<int32_t> eos_id() const override { return kEos; }
  std::optional<int32_t> pad_id() const override { return kPad; }
  std::string fingerprint() const override { return sha256_hex(description()); }

  void save(const std::string& folder) const override {
    write_file_atomically(std::filesystem::path(folder) / kByteTokenizerFile, description());
  }
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer() { return std::make_unique<ByteTokenizer>(); }

std::unique_ptr<Tokenizer> load_byte_tokenizer(const std::string& file) {
  if (Json::parse_file(file, 1 << 16) != Json::parse(description(), kByteTokenizerFile)) {
    fail_bad_file({.what = "not a byte tokenizer",
                   .where = file,
                   .expected = "the file that this program writes for the tokenizer `bytes`",
                   .next_step = "a Hugging Face tokenizer is named tokenizer.json or tokenizer.model"});
  }
  return make_byte_tokenizer();
}

}  // namespace bt
