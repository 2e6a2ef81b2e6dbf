#include "machine_options.h"

#include <filesystem>

#include "bt/core/error.h"
#include "bt/format/load_mode.h"
#include "bt/text/chat_template.h"

namespace bt {

void model_fields(OptionFields& f, ModelPlace& place) {
  f.field("model", place.model, {.help = "Hugging Face folder of the decoder", .required = true});
  f.field("latent", place.latent,
          {.help = "folder of a trained latent method, or PEFT's; without it the decoder alone"});
  f.field("plugins", place.plugins, {.help = "shared libraries that add methods, separated by commas"});
  f.field("allow_other_backbone", place.allow_other_backbone,
          {.help = "attach the method to other weights of the same shape than it was trained on"});
  f.field(
      "rewrite_control", place.rewrite_control,
      {.help = "what a rewriting method writes is replaced: by random changes of equal length, or by those made for "
               "another text",
       .choices = {"none", "random", "swapped"}});
}

void load_field(OptionFields& f, std::string& load) {
  f.field("load", load,
          {.help = "how weights are read; mmap: through mapped pages, not for network file systems",
           .choices = load_mode_names()});
}

void machine_fields(OptionFields& f, std::string& device, std::string& dtype, int64_t& threads) {
  f.field("device", device, {.help = "cpu, cuda, cuda:N or auto (a GPU where there is one)"});
  f.field("dtype", dtype, {.help = "of weights and computation", .choices = {"float32", "float64", "bfloat16"}});
  f.field("threads", threads, {.help = "CPU threads; 0: one per core", .min = 0, .max = 1024});
}

void machine_fields(OptionFields& f, ModelPlace& place) {
  load_field(f, place.load);
  machine_fields(f, place.device, place.dtype, place.threads);
}

void chat_fields(OptionFields& f, ChatForm& chat) {
  std::vector<std::string> names = {"none", "auto"};
  names.insert(names.end(), chat_template_names().begin(), chat_template_names().end());
  f.field("chat", chat.name,
          {.help = "prompts are a user's message in this chat template; auto: the one in the model's folder",
           .choices = std::move(names)});
  f.field("system", chat.system, {.help = "system message of the chat template; default: its own"});
}

namespace {

void check_chat(const ChatForm& chat) {
  if (chat.name != "none" || chat.system.empty()) return;
  fail_usage({.what = "a system message needs a chat template",
              .where = "--system",
              .next_step = "name the template with --chat, or --chat auto"});
}

void check_control(const ModelPlace& place) {
  if (place.rewrite_control == "none" || !place.latent.empty()) return;
  fail_usage({.what = "a control replaces what a method writes, but there is no method",
              .where = "--rewrite-control",
              .next_step = "name the method's folder with --latent"});
}

}  // namespace

void check_device(const std::string& device) {
  const bool numbered = device.starts_with("cuda:") && device.size() > 5 && device.size() <= 8 &&
                        device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (device == "auto" || device == "cpu" || device == "cuda" || numbered) return;
  fail_usage({.what = "unknown device", .where = "--device", .expected = "cpu, cuda, cuda:N or auto", .found = device});
}

void check_place(const ModelPlace& place) {
  check_chat(place.chat);
  check_control(place);
  check_device(place.device);
}

void need_model(const ModelPlace& place) {
  need_file(place.model + "/config.json", "the model's config");
  need_folder(place.latent, "the latent method's folder");
}

void need_file(const std::string& path, const std::string& what) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) return;
  fail_bad_file({.what = what + " is missing", .where = path, .expected = "a file", .found = "none"});
}

void need_folder(const std::string& path, const std::string& what) {
  std::error_code ignored;
  if (path.empty() || std::filesystem::is_directory(path, ignored)) return;
  fail_bad_file({.what = what + " is missing", .where = path, .expected = "a folder", .found = "none"});
}

}  // namespace bt
