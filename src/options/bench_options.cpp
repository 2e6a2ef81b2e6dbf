#include "bt/options/bench_options.h"

#include "bt/core/error.h"
#include "machine_options.h"

namespace bt {

void BenchOptions::fields(OptionFields& f) {
  f.field("filter", filter, {.help = "only benches whose name holds this text"});
  f.field("json", json, {.help = "file for the results"});
  f.field("repetitions", repetitions, {.help = "timed runs of every variant", .min = 5, .max = 10000});
  f.field("clock", clock,
          {.help = "cpu: time of the process, for --threads 1 on a busy machine", .choices = {"wall", "cpu"}});
  f.field("scale", scale,
          {.help = "sizes of the benches; auto: large on a GPU of 80 GB, small on a CPU",
           .choices = {"auto", "small", "large"}});
  machine_fields(f, device, dtype, threads);
}

void BenchOptions::validate() const {
  check_device(device);
  if (clock == "cpu" && (device != "cpu" || threads != 1)) {
    fail_usage({.what = "the process's CPU time says nothing about several threads or a GPU",
                .where = "--clock",
                .found = "cpu",
                .next_step = "add --device cpu --threads 1, or leave --clock out"});
  }
}

void LoadBenchOptions::fields(OptionFields& f) {
  f.field("model", model, {.help = "Hugging Face folder whose weights are read", .required = true});
  f.field("json", json, {.help = "file for the results"});
  f.field("repetitions", repetitions, {.help = "timed rounds", .min = 1, .max = 1000});
  f.field("threads", threads, {.help = "CPU threads; 0: one per core", .min = 0, .max = 1024});
}

void check_files(const LoadBenchOptions& options) { need_model({.model = options.model}); }

}  // namespace bt
