#include "normalizer.h"

#include <vector>

#include "bt/core/strings.h"
#include "byte_alphabet.h"
#include "code_points.h"
#include "search_pattern.h"

namespace bt::hf {
namespace {

class Sequence final : public Normalizer {
 public:
  explicit Sequence(const Component& component) {
    for (const Component& part : component.children("normalizers")) parts_.push_back(make_normalizer(part));
  }
  void apply(Section& section) const override {
    for (const auto& part : parts_) part->apply(section);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

class UnicodeForm final : public Normalizer {
 public:
  explicit UnicodeForm(NormalForm form) : form_(form) {}
  void apply(Section& section) const override { section.text = to_normal_form(section.text, form_); }

 private:
  NormalForm form_;
};

class Lowercase final : public Normalizer {
 public:
  void apply(Section& section) const override { section.text = to_lower_case(section.text); }
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(const Component& component) : prefix_(component.text("prepend")) {}
  void apply(Section& section) const override {
    if (!section.text.empty()) section.text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(const Component& component)
      : pattern_(SearchPattern::from(component)), content_(component.text("content")) {}
  void apply(Section& section) const override { section.text = pattern_.replace_all(section.text, content_); }

 private:
  SearchPattern pattern_;
  std::string content_;
};

class Strip final : public Normalizer {
 public:
  explicit Strip(const Component& component)
      : left_(component.flag("strip_left", true)), right_(component.flag("strip_right", true)) {}

  void apply(Section& section) const override {
    std::string_view text = section.text;
    while (left_ && !text.empty() && is_white_space(code_point_of(text))) {
      text.remove_prefix(utf8_sequence_length(text));
      section.at_start = false;
    }
    while (right_ && !text.empty() && is_white_space(last_code_point_of(text))) {
      text.remove_suffix(last_character_of(text).size());
    }
    section.text = std::string(text);
  }

 private:
  bool left_, right_;
};

class StripAccents final : public Normalizer {
 public:
  void apply(Section& section) const override {
    std::string kept;
    for (std::string_view text = section.text; !text.empty();) {
      const size_t length = utf8_sequence_length(text);
      if (!is_mark(code_point_of(text))) kept += text.substr(0, length);
      text.remove_prefix(length);
    }
    section.text = std::move(kept);
  }
};

class SpellBytes final : public Normalizer {
 public:
  void apply(Section& section) const override {
    std::string spelled;
    append_spelled(spelled, section.text);
    section.text = std::move(spelled);
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const Component& component) {
  const std::string type = component.type();
  if (type == "Sequence") return std::make_unique<Sequence>(component);
  if (type == "NFC") return std::make_unique<UnicodeForm>(NormalForm::nfc);
  if (type == "NFD") return std::make_unique<UnicodeForm>(NormalForm::nfd);
  if (type == "NFKC") return std::make_unique<UnicodeForm>(NormalForm::nfkc);
  if (type == "NFKD") return std::make_unique<UnicodeForm>(NormalForm::nfkd);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "Prepend") return std::make_unique<Prepend>(component);
  if (type == "Replace") return std::make_unique<Replace>(component);
  if (type == "Strip") return std::make_unique<Strip>(component);
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "ByteLevel") return std::make_unique<SpellBytes>();
  component.refuse_type(
      "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents or ByteLevel");
}

}  // namespace bt::hf
