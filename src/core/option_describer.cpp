// describe_options.
#include <algorithm>
#include <iterator>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "each_field.h"
#include "option_value.h"

namespace bt {
namespace {

struct Row {
  std::string key, value, help;  // an empty value: the heading of a group
  bool operator==(const Row&) const = default;
};
using Rows = std::vector<Row>;

bool contains(const Rows& rows, const Row& row) { return std::find(rows.begin(), rows.end(), row) != rows.end(); }

// The rows that all lists have, in the order of the first.
Rows common_rows(const std::vector<Rows>& lists) {
  Rows common;
  for (const Row& row : lists.empty() ? Rows() : lists.front()) {
    const auto has_row = [&row](const Rows& rows) { return contains(rows, row); };
    if (std::all_of(lists.begin(), lists.end(), has_row)) common.push_back(row);
  }
  return common;
}

class Describer final : public EachField<Describer> {
 public:
  Describer(std::string prefix, Rows& rows) : prefix_(std::move(prefix)), rows_(rows) {}

  template <class T>
  void visit(std::string_view key, T& value, const FieldInfo& info) {
    rows_.push_back({str(prefix_, key), summary(value, info), info.help});
  }

  void group(std::string_view key, Options& value, std::string_view help) override {
    rows_.push_back({str(prefix_, key), "", std::string(help)});
    Describer nested(str(prefix_, key, "."), rows_);
    value.fields(nested);
  }

  void variant(std::string_view key, std::string_view selector, std::string& name, std::unique_ptr<Options>&,
               MakeOptions make, const std::vector<std::string>& names, std::string_view help) override {
    const std::string path = str(prefix_, key);
    rows_.push_back({path, "", std::string(help)});
    const FieldInfo info{.help = str("selects the keys of ", path), .choices = names, .required = name.empty()};
    Describer(path + ".", rows_).visit(selector, name, info);

    std::vector<Rows> lists;
    for (const std::string& choice : names) {
      const std::unique_ptr<Options> options = make(choice);
      BT_ASSERT(options != nullptr);
      Describer nested(path + ".", lists.emplace_back());
      options->fields(nested);
    }
    const Rows common = names.size() > 1 ? common_rows(lists) : Rows();
    add_section({path, "", str("with every ", selector)}, common, {});
    for (size_t i = 0; i < names.size(); ++i) {
      add_section({path, "", str("with ", selector, ": ", names[i])}, lists[i], common);
    }
  }

 private:
  void add_section(const Row& heading, const Rows& rows, const Rows& except) {
    Rows shown;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(shown),
                 [&except](const Row& row) { return !contains(except, row); });
    if (shown.empty()) return;
    rows_.push_back(heading);
    rows_.insert(rows_.end(), shown.begin(), shown.end());
  }

  // "integer >= 1, default 8"
  template <class T>
  static std::string summary(const T& value, const FieldInfo& info) {
    return domain_text(value, info) + (info.required ? ", required" : ", default " + option_text(value));
  }

  std::string prefix_;
  Rows& rows_;
};

// Pads to the widest of the column, but no wider than `limit`: one long entry does not push all others away.
std::string padded(const std::string& text, size_t width) {
  return text.size() >= width ? text : text + std::string(width - text.size(), ' ');
}

size_t column_width(const Rows& rows, std::string Row::*column, size_t limit) {
  size_t width = 0;
  for (const Row& row : rows) {
    if (const size_t size = (row.*column).size(); !row.value.empty() && size <= limit) width = std::max(width, size);
  }
  return width;
}

}  // namespace

std::string describe_options(Options& options) {
  Rows rows;
  Describer describer("", rows);
  options.fields(describer);

  const size_t key_width = column_width(rows, &Row::key, 36), value_width = column_width(rows, &Row::value, 36);
  std::string text;
  for (const Row& row : rows) {
    if (row.value.empty()) {
      text += str("\n", row.key, ": ", row.help, "\n");
    } else {
      std::string line = str("  ", padded(row.key, key_width), "  ", padded(row.value, value_width), "  ", row.help);
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
  }
  return text;
}

}  // namespace bt
