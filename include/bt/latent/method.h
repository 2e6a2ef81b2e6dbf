// A latent method: its effects, its parameters and what it needs of the backbone. Methods register by name.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bt/core/json.h"
#include "bt/core/option_fields.h"
#include "bt/latent/effects.h"
#include "bt/model/decoder.h"
#include "bt/model/parameters.h"

namespace bt {

enum class BackboneMode { frozen, trained, adapters };

// Files that data.prompt and data.response make texts of. A text's row: the stream at its last token, or the mean over
// its response.
struct ContrastTexts {
  std::string positive, negative;
  bool last_token = false;
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;
  virtual Effects effects() const { return {}; }
  virtual BackboneMode backbone() const { return BackboneMode::frozen; }
  virtual ParameterStore* parameters() { return nullptr; }  // null: nothing to train
  const ParameterStore* parameters() const { return const_cast<Method*>(this)->parameters(); }
  // Tensors saved with the parameters but not trained (calibration scales). Loading copies into them.
  virtual std::vector<std::pair<std::string, at::Tensor>> buffers() { return {}; }
  // Writes parameters and buffers into a folder, and copies them from it. Default: processor.safetensors; adapters are
  // a PEFT folder. `base_model`: where the backbone came from, for people. ExitCode::io; ExitCode::bad_file when
  // reading.
  virtual void save_weights(const std::string& folder, const std::string& base_model) const;
  virtual void load_weights(const std::string& folder);
  // The decoder as this method runs it: adapters are attached here. Default: as it is.
  virtual Decoder attach(const Decoder& decoder) const { return decoder; }
  // Takes initial values from the backbone: of a new method, before its training.
  virtual void start_from(const Decoder& /*backbone*/) {}
  // Measures what the method needs of a decoder before training: `keys` and `values` of one layer, [rows, G, D].
  virtual bool wants_calibration() const { return false; }
  virtual void calibrate(int64_t /*layer*/, const at::Tensor& /*k_RGD*/, const at::Tensor& /*v_RGD*/) {}
  // Two sets of texts that the method tells apart before training, and the residual stream that enters a layer on them:
  // [texts, C], one row a text.
  virtual std::optional<ContrastTexts> contrast() const { return {}; }
  virtual void measure_contrast(int64_t /*layer*/, const at::Tensor& /*positive_RC*/,
                                const at::Tensor& /*negative_RC*/) {}
  // Figures of its own for metrics.jsonl: numbers, or lists of a number per layer. Default: none.
  virtual Json figures() const { return Json::object(); }
};

// The shape of the backbone a method is made for, and where its parameters live.
struct MethodContext {
  ModelConfig model;
  c10::TensorOptions options;  // dtype and device of the parameters
  uint64_t seed = 0;
  bool trainable = true;  // false: for use alone, without gradients and masters (ParameterStore)
  // Of what a method measures and keeps as numbers: a scale rounded to 16 bits would be off by up to 0.4 % for good.
  c10::TensorOptions measured() const;
};

using MakeMethod = std::unique_ptr<Method> (*)(const Options& options, const MethodContext& context);

// Called at start-up, once per method (methods.inc), and by plug-ins. The torch-free half (name, option struct) is
// registered in options/method_options.h under the same name.
void register_method(std::string_view name, MakeMethod make);
// `options` as made by the method's schema. ExitCode::usage for an unknown name.
std::unique_ptr<Method> make_method(std::string_view name, const Options& options, const MethodContext& context);

}  // namespace bt
