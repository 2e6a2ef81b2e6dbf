#include "post_processor.h"

#include "bt/core/strings.h"

namespace bt::hf {
namespace {

std::vector<int32_t> ids_of_special(const Component& component, const std::string& name) {
  const Component all = component.child("special_tokens");
  if (all.find(name) == nullptr) component.refuse("special_tokens", "no entry for " + quoted_excerpt(name), "one");
  const Component special = all.child(name);
  std::vector<int32_t> ids;
  for (const Json& id : special.child("ids").json().as_array(special.place("ids"))) {
    const int64_t value = id.as_int(special.place("ids"));
    if (value < 0 || value > INT32_MAX) special.refuse("ids", "token id out of range", "ids of the vocabulary");
    ids.push_back(static_cast<int32_t>(value));
  }
  return ids;
}

// {"SpecialToken": {"id": "<s>"}} and {"Sequence": {"id": "A"}}, the text itself, in their order.
SpecialFrame frame_of_template(const Component& component) {
  SpecialFrame frame;
  int texts = 0;
  for (const Component& item : component.children("single")) {
    if (item.find("Sequence") != nullptr) {
      ++texts;
      continue;
    }
    const std::vector<int32_t> ids = ids_of_special(component, item.child("SpecialToken").text("id"));
    std::vector<int32_t>& side = texts == 0 ? frame.before : frame.after;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (texts != 1) component.refuse("single", "not a template for one text", "exactly one Sequence");
  return frame;
}

// ["[CLS]", 101]
int32_t id_of_pair(const Component& component, std::string_view key) {
  const Json::Array& pair = component.child(key).json().as_array(component.place(key));
  const int64_t id = pair.size() == 2 ? pair[1].as_int(component.place(key)) : -1;
  if (id < 0 || id > INT32_MAX) component.refuse(key, "not a special token", R"(["token", id])");
  return static_cast<int32_t>(id);
}

}  // namespace

SpecialFrame read_post_processor(const Component& component) {
  const std::string type = component.type();
  SpecialFrame frame;
  if (type == "TemplateProcessing") return frame_of_template(component);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    frame.before = {id_of_pair(component, "cls")};
    frame.after = {id_of_pair(component, "sep")};
  } else if (type == "Sequence") {
    for (const Component& part : component.children("processors")) {
      const SpecialFrame inner = read_post_processor(part);
      frame.before.insert(frame.before.begin(), inner.before.begin(), inner.before.end());
      frame.after.insert(frame.after.end(), inner.after.begin(), inner.after.end());
    }
  } else if (type != "ByteLevel") {  // which moves offsets only
    component.refuse_type("Sequence, TemplateProcessing, ByteLevel, BertProcessing or RobertaProcessing");
  }
  return frame;
}

}  // namespace bt::hf
