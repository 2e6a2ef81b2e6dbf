#include "bt/core/error.h"
#include "bt/options/method_options.h"

namespace bt {

void AppendRowsOptions::validate() const {
  BtOptions::validate();
  if (calls == "learned") {
    fail_usage({.what = "rows that were not changed would be appended all the same",
                .where = "latent.calls",
                .expected = "always",
                .found = calls});
  }
  if (rows.recall_by != "random") return;
  fail_usage({.what = "random recall draws by row number, and appended rows have none that every engine shares",
              .where = "latent.recall_by",
              .expected = "mass or newest",
              .found = rows.recall_by});
}

}  // namespace bt
