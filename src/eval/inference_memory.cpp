#include "inference_memory.h"

#include "bt/runtime/decoding_memory.h"
#include "bt/train/setup.h"

namespace bt {
namespace {

int64_t weight_bytes(const Backbone& backbone) {
  return backbone.parameters->count() * static_cast<int64_t>(backbone.decoder.embedding.element_size());
}

}  // namespace

const Remedies& inference_remedies() {
  static const char* const kTexts = "--batch-size, shorter texts, --dtype bfloat16";
  static const Remedies all = {
      {"weights", "--dtype bfloat16, a smaller model, --device (one with more memory)"},
      {"method", "--dtype bfloat16, a smaller method, --device (one with more memory)"},
      {"cache", "--batch-size, --max-new-tokens, --dtype bfloat16"},
      {"queries", "--batch-size, --dtype bfloat16, a method with fewer latent.recent rows"},
      {"step", "--batch-size, --max-new-tokens, --dtype bfloat16"},
      {"activations", kTexts},
      {"logits", kTexts},
      {"scores", kTexts},
  };
  return all;
}

MemoryClasses loading_memory(const ModelPlace& place) {
  return {{"weights", weight_bytes(outline_backbone(place.model, scalar_type(place.dtype), false))}};
}

MemoryClasses generation_memory(const InferenceModel& model, const DecodingShape& shape) {
  DecodingShape on_device = shape;
  on_device.fixed_steps = shape.fixed_steps || model.decoder().embedding.is_cuda();
  const DecodingMemory memory = decoding_memory(model.decoder(), model.method(), on_device);
  return {{"weights", weight_bytes(model.backbone)},
          {"method", memory.method},
          {"cache", memory.cache},
          {"queries", memory.queries},
          {"step", memory.step}};
}

MemoryClasses scoring_memory(const InferenceModel& model, const Method* method, const DevicePlan& plan) {
  const at::Tensor& embedding = model.decoder().embedding;
  const auto* parameters = method != nullptr ? method->parameters() : nullptr;
  return estimate_memory({.backbone_parameters = model.backbone.parameters->count(),
                          .method_parameters = parameters != nullptr ? parameters->count() : 0,
                          .element_bytes = static_cast<int64_t>(embedding.element_size()),
                          .pass = pass_memory(model.decoder(), plan,
                                              {.element_bytes = static_cast<int64_t>(embedding.element_size()),
                                               .on_cpu = embedding.is_cpu(),
                                               .records = false,
                                               .trains_backbone = false})});
}

}  // namespace bt
