// The operators on the cache against the plain composition a reader would write.
#include "bench_operators.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bt/core/strings.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

struct Shape {
  int64_t events, queries, heads, groups, width, rows, chosen;
  int64_t entry() const { return 2 * groups * width; }
  double queried() const { return static_cast<double>(events * queries * heads * width); }  // elements of q
  double cached() const { return static_cast<double>(events * groups * rows * width); }     // of the keys
  double scores() const { return static_cast<double>(events * queries * heads * rows); }
  double entries() const { return static_cast<double>(events * chosen * entry()); }
};

std::string text(const Shape& s) {
  return str(s.events, " sequences, ", s.queries, " queries, ", s.heads, " heads, ", s.groups, " groups of ", s.width,
             ", ", s.rows, " rows, ", s.chosen, " chosen");
}

struct Inputs {
  Shape shape;
  at::Tensor q_BSHD, query_length_B, d_out_BSHD, rows_EW, u_EWC, delta_EWC, gate;
  KvView kv;
  AttentionSpec spec{0.18, 0, 0};
  ops::Attended attended;
};

std::shared_ptr<Inputs> make_inputs(const Shape& s, const c10::TensorOptions& options) {
  at::NoGradGuard no_grad;
  auto in = std::make_shared<Inputs>();
  in->shape = s;
  const auto whole = options.dtype(at::kLong);
  in->q_BSHD = at::randn({s.events, s.queries, s.heads, s.width}, options);
  in->d_out_BSHD = at::randn_like(in->q_BSHD);
  in->query_length_B = at::full({s.events}, s.queries, whole);
  in->kv = {at::randn({s.events, s.groups, s.rows, s.width}, options),
            at::randn({s.events, s.groups, s.rows, s.width}, options),
            at::full({s.events}, s.rows, whole),
            at::arange(s.rows, whole).expand({s.events, s.rows}).contiguous(),
            {}};
  in->attended = ops::segment_attention(in->q_BSHD, in->query_length_B, in->kv, in->spec);
  in->rows_EW = ops::select_top(at::rand({s.events, s.rows}, options.dtype(at::kFloat)), s.chosen);
  in->u_EWC = ops::gather_rows(in->kv, in->rows_EW);
  in->delta_EWC = at::randn(in->u_EWC.sizes(), options.dtype(at::kFloat));
  in->gate = at::full({1}, 0.1, options.dtype(at::kFloat));
  return in;
}

// Causal over the newest rows.
at::Tensor dense_mask(const Inputs& in) {
  return ops::visible_BST(in.query_length_B, in.shape.queries, in.kv, in.spec.window).unsqueeze(1);
}

at::Tensor repeated(const Inputs& in, const at::Tensor& x_BGTD) {
  return x_BGTD.repeat_interleave(in.shape.heads / in.shape.groups, 1);
}

at::Tensor dense_probabilities(const Inputs& in) {
  const at::Tensor scores =
      at::matmul(in.q_BSHD.transpose(1, 2), repeated(in, in.kv.k_BGTD).transpose(2, 3)).mul_(in.spec.scale);
  return scores.masked_fill_(dense_mask(in).logical_not(), -std::numeric_limits<double>::infinity()).softmax(-1);
}

// Gradients of q and, per query head, of keys and values.
void dense_backward(const Inputs& in) {
  const at::Tensor p_BHST = dense_probabilities(in), d_BHSD = in.d_out_BSHD.transpose(1, 2);
  const at::Tensor own_BHS1 = (d_BHSD * in.attended.out_BSHD.transpose(1, 2)).sum(-1, true);
  const at::Tensor d_p = at::matmul(d_BHSD, repeated(in, in.kv.v_BGTD).transpose(2, 3));
  const at::Tensor d_scores = p_BHST * (d_p - own_BHS1) * in.spec.scale;
  at::matmul(d_scores, repeated(in, in.kv.k_BGTD));
  at::matmul(d_scores.transpose(2, 3), in.q_BSHD.transpose(1, 2));
  at::matmul(p_BHST.transpose(2, 3), d_BHSD);
}

at::Tensor cell_index(const Inputs& in) {
  const Shape& s = in.shape;
  return in.rows_EW.view({s.events, 1, s.chosen, 1}).expand({s.events, s.groups, s.chosen, s.width});
}

void gather(const Inputs& in) {
  const at::Tensor index = cell_index(in);
  at::stack({in.kv.k_BGTD.gather(2, index), in.kv.v_BGTD.gather(2, index)}, 1)
      .permute({0, 3, 1, 2, 4})
      .reshape({in.shape.events, in.shape.chosen, in.shape.entry()});
}

void scatter_changes(const Inputs& in) {
  const Shape& s = in.shape;
  const at::Tensor change = (in.gate * in.delta_EWC).to(in.u_EWC.scalar_type());
  const auto halves = change.view({s.events, s.chosen, 2, s.groups, s.width}).permute({2, 0, 3, 1, 4});
  at::Tensor k = in.kv.k_BGTD, v = in.kv.v_BGTD;
  k.scatter_add_(2, cell_index(in), halves[0]);
  v.scatter_add_(2, cell_index(in), halves[1]);
}

using Run = void (*)(const Inputs&);

struct Operator {
  const char* name;
  Run plain, ours;
  double (*flops)(const Shape&);
  double (*bytes)(const Shape&, double element);
};

double attention_flops(const Shape& s) { return 4 * s.scores() * static_cast<double>(s.width); }
double no_flops(const Shape&) { return 0; }

