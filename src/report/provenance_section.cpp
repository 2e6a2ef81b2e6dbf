// Where the numbers came from.
#include "sections.h"

namespace bt::report {
namespace {

constexpr size_t kMostConfig = 65536, kMostFact = 4000;

Markup facts(const Provenance& run) {
  Markup out = element("dt", text("from"));
  out += element("dd", text(run.folder, kMostFact));
  for (const auto& [heading, value] : run.facts) {
    out += element("dt", text(heading));
    out += element("dd", text(value, kMostFact));
  }
  return element("dl", out);
}

Markup config(const Provenance& run) {
  if (run.config.empty()) return {};
  Markup out = element("summary", text("Configuration"));
  out += element("pre", text(run.config, kMostConfig));
  return element("details", out);
}

}  // namespace

Markup provenance_section(const std::vector<Provenance>& runs) {
  if (runs.empty()) return {};
  Markup out = element("h2", text("Provenance"));
  for (const Provenance& run : runs) {
    out += element("h3", text(run.name));
    out += facts(run);
    out += config(run);
  }
  return element("section", out);
}

}  // namespace bt::report
