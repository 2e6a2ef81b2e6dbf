#include "bt/eval/perplexity.h"

#include <algorithm>
#include <cmath>

#include "bt/core/error.h"
#include "bt/core/numerals.h"
#include "bt/core/strings.h"
#include "bt/eval/scoring.h"

namespace bt {
namespace {

void check_window(const InferenceModel& model, const SlidingWindow& window) {
  BT_ASSERT(window.stride >= 1 && window.stride < window.context);
  if (const int64_t longest = model.decoder().config.max_position; window.context > longest) {
    fail_usage({.what = "the window is longer than the model's context",
                .where = "--context",
                .expected = str("at most ", longest),
                .found = str(window.context)});
  }
}

// The windows over one document, each with the first token that no earlier window has scored.
void add_windows(const std::vector<int32_t>& ids, const SlidingWindow& window, std::vector<ScoreRequest>& windows) {
  const auto length = static_cast<int64_t>(ids.size());
  int64_t scored = 1;  // tokens that are done, the first among them
  for (int64_t begin = 0; scored < length; begin += window.stride) {
    const int64_t end = std::min(begin + window.context, length);
    windows.push_back({.ids = {ids.begin() + begin, ids.begin() + end}, .first = scored - begin});
    scored = end;
  }
}

bool begins_with_bos(const InferenceModel& model) {
  const std::vector<int32_t> ids = model.encode("a");
  return !ids.empty() && model.tokenizer->bos_id() == ids.front();
}

std::string rounded(double value) { return number_text(std::round(value * 1e4) / 1e4); }

}  // namespace

double Perplexity::value() const { return std::exp(nats_per_token()); }

double Perplexity::bits_per_byte() const { return nats / std::log(2.0) / static_cast<double>(bytes); }

Perplexity measure_perplexity(const InferenceModel& model, const std::vector<std::string>& documents,
                              const SlidingWindow& window) {
  check_window(model, window);
  Perplexity measured{.documents = static_cast<int64_t>(documents.size())};
  std::vector<ScoreRequest> windows;
  for (const std::string& document : documents) {
    measured.bytes += static_cast<int64_t>(document.size());
    add_windows(model.encode(document), window, windows);
  }
  if (windows.empty()) {
    fail_bad_file({.what = "no text of two tokens to measure",
                   .where = "the input",
                   .found = str(documents.size(), " documents")});
  }
  measured.windows = static_cast<int64_t>(windows.size());
  for (const TextScore& scored : score(model, windows, window.batch_size)) {
    measured.nats -= scored.sum();
    measured.tokens += static_cast<int64_t>(scored.logprobs.size());
  }
  return measured;
}

Json perplexity_json(const InferenceModel& model, const SlidingWindow& window, const Perplexity& measured) {
  return Json::object({{"ppl", measured.value()},
                       {"nats_per_token", measured.nats_per_token()},
                       {"bits_per_byte", measured.bits_per_byte()},
                       {"tokens", measured.tokens},
                       {"bytes", measured.bytes},
                       {"documents", measured.documents},
                       {"windows", measured.windows},
                       {"context", window.context},
                       {"stride", window.stride},
                       {"bos", begins_with_bos(model)},
                       {"model", model.path},
                       {"latent", model.latent_path},
                       {"method", model.method() != nullptr ? Json(model.method()->name()) : Json()},
                       {"dtype", model.dtype_name()},
                       {"device", model.device_name()}});
}

std::string perplexity_text(const InferenceModel& model, const SlidingWindow& window, const Perplexity& measured) {
  return str("perplexity ", rounded(measured.value()), "  (", rounded(measured.nats_per_token()), " nats a token, ",
             rounded(measured.bits_per_byte()), " bits a byte)\n", measured.tokens, " tokens scored of ",
             measured.bytes, " bytes in ", measured.documents, " documents, ", measured.windows, " windows of ",
             window.context, " tokens, stride ", window.stride, "\n",
             begins_with_bos(model) ? "BOS in front of a document, not scored"
                                    : "no BOS: the first token of a document is not scored",
             "; method ", model.method() != nullptr ? model.method()->name() : "none", ", ", model.dtype_name(), ", ",
             model.device_name(), "\n");
}

}  // namespace bt
