#include "bt/eval/ahead_perplexity.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/data/branches.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"

namespace bt {
namespace {

const Append& append_of(const InferenceModel& model) {
  const Append* append = model.method() != nullptr ? model.method()->effects().append : nullptr;
  if (append == nullptr || append->kind() == AppendKind::recurrent) {
    fail_usage({.what = "the method's latents cannot be appended at many places of a text at once",
                .where = "--latent",
                .expected = "the folder of a method that does: dca, pause",
                .found = model.method() != nullptr ? std::string(model.method()->name()) : "none"});
  }
  return *append;
}

void check_context(const InferenceModel& model, const AheadOptions& options) {
  const int64_t longest = model.decoder().config.max_position;
  if (options.context <= longest) return;
  fail_usage({.what = "the texts are longer than the model's context",
              .where = "--context",
              .expected = str("at most ", longest),
              .found = str(options.context)});
}

std::vector<Example> texts_of(const InferenceModel& model, const std::vector<std::string>& documents, int64_t context) {
  std::vector<Example> texts;
  for (const std::string& document : documents) {
    const std::vector<int32_t> ids = model.encode(document);
    const auto length = static_cast<int64_t>(ids.size());
    for (int64_t begin = 0; begin + 1 < length; begin += context) {
      Example text{.source = static_cast<int64_t>(texts.size())};
      text.ids.assign(ids.begin() + begin, ids.begin() + std::min(begin + context, length));
      if (text.ids.size() < 2) continue;
      text.supervised.assign(text.ids.size(), 1);
      text.supervised.front() = 0;
      texts.push_back(std::move(text));
    }
  }
  if (!texts.empty()) return texts;
  fail_bad_file(
      {.what = "no text of two tokens to measure", .where = "the input", .found = str(documents.size(), " documents")});
}

BranchShape shape_of(const Append& append, int64_t ahead) {
  const bool from_cache = append.kind() == AppendKind::from_cache;
  return {append.count(), ahead, !from_cache || append.branches().shape.shifts_positions};
}

void add_batch(const InferenceModel& model, const std::vector<Example>& batch, const AheadOptions& options,
               AheadPerplexity& sum) {
  const TriggerOptions never{.kind = "none", .at_prompt_end = false};
  const Plan plan = with_branches(make_plan(batch, model.boundaries, never, model.eos_ids),
                                  {.shape = shape_of(append_of(model), options.ahead), .places = options.places},
                                  {.seed = options.seed});
  const DevicePlan device = to_device(plan, model.decoder().embedding.device());
  const Forward with = teacher_forced(model.decoder(), model.method(), device, {}),
                without = teacher_forced(model.decoder(), nullptr, device, {});
  const at::Tensor with_M = with.nll_M.to(at::kDouble).cpu(), without_M = without.nll_M.to(at::kDouble).cpu();
  const at::Tensor place_M = device.supervised_M.cpu(), position_M = place_M.remainder(options.ahead);
  at::Tensor gated_M = with_M;
  if (with.open_R.defined()) {
    const at::Tensor open_R = with.open_R.cpu();
    gated_M = at::where(open_R.index_select(0, place_M.floor_divide(options.ahead)), with_M, without_M);
    sum.open = sum.open.value_or(0) + open_R.sum().item<int64_t>();
  }
  for (int64_t m = 0; m < position_M.size(0); ++m) {
    AheadPosition& position = sum.positions[static_cast<size_t>(position_M[m].item<int64_t>())];
    position.nats_with += with_M[m].item<double>();
    position.nats_without += without_M[m].item<double>();
    position.nats_gated += gated_M[m].item<double>();
    ++position.tokens;
  }
  sum.texts += static_cast<int64_t>(batch.size());
  sum.places += static_cast<int64_t>(plan.branches.size());
}

double perplexity(double nats, int64_t tokens) { return std::exp(nats / static_cast<double>(tokens)); }

std::string row_text(const std::string& name, const AheadPosition& position, bool is_gated) {
  const double with = perplexity(position.nats_with, position.tokens),
               without = perplexity(position.nats_without, position.tokens),
               gated = perplexity(position.nats_gated, position.tokens);
  std::array<char, 128> line{}, more{};
  std::snprintf(line.data(), line.size(), "%8s %12.4f %12.4f %+9.2f %% %10lld", name.c_str(), without, with,
                100 * (with / without - 1), static_cast<long long>(position.tokens));
  if (is_gated) std::snprintf(more.data(), more.size(), " %12.4f %+9.2f %%", gated, 100 * (gated / without - 1));
  return str(line.data(), more.data(), "\n");
}

AheadPosition total(const AheadPerplexity& measured) {
  AheadPosition sum;
  for (const AheadPosition& position : measured.positions) {
    sum.nats_with += position.nats_with;
    sum.nats_without += position.nats_without;
    sum.nats_gated += position.nats_gated;
    sum.tokens += position.tokens;
  }
  return sum;
}

Json position_json(const AheadPosition& position, bool is_gated) {
  if (position.tokens == 0) return Json();
  Json json = Json::object({{"ppl", perplexity(position.nats_with, position.tokens)},
                            {"ppl_without", perplexity(position.nats_without, position.tokens)},
                            {"tokens", position.tokens}});
  if (is_gated) json.set("ppl_gated", perplexity(position.nats_gated, position.tokens));
  return json;
}

}  // namespace

AheadPerplexity measure_ahead_perplexity(const InferenceModel& model, const std::vector<std::string>& documents,
                                         const AheadOptions& options) {
  append_of(model);
  check_context(model, options);
  const at::NoGradGuard no_grad;
  const std::vector<Example> texts = texts_of(model, documents, options.context);
  AheadPerplexity measured;
  measured.positions.resize(static_cast<size_t>(options.ahead));
  const auto batch_size = static_cast<size_t>(options.batch_size);
  for (size_t begin = 0; begin < texts.size(); begin += batch_size) {
    const auto first = texts.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = static_cast<std::ptrdiff_t>(std::min(batch_size, texts.size() - begin));
    add_batch(model, {first, first + count}, options, measured);
  }
  return measured;
}

Json ahead_perplexity_json(const InferenceModel& model, const AheadOptions& options, const AheadPerplexity& measured) {
  Json positions = Json::array();
  const bool is_gated = measured.open.has_value();
  for (const AheadPosition& position : measured.positions) positions.push_back(position_json(position, is_gated));
  Json json = Json::object({{"all", position_json(total(measured), is_gated)},
                            {"positions", std::move(positions)},
                            {"texts", measured.texts},
                            {"places", measured.places},
                            {"places_per_text", options.places},
                            {"context", options.context},
                            {"seed", static_cast<int64_t>(options.seed)},
                            {"latents", append_of(model).count()},
                            {"model", model.path},
                            {"latent", model.latent_path},
                            {"method", std::string(model.method()->name())},
                            {"dtype", model.dtype_name()},
                            {"device", model.device_name()}});
  if (is_gated) json.set("open", *measured.open);
  return json;
}

std::string ahead_perplexity_text(const InferenceModel& model, const AheadOptions& options,
                                  const AheadPerplexity& measured) {
  const bool is_gated = measured.open.has_value();
  std::string text = "position      without         with    change     tokens";
  text += is_gated ? "        gated    change\n" : "\n";
  for (size_t place = 1; place <= measured.positions.size(); place *= 2) {
    const AheadPosition& position = measured.positions[place - 1];
    if (position.tokens > 0) text += row_text(str(place), position, is_gated);
  }
  text += row_text("all", total(measured), is_gated) +
          str("perplexity without and with ", append_of(model).count(), " latents of ", model.method()->name(), " at ",
              measured.places, " places of ", measured.texts, " texts, seed ", options.seed, ", ", model.dtype_name(),
              ", ", model.device_name(), "\n");
  if (is_gated) text += str("the gate is open at ", *measured.open, " of ", measured.places, " places\n");
  return text;
}

}  // namespace bt
