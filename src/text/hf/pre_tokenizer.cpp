#include "pre_tokenizer.h"

#include "bt/core/strings.h"
#include "byte_alphabet.h"
#include "code_points.h"
#include "split_step.h"

namespace bt::hf {
namespace {

constexpr char kGpt2Pattern[] = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A new text for the words, each rewritten by `rewrite(word, is_first, out)`.
template <class Rewrite>
void rewrite_words(Words& words, const Rewrite& rewrite) {
  std::string text;
  text.reserve(words.text.size() + words.text.size() / 4);
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const size_t begin = text.size();
    rewrite(words.word(words.spans[i]), i == 0, text);
    words.spans[i] = {begin, text.size()};
  }
  words.text = std::move(text);
}

class PrefixSpace final : public PreTokenizerStep {
 public:
  void apply(Words& words) const override {
    rewrite_words(words, [](std::string_view word, bool, std::string& out) {
      if (!word.starts_with(' ')) out += ' ';
      out += word;
    });
  }
};

class SpellBytes final : public PreTokenizerStep {
 public:
  void apply(Words& words) const override {
    rewrite_words(words, [](std::string_view word, bool, std::string& out) { append_spelled(out, word); });
  }
};

enum class Prepend { always, first, never };

Prepend prepend_of(const Component& component) {
  Prepend scheme = Prepend::always;
  if (component.find("prepend_scheme") != nullptr) {
    const std::string& name = component.text("prepend_scheme");
    if (name != "always" && name != "first" && name != "never") {
      component.refuse("prepend_scheme", "unknown value", "always, first or never");
    }
    scheme = name == "always" ? Prepend::always : name == "first" ? Prepend::first : Prepend::never;
  }
  if (component.flag("add_prefix_space", true) || scheme == Prepend::never) return scheme;
  if (component.find("prepend_scheme") != nullptr) {
    component.refuse("add_prefix_space", "contradicts prepend_scheme", "true, or prepend_scheme never");
  }
  return Prepend::never;
}

// Spaces become the replacement, which is also put in front.
class ReplaceSpaces final : public PreTokenizerStep {
 public:
  ReplaceSpaces(std::string replacement, Prepend prepend) : replacement_(std::move(replacement)), prepend_(prepend) {}

  void apply(Words& words) const override {
    rewrite_words(words, [&](std::string_view word, bool is_first, std::string& out) {
      const bool starts_so = word.starts_with(' ') || word.starts_with(replacement_);
      const bool wanted = prepend_ == Prepend::always || (prepend_ == Prepend::first && is_first && words.at_start);
      if (wanted && !starts_so) out += replacement_;
      for (const char c : word) {
        if (c == ' ') {
          out += replacement_;
        } else {
          out += c;
        }
      }
    });
  }

 private:
  std::string replacement_;
  Prepend prepend_;
};

using Steps = std::vector<std::unique_ptr<PreTokenizerStep>>;

void add_split(Steps& steps, SearchPattern pattern, SplitBehavior behavior, bool invert = false) {
  steps.push_back(std::make_unique<SplitStep>(std::move(pattern), behavior, invert));
}

void add_byte_level(Steps& steps, const Component& component) {
  if (component.flag("add_prefix_space", true)) steps.push_back(std::make_unique<PrefixSpace>());
  if (component.flag("use_regex", true)) {
    add_split(steps, SearchPattern::regex(kGpt2Pattern, component.where()), SplitBehavior::isolated);
  }
  steps.push_back(std::make_unique<SpellBytes>());
}

void add_metaspace(Steps& steps, const Component& component) {
  const std::string& replacement = component.text("replacement");
  if (utf8_sequence_length(replacement) != replacement.size() || replacement.empty()) {
    component.refuse("replacement", "not one character", "one character");
  }
  steps.push_back(std::make_unique<ReplaceSpaces>(replacement, prepend_of(component)));
  if (component.flag("split", true)) {
    add_split(steps, SearchPattern::literal(replacement), SplitBehavior::merged_with_next);
  }
}

void add_digits(Steps& steps, const Component& component) {
  const bool single = component.flag("individual_digits", false);
  add_split(steps, SearchPattern::regex(R"(\p{N})", component.where()),
            single ? SplitBehavior::isolated : SplitBehavior::contiguous);
}

void add_whitespace(Steps& steps, const Component& component) {
  // \w of Rust's regex crate, which unlike Oniguruma's takes the join controls.
  constexpr char kPattern[] = R"([\w\x{200c}\x{200d}]+|[^\w\s\x{200c}\x{200d}]+)";
  add_split(steps, SearchPattern::regex(kPattern, component.where()), SplitBehavior::removed, true);
}

void add_punctuation(Steps& steps, const Component& component) {
  constexpr char kPattern[] = R"([!-/:-@\[-`{-~\p{P}])";
  const bool named = component.find("behavior") != nullptr;
  add_split(steps, SearchPattern::regex(kPattern, component.where()),
            named ? split_behavior(component) : SplitBehavior::isolated);
}

void add_steps(Steps& steps, const Component& component) {
  const std::string type = component.type();
  if (type == "Sequence") {
    for (const Component& part : component.children("pretokenizers")) add_steps(steps, part);
  } else if (type == "ByteLevel") {
    add_byte_level(steps, component);
  } else if (type == "Split") {
    add_split(steps, SearchPattern::from(component), split_behavior(component), component.flag("invert", false));
  } else if (type == "Metaspace") {
    add_metaspace(steps, component);
  } else if (type == "Digits") {
    add_digits(steps, component);
  } else if (type == "Whitespace") {
    add_whitespace(steps, component);
  } else if (type == "WhitespaceSplit") {
    add_split(steps, SearchPattern::regex(R"(\s)", component.where()), SplitBehavior::removed);
  } else if (type == "Punctuation") {
    add_punctuation(steps, component);
  } else {
    component.refuse_type("Sequence, ByteLevel, Split, Metaspace, Digits, Whitespace, WhitespaceSplit or Punctuation");
  }
}

}  // namespace

PreTokenizer::PreTokenizer(const Component& component) {
  add_steps(steps_, component);
  if (!steps_.empty() && dynamic_cast<const SpellBytes*>(steps_.back().get()) != nullptr) {
    spells_bytes_ = true;
    steps_.pop_back();
  }
}

void PreTokenizer::split(Words& words) const {
  for (const auto& step : steps_) step->apply(words);
}

}  // namespace bt::hf
