// describe_options.
#include <algorithm>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "each_field.h"
#include "option_value.h"

namespace bt {
namespace {

struct Row {
  std::string key, value, help;  // an empty value: the heading of a group
};

class Describer final : public EachField<Describer> {
 public:
  Describer(std::string prefix, std::vector<Row>& rows) : prefix_(std::move(prefix)), rows_(rows) {}

  template <class T>
  void visit(std::string_view key, T& value, const FieldInfo& info) {
    rows_.push_back({str(prefix_, key), summary(value, info), info.help});
  }

  void group(std::string_view key, Options& value, std::string_view help) override {
    rows_.push_back({str(prefix_, key), "", std::string(help)});
    describe(str(prefix_, key, "."), value);
  }

  void variant(std::string_view key, std::string_view selector, std::string& name, std::unique_ptr<Options>&,
               MakeOptions make, const std::vector<std::string>& names, std::string_view help) override {
    const std::string path = str(prefix_, key);
    rows_.push_back({path, "", std::string(help)});
    const FieldInfo info{.help = str("selects the keys of ", path), .choices = names, .required = name.empty()};
    Describer(path + ".", rows_).visit(selector, name, info);
    for (const std::string& choice : names) {
      const std::unique_ptr<Options> options = make(choice);
      BT_ASSERT(options != nullptr);
      rows_.push_back({path, "", str("with ", selector, ": ", choice)});
      describe(path + ".", *options);
    }
  }

 private:
  void describe(std::string prefix, Options& options) {
    Describer nested(std::move(prefix), rows_);
    options.fields(nested);
  }

  // "integer = 8, >= 1", "cosine | constant, default cosine"
  template <class T>
  static std::string summary(const T& value, const FieldInfo& info) {
    const std::string constraint = constraint_text(info);
    const std::string fallback = info.required ? ", required" : ", default " + option_text(value);
    if (!info.choices.empty()) return constraint + fallback;
    return option_type(value) + (constraint.empty() ? "" : " " + constraint) + fallback;
  }

  std::string prefix_;
  std::vector<Row>& rows_;
};

// Pads to the widest of the column, but no wider than `limit`: one long entry does not push all others away.
std::string padded(const std::string& text, size_t width) {
  return text.size() >= width ? text : text + std::string(width - text.size(), ' ');
}

size_t column_width(const std::vector<Row>& rows, std::string Row::* column, size_t limit) {
  size_t width = 0;
  for (const Row& row : rows) {
    if (const size_t size = (row.*column).size(); !row.value.empty() && size <= limit) width = std::max(width, size);
  }
  return width;
}

}  // namespace

std::string describe_options(Options& options) {
  std::vector<Row> rows;
  Describer describer("", rows);
  options.fields(describer);

  const size_t key_width = column_width(rows, &Row::key, 36), value_width = column_width(rows, &Row::value, 36);
  std::string text;
  for (const Row& row : rows) {
    if (row.value.empty()) {
      text += str("\n", row.key, ": ", row.help, "\n");
    } else {
      text += str("  ", padded(row.key, key_width), "  ", padded(row.value, value_width), "  ", row.help, "\n");
    }
  }
  return text;
}

}  // namespace bt
