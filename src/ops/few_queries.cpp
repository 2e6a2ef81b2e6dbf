#include "few_queries.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "cache_rows_cpu.h"
#include "few_queries_loops.h"
#include "scores.h"

namespace bt::ops {
namespace {

constexpr int64_t kMostQueries = 4;
constexpr int64_t kProductsPerTask = int64_t{1} << 16;

// A query's place in the batch and where its sequence's numbers lie.
struct Sequences {
  const int64_t *query_length, *length, *position;
  const bool* alive;  // null: all
  int64_t rows;       // of the view
};

void check_shapes(const at::Tensor& q, const at::Tensor& query_length, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& length, const at::Tensor& position, const at::Tensor& alive) {
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4 && v.sizes() == k.sizes() && q.size(0) == k.size(0) &&
                  q.size(3) == k.size(3) && k.size(1) > 0 && q.size(2) % k.size(1) == 0,
              "attention: q must be [B, S, H, D] and k, v [B, G, T, D] with H a multiple of G, found ", q.sizes(), ", ",
              k.sizes(), ", ", v.sizes());
  const std::array<int64_t, 2> shape_BT = {k.size(0), k.size(2)};
  const at::IntArrayRef rows(shape_BT);
  TORCH_CHECK(query_length.numel() == q.size(0) && length.numel() == q.size(0) && position.sizes() == rows &&
                  (!alive.defined() || alive.sizes() == rows),
              "attention: lengths must be [B], positions and alive rows [B, T], found ", query_length.sizes(), ", ",
              length.sizes(), ", ", position.sizes());
}

// The loops over rows go by these.
void check_lengths(const Sequences& in, int64_t batch) {
  for (int64_t b = 0; b < batch; ++b) {
    TORCH_CHECK(0 <= in.query_length[b] && in.query_length[b] <= in.length[b] && in.length[b] <= in.rows,
                "attention: 0 <= query_length <= length <= T must hold, found ", in.query_length[b], " and ",
                in.length[b], " of ", in.rows, " rows in sequence ", b);
  }
}

template <class T, class Stored>
std::tuple<at::Tensor, at::Tensor> attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                             const Sequences& in, const AttentionSpec& spec) {
  const int64_t batch = q.size(0), queries = q.size(1), heads = q.size(2), width = q.size(3), share = heads / k.size(1);
  at::Tensor out = at::zeros(q.sizes(), q.options());
  at::Tensor lse = at::full({batch, queries, heads}, -std::numeric_limits<double>::infinity(),
                            q.options().dtype(accumulation_type(q.scalar_type())));
  const T *q_data = reinterpret_cast<const T*>(q.const_data_ptr<Stored>()),
          *k_data = reinterpret_cast<const T*>(k.const_data_ptr<Stored>()),
          *v_data = reinterpret_cast<const T*>(v.const_data_ptr<Stored>());
  T* out_data = reinterpret_cast<T*>(out.mutable_data_ptr<Stored>());
  Wide<T>* lse_data = lse.mutable_data_ptr<Wide<T>>();
  const int64_t grain = std::max<int64_t>(1, kProductsPerTask / std::max<int64_t>(1, in.rows * width));
  at::parallel_for(0, batch * queries * heads, grain, [&](int64_t begin, int64_t end) {
    thread_local std::vector<Wide<T>> scores;
    scores.resize(static_cast<size_t>(in.rows + width));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t h = i % heads, s = i / heads % queries, b = i / heads / queries;
      if (s >= in.query_length[b]) continue;
      const int64_t rows = in.length[b] - in.query_length[b] + s + 1, g = h / share;
      run(OneQuery<T>{.q = q_data + i * width,
                      .k = k_data + b * k.stride(0) + g * k.stride(1),
                      .v = v_data + b * v.stride(0) + g * v.stride(1),
                      .by_row_k = k.stride(2),
                      .by_row_v = v.stride(2),
                      .position = in.position + b * in.rows,
                      .alive = in.alive == nullptr ? nullptr : in.alive + b * in.rows,
                      .rows = rows,
                      .width = width,
                      .window = spec.window,
                      .scale = static_cast<Wide<T>>(spec.scale),
                      .softcap = static_cast<Wide<T>>(spec.softcap),
                      .scores = scores.data(),
                      .out = out_data + i * width,
                      .lse = lse_data + i});
    }
  });
  return {out, lse};
}

bool one_of_ours(at::ScalarType type) { return type == at::kFloat || type == at::kDouble || type == at::kBFloat16; }

}  // namespace

bool few_queries_take(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD, const at::Tensor& v_BGTD) {
  const auto type = q_BSHD.scalar_type();
  return q_BSHD.is_cpu() && q_BSHD.size(1) <= kMostQueries && one_of_ours(type) && k_BGTD.scalar_type() == type &&
         v_BGTD.scalar_type() == type;
}

std::tuple<at::Tensor, at::Tensor> few_queries_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B,
                                                         const at::Tensor& k_BGTD, const at::Tensor& v_BGTD,
                                                         const at::Tensor& length_B, const at::Tensor& position_BT,
                                                         const std::optional<at::Tensor>& alive_BT,
                                                         const AttentionSpec& spec) {
  const at::Tensor q = q_BSHD.contiguous(), k = unit_heads(k_BGTD), v = unit_heads(v_BGTD);
  const at::Tensor query_length = query_length_B.contiguous(), length = length_B.contiguous(),
                   position = position_BT.contiguous();
  const at::Tensor alive = alive_BT.has_value() && alive_BT->defined() ? alive_BT->contiguous() : at::Tensor();
  check_shapes(q, query_length, k, v, length, position, alive);
  const Sequences in{query_length.const_data_ptr<int64_t>(), length.const_data_ptr<int64_t>(),
                     position.const_data_ptr<int64_t>(), alive.defined() ? alive.const_data_ptr<bool>() : nullptr,
                     position.size(1)};
  check_lengths(in, q.size(0));
  switch (q.scalar_type()) {
    case at::kDouble:
      return attention<double, double>(q, k, v, in, spec);
    case at::kBFloat16:
      return attention<BFloat16, c10::BFloat16>(q, k, v, in, spec);
    default:
      return attention<float, float>(q, k, v, in, spec);
  }
}

}  // namespace bt::ops