const Operator kAttention = {
    "segment_attention", [](const Inputs& in) { at::matmul(dense_probabilities(in), repeated(in, in.kv.v_BGTD)); },
    [](const Inputs& in) { ops::segment_attention(in.q_BSHD, in.query_length_B, in.kv, in.spec); }, attention_flops,
    [](const Shape& s, double element) { return element * 2 * (s.queried() + s.cached()); }};

const Operator kAttentionBackward = {
    "segment_attention_backward", dense_backward,
    [](const Inputs& in) {
      ops::segment_attention_backward(in.d_out_BSHD, in.q_BSHD, in.query_length_B, in.kv, in.spec, in.attended);
    },
    [](const Shape& s) { return 2.5 * attention_flops(s); },
    [](const Shape& s, double element) {  // the gradients are fp32
      return element * (3 * s.queried() + 2 * s.cached()) + 4 * (s.queried() + 2 * s.cached());
    }};

const Operator kMass = {"attention_mass",
                        [](const Inputs& in) {
                          dense_probabilities(in).mean(at::IntArrayRef{1, 2});
                        },
                        [](const Inputs& in) {
                          ops::attention_mass(in.q_BSHD, in.attended.lse_BSH, in.query_length_B, in.query_length_B,
                                              in.kv, in.spec);
                        },
                        [](const Shape& s) { return attention_flops(s) / 2; },
                        [](const Shape& s, double element) {
                          return element * (s.queried() + s.cached()) + 4 * static_cast<double>(s.events * s.rows);
                        }};

const Operator kGather = {"gather_rows", gather, [](const Inputs& in) { ops::gather_rows(in.kv, in.rows_EW); },
                          no_flops, [](const Shape& s, double element) { return 2 * element * s.entries(); }};

const Operator kEdit = {"edit_rows", scatter_changes,
                        [](const Inputs& in) { ops::edit_rows_(in.kv, in.rows_EW, in.u_EWC, in.delta_EWC, in.gate); },
                        no_flops, [](const Shape& s, double element) { return (2 * element + 4) * s.entries(); }};

Bench bench(const Operator& op, const Shape& s) {
  return {str("ops/", op.name, "_", s.events, "x", s.rows), text(s), [op, s](const c10::TensorOptions& options) {
            const auto in = make_inputs(s, options);
            const double element = static_cast<double>(options.dtype().itemsize());
            return operator_variants({.plain = [in, op] { op.plain(*in); },
                                      .ours = [in, op] { op.ours(*in); },
                                      .flops = op.flops(s),
                                      .bytes = op.bytes(s, element)},
                                     options.device());
          }};
}

Bench selection(int64_t events, int64_t rows) {
  constexpr int64_t recall = 32;
  return {str("ops/select_top_", events, "x", rows), str(events, " x ", rows, ", the ", recall, " greatest"),
          [=](const c10::TensorOptions& options) {
            const at::Tensor mass_ET = at::rand({events, rows}, options.dtype(at::kFloat));
            const double bytes = 4.0 * static_cast<double>(events * rows) + 8.0 * static_cast<double>(events * recall);
            return operator_variants({.plain = [=] { std::get<1>(mass_ET.topk(recall, 1)).sort(1); },
                                      .ours = [=] { ops::select_top(mass_ET, recall); },
                                      .bytes = bytes},
                                     options.device());
          }};
}

}  // namespace

std::vector<Variant> operator_variants(const OperatorPair& pair, c10::Device device) {
  const int64_t calls = device.is_cpu() ? 10 : 100;
  const auto repeated = [calls](const std::function<void()>& call) {
    return [call, calls] {
      at::NoGradGuard no_grad;
      for (int64_t i = 0; i < calls; ++i) call();
    };
  };
  const Variant plain{.name = "plain composition",
                      .run = repeated(pair.plain),
                      .calls = calls,
                      .flops = pair.flops,
                      .bytes = pair.bytes,
                      .records = pair.plain_records};
  Variant ours = plain;
  ours.name = "bt";
  ours.run = repeated(pair.ours);
  ours.records = true;
  return {plain, ours};
}

// Large: a decoder layer of Llama-3.2-1B; 1,024 row sets are 64 sequences in 16 layers.
std::vector<Bench> operator_benches(BenchScale scale) {
  if (scale == BenchScale::small) {
    const Shape s{16, 25, 8, 4, 32, 250, 57};
    return {bench(kAttention, s), bench(kAttentionBackward, s),
            bench(kMass, s),      selection(s.events, s.rows),
            bench(kGather, s),    bench(kEdit, s)};
  }
  const Shape training{64, 25, 32, 8, 64, 350, 57}, training_16{16, 25, 32, 8, 64, 350, 57},
      token{64, 1, 32, 8, 64, 4096, 57}, one_token{1, 1, 32, 8, 64, 300, 57}, long_text{16, 25, 32, 8, 64, 4096, 57},
      all_layers{1024, 1, 32, 8, 64, 300, 57}, one_text{16, 1, 32, 8, 64, 300, 57};
  return {bench(kAttention, training_16),
          bench(kAttention, training),
          bench(kAttention, one_token),
          bench(kAttention, token),
          bench(kAttentionBackward, training_16),
          bench(kAttentionBackward, training),
          bench(kMass, training_16),
          bench(kMass, training),
          bench(kMass, long_text),
          selection(16, 300),
          selection(16, 4096),
          selection(1024, 300),
          selection(1024, 4096),
          bench(kGather, one_text),
          bench(kGather, all_layers),
          bench(kEdit, one_text),
          bench(kEdit, all_layers)};
}

}  // namespace bt
