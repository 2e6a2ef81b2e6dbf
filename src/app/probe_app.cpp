#include "bt/app/probe_app.h"

#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/eval/probe.h"
#include "bt/options/eval_options.h"
#include "bt/text/json_lines.h"
#include "results.h"

namespace bt {
namespace {

int probe_file(const ProbeRunOptions& options) {
  InferenceModel model = open_inference_model(options.place);
  std::vector<ProbeText> texts;
  for (const Json& line : read_json_lines(options.input))
    texts.push_back(read_probe_text(model, line, str(options.input, ": object ", texts.size() + 1)));
  const ProbeOptions chosen{.rows = options.rows, .ridge = options.ridge, .batch_size = options.batch_size};
  const std::vector<Probe> probes = probe(model, texts, chosen);
  print_and_write(probes_text(probes), [&] {
    if (options.output.empty()) return;
    write_file_atomically(options.output, probes_json(model, chosen, probes).dump(2) + "\n");
    log::info("wrote " + options.output);
  });
  return 0;
}

}  // namespace
}  // namespace bt

int bt_app_probe(const void* request) { return bt::probe_file(*static_cast<const bt::ProbeRunOptions*>(request)); }
