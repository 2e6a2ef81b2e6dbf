// The cache operators against the plain composition a reader would write.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bench.h"
#include "bt/core/strings.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

constexpr int64_t kEvents = 16, kQueries = 25, kHeads = 8, kGroups = 4, kRows = 250, kWidth = 32, kRecall = 32,
                  kChosen = 57;
constexpr int64_t kEntry = 2 * kGroups * kWidth;
constexpr const char* kShape = "16 sequences, 25 queries, 8 heads, 4 groups of 32, 250 rows, 57 chosen";

struct Inputs {
  at::Tensor q_BSHD, query_length_B, voters_B, lse_BSH, mass_ET, rows_EW, u_EWC, delta_EWC, gate;
  KvView kv;
  AttentionSpec spec{0.18, 0, 0};
};

std::shared_ptr<Inputs> make_inputs(const c10::TensorOptions& options) {
  at::NoGradGuard no_grad;
  auto in = std::make_shared<Inputs>();
  const auto whole = options.dtype(at::kLong);
  in->q_BSHD = at::randn({kEvents, kQueries, kHeads, kWidth}, options);
  in->query_length_B = at::full({kEvents}, kQueries, whole);
  in->voters_B = in->query_length_B;
  in->kv = {at::randn({kEvents, kGroups, kRows, kWidth}, options),
            at::randn({kEvents, kGroups, kRows, kWidth}, options),
            at::full({kEvents}, kRows, whole),
            at::arange(kRows, whole).expand({kEvents, kRows}).contiguous(),
            {}};
  in->lse_BSH = ops::segment_attention(in->q_BSHD, in->query_length_B, in->kv, in->spec).lse_BSH;
  in->mass_ET = at::rand({kEvents, kRows}, options.dtype(at::kFloat));
  in->rows_EW = ops::select_top(in->mass_ET, kChosen);
  in->u_EWC = ops::gather_rows(in->kv, in->rows_EW);
  in->delta_EWC = at::randn(in->u_EWC.sizes(), options.dtype(at::kFloat));
  in->gate = at::full({1}, 0.1, options.dtype(at::kFloat));
  return in;
}

// Causal over the newest rows.
at::Tensor dense_mask(const Inputs& in) {
  return ops::visible_BST(in.query_length_B, kQueries, in.kv, in.spec.window).unsqueeze(1);
}

at::Tensor repeated(const at::Tensor& x_BGTD) { return x_BGTD.repeat_interleave(kHeads / kGroups, 1); }

at::Tensor dense_probabilities(const Inputs& in) {
  const at::Tensor scores =
      at::matmul(in.q_BSHD.transpose(1, 2), repeated(in.kv.k_BGTD).transpose(2, 3)).mul_(in.spec.scale);
  return scores.masked_fill_(dense_mask(in).logical_not(), -std::numeric_limits<double>::infinity()).softmax(-1);
}

at::Tensor cell_index(const at::Tensor& rows_EW) {
  return rows_EW.view({kEvents, 1, kChosen, 1}).expand({kEvents, kGroups, kChosen, kWidth});
}

void scatter_changes(const Inputs& in) {
  const at::Tensor change = (in.gate * in.delta_EWC).to(in.u_EWC.scalar_type());
  const auto halves = change.view({kEvents, kChosen, 2, kGroups, kWidth}).permute({2, 0, 3, 1, 4});
  at::Tensor k = in.kv.k_BGTD, v = in.kv.v_BGTD;
  k.scatter_add_(2, cell_index(in.rows_EW), halves[0]);
  v.scatter_add_(2, cell_index(in.rows_EW), halves[1]);
}

using Run = void (*)(const Inputs&);

struct Pair {
  const char* name;
  Run plain, ours;
  double flops, elements;  // per run; elements of the cache's dtype read and written
};

std::vector<Pair> pairs() {
  const double scores = double{kEvents} * kHeads * kQueries * kRows, cache = 2.0 * kEvents * kGroups * kRows * kWidth;
  const double entries = double{kEvents} * kChosen * kEntry;
  return {
      {"segment_attention", [](const Inputs& in) { at::matmul(dense_probabilities(in), repeated(in.kv.v_BGTD)); },
       [](const Inputs& in) { ops::segment_attention(in.q_BSHD, in.query_length_B, in.kv, in.spec); },
       4 * scores * kWidth, cache},
      {"attention_mass",
       [](const Inputs& in) {
         dense_probabilities(in).mean(at::IntArrayRef{1, 2});
       },
       [](const Inputs& in) {
         ops::attention_mass(in.q_BSHD, in.lse_BSH, in.query_length_B, in.voters_B, in.kv, in.spec);
       },
       2 * scores * kWidth, cache / 2},
      {"select_top", [](const Inputs& in) { std::get<1>(in.mass_ET.topk(kRecall, 1)).sort(1); },
       [](const Inputs& in) { ops::select_top(in.mass_ET, kRecall); }, 0, 0},
      {"gather_rows",
       [](const Inputs& in) {
         const at::Tensor index = cell_index(in.rows_EW);
         at::stack({in.kv.k_BGTD.gather(2, index), in.kv.v_BGTD.gather(2, index)}, 1)
             .permute({0, 3, 1, 2, 4})
             .reshape({kEvents, kChosen, kEntry});
       },
       [](const Inputs& in) { ops::gather_rows(in.kv, in.rows_EW); }, 0, 2 * entries},
      {"edit_rows", [](const Inputs& in) { scatter_changes(in); },
       [](const Inputs& in) { ops::edit_rows_(in.kv, in.rows_EW, in.u_EWC, in.delta_EWC, in.gate); }, 0, 3 * entries},
  };
}

Variant variant(const char* name, const Pair& pair, Run run, const std::shared_ptr<Inputs>& in) {
  return {.name = name,
          .run =
              [in, run] {
                at::NoGradGuard no_grad;
                for (int i = 0; i < 10; ++i) run(*in);
              },
          .flops = 10 * pair.flops,
          .bytes = 10 * pair.elements * static_cast<double>(in->kv.k_BGTD.element_size())};
}

}  // namespace

std::vector<Bench> operator_benches() {
  std::vector<Bench> out;
  for (const Pair& pair : pairs()) {
    out.push_back({str("ops/", pair.name), str(kShape, ", ten calls"), [pair](const c10::TensorOptions& options) {
                     const auto in = make_inputs(options);
                     return std::vector<Variant>{variant("plain composition", pair, pair.plain, in),
                                                 variant("bt", pair, pair.ours, in)};
                   }});
  }
  return out;
}

}  // namespace bt
