#include "token_decoder.h"

#include "bt/core/strings.h"
#include "byte_alphabet.h"
#include "decode_steps.h"

namespace bt::hf {
namespace {

std::string unspelled(std::string_view token) {
  std::string bytes;
  return append_unspelled(bytes, token) ? bytes : std::string(token);
}

std::string byte_or_token(std::string_view token) {
  const int byte = byte_of_token(token);
  return byte < 0 ? std::string(token) : std::string(1, static_cast<char>(byte));
}

std::string one_character(const Component& component, std::string_view key) {
  const std::string& text = component.text(key);
  if (text.empty() || utf8_sequence_length(text) != text.size()) {
    component.refuse(key, "not one character", "one character");
  }
  return text;
}

bool drops_first(const Component& component) {
  if (component.find("prepend_scheme") != nullptr) return component.text("prepend_scheme") != "never";
  return component.flag("add_prefix_space", true);
}

}  // namespace

TokenDecoder::TokenDecoder(const Component& component) : joins_with_spaces_(false) { add(component); }

void TokenDecoder::need_tokens(const Component& component) const {
  if (fused_) component.refuse("type", "this decoder stands behind one that has fused the tokens", "it in front");
}

void TokenDecoder::add(const Component& component) {
  const std::string type = component.type();
  if (type == "Sequence") {
    for (const Component& part : component.children("decoders")) add(part);
  } else if (type == "ByteLevel") {
    need_tokens(component);
    steps_.emplace_back([] { return std::make_unique<UnspellBytes>(); });
    bytes_.emplace_back(unspelled);
    fused_ = true;
  } else if (type == "ByteFallback") {
    need_tokens(component);
    steps_.emplace_back([] { return std::make_unique<ByteFallback>(); });
    bytes_.emplace_back(byte_or_token);
  } else if (type == "Metaspace") {
    need_tokens(component);
    const std::string character = one_character(component, "replacement");
    const bool drops = drops_first(component);
    steps_.emplace_back([character, drops] { return std::make_unique<Metaspace>(character, drops); });
    bytes_.emplace_back(
        [character](std::string_view token) { return SearchPattern::literal(character).replace_all(token, " "); });
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Replace") {
    add_replace(component);
  } else if (type == "Strip") {
    add_strip(component);
  } else {
    component.refuse_type("Sequence, ByteLevel, ByteFallback, Metaspace, Fuse, Replace or Strip");
  }
}

void TokenDecoder::add_replace(const Component& component) {
  const SearchPattern pattern = SearchPattern::from(component);
  const std::string content = component.text("content");
  if (fused_) {
    steps_.emplace_back([pattern, content] { return std::make_unique<ReplaceInText>(pattern, content); });
  } else {
    steps_.emplace_back([pattern, content] { return std::make_unique<ReplaceInToken>(pattern, content); });
  }
  bytes_.emplace_back([pattern, content](std::string_view token) {
    return is_valid_utf8(token) ? pattern.replace_all(token, content) : std::string(token);
  });
}

void TokenDecoder::add_strip(const Component& component) {
  const StripCounts counts{one_character(component, "content"), component.count("start"), component.count("stop")};
  if (fused_) {  // the middle of a text keeps its tokens whole
    steps_.emplace_back([counts] { return std::make_unique<StripText>(counts); });
  } else {
    steps_.emplace_back([counts] { return std::make_unique<StripToken>(counts); });
    bytes_.emplace_back([counts](std::string_view token) { return std::string(StripToken::stripped(token, counts)); });
  }
}

std::vector<std::unique_ptr<DecodeStep>> TokenDecoder::start() const {
  std::vector<std::unique_ptr<DecodeStep>> steps;
  if (joins_with_spaces_) steps.push_back(std::make_unique<JoinWithSpaces>());
  for (const Make& make : steps_) steps.push_back(make());
  return steps;
}

std::string TokenDecoder::bytes_of(std::string_view token) const {
  std::string bytes(token);
  for (const BytesOf& step : bytes_) bytes = step(bytes);
  return bytes;
}

}  // namespace bt::hf
