// write_options_yaml.
#include <utility>

#include "bt/core/strings.h"
#include "each_field.h"
#include "option_value.h"

namespace bt {
namespace {

class YamlWriter final : public EachField<YamlWriter> {
 public:
  explicit YamlWriter(size_t indent) : indent_(indent) {}

  std::string take_text() { return std::move(text_); }

  template <class T>
  void visit(std::string_view key, T& value, const FieldInfo&) {
    add_line(key, option_text(std::as_const(value)));
  }

  void group(std::string_view key, Options& value, std::string_view) override { add_map(key, "", value); }

  void variant(std::string_view key, std::string_view selector, std::string& name, std::unique_ptr<Options>& value,
               MakeOptions, const std::vector<std::string>&, std::string_view) override {
    if (value == nullptr) return add_line(key, "null");
    add_map(key, line(indent_ + kStep, selector, option_text(name)), *value);
  }

 private:
  static constexpr size_t kStep = 2;

  static std::string line(size_t indent, std::string_view key, std::string_view value) {
    return str(std::string(indent, ' '), key, ":", value.empty() ? "" : " ", value, "\n");
  }

  void add_line(std::string_view key, std::string_view value) { text_ += line(indent_, key, value); }

  void add_map(std::string_view key, const std::string& first_lines, Options& value) {
    YamlWriter nested(indent_ + kStep);
    value.fields(nested);
    const std::string lines = first_lines + nested.text_;
    add_line(key, lines.empty() ? "{}" : "");
    text_ += lines;
  }

  size_t indent_;
  std::string text_;
};

}  // namespace

std::string write_options_yaml(Options& options) {
  YamlWriter writer(0);
  options.fields(writer);
  return writer.take_text();
}

}  // namespace bt
