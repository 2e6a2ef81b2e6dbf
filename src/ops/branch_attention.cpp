// Attention on branches in readable ATen, a few branches at a time.
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "bt/core/error.h"
#include "scores.h"

namespace bt::ops {
namespace {

struct BranchInputs {
  at::Tensor q_RSHD, k_RSGD, v_RSGD, position_RS;
  at::Tensor prefix_k_BGTD, prefix_v_BGTD, prefix_position_BT;
  at::Tensor sequence_R, end_R;
  AttentionSpec spec;
};

// Scores of a chunk. A CPU goes over them several times, so they should stay in a core's cache: a branch of the usual
// size is then a chunk of its own, without hidden rows. Other devices want few calls.
int64_t scores_a_chunk(const BranchInputs& in) { return int64_t{1} << (in.q_RSHD.is_cpu() ? 16 : 22); }

// Neighbouring branches of one sequence that are computed together.
struct Chunk {
  int64_t begin = 0, count = 0;
  int64_t sequence = 0;
  int64_t rows = 1;  // longest visible part of the cache; a hidden one where nothing is visible
  bool is_ragged = false;
};

std::vector<Chunk> chunks_of(const BranchInputs& in) {
  const at::Tensor sequence_R = in.sequence_R.cpu().contiguous(), end_R = in.end_R.cpu().contiguous();
  const auto *sequence = sequence_R.const_data_ptr<int64_t>(), *end = end_R.const_data_ptr<int64_t>();
  const int64_t scores_a_row = in.q_RSHD.size(1) * in.q_RSHD.size(2), most = scores_a_chunk(in);
  std::vector<Chunk> chunks;
  for (int64_t r = 0; r < in.q_RSHD.size(0); ++r) {
    BT_ASSERT(end[r] >= 0 && end[r] <= in.prefix_k_BGTD.size(2));
    const bool is_full = chunks.empty() || chunks.back().sequence != sequence[r] ||
                         (chunks.back().count + 1) * scores_a_row * std::max(chunks.back().rows, end[r]) > most;
    if (is_full) chunks.push_back({.begin = r, .sequence = sequence[r]});
    ++chunks.back().count;
    chunks.back().rows = std::max(chunks.back().rows, end[r]);
  }
  for (Chunk& chunk : chunks) {
    const int64_t* first = end + chunk.begin;
    chunk.is_ragged = std::any_of(first, first + chunk.count, [&](int64_t rows) { return rows < chunk.rows; });
  }
  return chunks;
}

// The tensors of a chunk: c branches, J = H/G queries a group.
struct Part {
  at::Tensor q_GcND;          // N = J * S
  at::Tensor k_GcSD, v_GcSD;  // the branches' own
  at::Tensor k_GTD, v_GTD;    // of the cache
  at::Tensor hidden_cST;      // bool; undefined: every row of the cache is seen
  at::Tensor hidden_cSS;      // bool
  int64_t groups, branches, rows, queries, share;
};

at::Tensor grouped_queries(const at::Tensor& x_cSHX, int64_t groups) {
  const int64_t branches = x_cSHX.size(0), queries = x_cSHX.size(1), share = x_cSHX.size(2) / groups;
  return x_cSHX.reshape({branches, queries, groups, share, -1})
      .permute({2, 0, 3, 1, 4})
      .reshape({groups, branches, share * queries, -1});
}

at::Tensor ungrouped_queries(const at::Tensor& x_GcNX, int64_t queries) {
  const int64_t groups = x_GcNX.size(0), branches = x_GcNX.size(1), share = x_GcNX.size(2) / queries;
  return x_GcNX.reshape({groups, branches, share, queries, -1})
      .permute({1, 3, 0, 2, 4})
      .reshape({branches, queries, groups * share, -1});
}

Part part_of(const BranchInputs& in, const Chunk& chunk) {
  const auto type = accumulation_type(in.q_RSHD.scalar_type());
  const auto own = [&](const at::Tensor& x) { return x.narrow(0, chunk.begin, chunk.count).to(type); };
  const auto cached = [&](const at::Tensor& x_BGTD) {
    return x_BGTD[chunk.sequence].narrow(1, 0, chunk.rows).to(type);
  };
  Part part;
  part.groups = in.k_RSGD.size(2);
  part.branches = chunk.count;
  part.rows = chunk.rows;
  part.queries = in.q_RSHD.size(1);
  part.share = in.q_RSHD.size(2) / part.groups;
  part.q_GcND = grouped_queries(own(in.q_RSHD), part.groups);
  part.k_GcSD = own(in.k_RSGD).permute({2, 0, 1, 3}).contiguous();
  part.v_GcSD = own(in.v_RSGD).permute({2, 0, 1, 3}).contiguous();
  part.k_GTD = cached(in.prefix_k_BGTD);
  part.v_GTD = cached(in.prefix_v_BGTD);
  const at::Tensor position_cS = in.position_RS.narrow(0, chunk.begin, chunk.count),
                   place_S = at::arange(part.queries, position_cS.options());
  part.hidden_cSS = (place_S.unsqueeze(0) > place_S.unsqueeze(1)).unsqueeze(0);
  if (chunk.is_ragged) {
    const at::Tensor row_T = at::arange(chunk.rows, position_cS.options());
    const at::Tensor end_c =
        in.end_R.narrow(0, chunk.begin, chunk.count).to(position_cS.device(), /*non_blocking=*/true);
    part.hidden_cST = (row_T.unsqueeze(0) >= end_c.unsqueeze(1)).unsqueeze(1);
  }
  if (in.spec.window > 0) {
    const auto beyond = [&](const at::Tensor& position_cT) {
      return position_cS.unsqueeze(2) - position_cT.unsqueeze(1) >= in.spec.window;
    };
    const at::Tensor far_cST = beyond(in.prefix_position_BT[chunk.sequence].narrow(0, 0, chunk.rows).unsqueeze(0));
    part.hidden_cST = part.hidden_cST.defined() ? part.hidden_cST.logical_or(far_cST) : far_cST;
    part.hidden_cSS = part.hidden_cSS.logical_or(beyond(position_cS));
  }
  return part;
}

// q.k against the cache, [G, c, N, T], and within the branches, [G, c, N, S].
struct Pair {
  at::Tensor cache, own;
};

Pair products(const Part& part, const at::Tensor& x_GcND, const at::Tensor& cache_GTD, const at::Tensor& own_GcSD) {
  const int64_t width = x_GcND.size(3), all = part.share * part.queries;
  const at::Tensor cache = at::bmm(x_GcND.reshape({part.groups, -1, width}), cache_GTD.transpose(1, 2));
  const at::Tensor own = at::bmm(x_GcND.reshape({-1, all, width}), own_GcSD.flatten(0, 1).transpose(1, 2));
  return {cache.view({part.groups, part.branches, all, part.rows}),
          own.view({part.groups, part.branches, all, part.queries})};
}

// weights x values, summed over the two parts: [G, c, N, D].
at::Tensor weighed(const Part& part, const Pair& weights, const at::Tensor& cache_GTD, const at::Tensor& own_GcSD) {
  const int64_t all = part.share * part.queries, width = cache_GTD.size(2);
  const at::Tensor cache = at::bmm(weights.cache.view({part.groups, -1, part.rows}), cache_GTD);
  return cache.view({part.groups, part.branches, all, width}) +
         at::bmm(weights.own.flatten(0, 1), own_GcSD.flatten(0, 1)).view({part.groups, part.branches, all, width});
}

void hide_rows_(const Part& part, at::Tensor& scores_GcNT, const at::Tensor& hidden_cST) {
  if (!hidden_cST.defined()) return;
  scores_GcNT.view({part.groups, part.branches, part.share, part.queries, scores_GcNT.size(3)})
      .masked_fill_(hidden_cST.unsqueeze(1), kHiddenScore);
}

Pair scores(const Part& part, const AttentionSpec& spec) {
  Pair out = products(part, part.q_GcND * spec.scale, part.k_GTD, part.k_GcSD);
  if (spec.softcap > 0) {
    for (at::Tensor* x : {&out.cache, &out.own}) x->div_(spec.softcap).tanh_().mul_(spec.softcap);
  }
  hide_rows_(part, out.cache, part.hidden_cST);
  hide_rows_(part, out.own, part.hidden_cSS);
  return out;
}

std::tuple<at::Tensor, at::Tensor> forward(const BranchInputs& in) {
  const int64_t branches = in.q_RSHD.size(0), queries = in.q_RSHD.size(1), heads = in.q_RSHD.size(2);
  at::Tensor out_RSHD = at::empty(in.q_RSHD.sizes(), in.q_RSHD.options());
  at::Tensor lse_RSH =
      at::empty({branches, queries, heads}, in.q_RSHD.options().dtype(accumulation_type(in.q_RSHD.scalar_type())));
  for (const Chunk& chunk : chunks_of(in)) {
    const Part part = part_of(in, chunk);
    Pair weights = scores(part, in.spec);
    const at::Tensor greatest = at::maximum(weights.cache.amax(-1, true), weights.own.amax(-1, true));
    for (at::Tensor* x : {&weights.cache, &weights.own}) x->sub_(greatest).exp_();
    const at::Tensor sum = weights.cache.sum(-1, true) + weights.own.sum(-1, true);
    const at::Tensor out_GcND = weighed(part, weights, part.v_GTD, part.v_GcSD) / sum;
    out_RSHD.narrow(0, chunk.begin, chunk.count).copy_(ungrouped_queries(out_GcND, queries));
    lse_RSH.narrow(0, chunk.begin, chunk.count).copy_(ungrouped_queries(greatest + sum.log(), queries).squeeze(3));
  }
  return {out_RSHD, lse_RSH};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const BranchInputs& in, const at::Tensor& d_out_RSHD,
                                                        const at::Tensor& out_RSHD, const at::Tensor& lse_RSH) {
  const int64_t queries = in.q_RSHD.size(1);
  at::Tensor d_q = at::empty_like(in.q_RSHD, at::MemoryFormat::Contiguous),
             d_k = at::empty_like(in.k_RSGD, at::MemoryFormat::Contiguous), d_v = at::empty_like(d_k);
  const auto type = accumulation_type(in.q_RSHD.scalar_type());
  for (const Chunk& chunk : chunks_of(in)) {
    const Part part = part_of(in, chunk);
    const auto queries_of = [&](const at::Tensor& x_RSHX) {
      return grouped_queries(x_RSHX.narrow(0, chunk.begin, chunk.count).to(type), part.groups);
    };
    const at::Tensor d_out_GcND = queries_of(d_out_RSHD), lse_GcN1 = queries_of(lse_RSH.unsqueeze(3));
    const at::Tensor delta_GcN1 = (d_out_GcND * queries_of(out_RSHD)).sum(-1, true);
    const Pair score = scores(part, in.spec);
    const Pair p{(score.cache - lse_GcN1).exp_(), (score.own - lse_GcN1).exp_()};
    Pair d_score = products(part, d_out_GcND, part.v_GTD, part.v_GcSD);
    d_score.cache.sub_(delta_GcN1).mul_(p.cache);
    d_score.own.sub_(delta_GcN1).mul_(p.own);
    if (in.spec.softcap > 0) {
      const auto slope = [&](const at::Tensor& x) { return 1 - (x / in.spec.softcap).clamp(-1, 1).square(); };
      d_score.cache.mul_(slope(score.cache));
      d_score.own.mul_(slope(score.own));
    }
    const auto put = [&](at::Tensor& into, const at::Tensor& x_cSXD) {
      into.narrow(0, chunk.begin, chunk.count).copy_(x_cSXD);
    };
    const auto own_keys = [&](const at::Tensor& weights_GcNS, const at::Tensor& x_GcND) {
      return at::matmul(weights_GcNS.transpose(2, 3), x_GcND).permute({1, 2, 0, 3});
    };
    put(d_q, ungrouped_queries(weighed(part, d_score, part.k_GTD, part.k_GcSD).mul_(in.spec.scale), queries));
    put(d_k, own_keys(d_score.own, part.q_GcND * in.spec.scale));
    put(d_v, own_keys(p.own, d_out_GcND));
  }
  return {d_q, d_k, d_v};
}

std::tuple<at::Tensor, at::Tensor> branch_attention_aten(
    const at::Tensor& q_RSHD, const at::Tensor& k_RSGD, const at::Tensor& v_RSGD, const at::Tensor& position_RS,
    const at::Tensor& prefix_k_BGTD, const at::Tensor& prefix_v_BGTD, const at::Tensor& prefix_position_BT,
    const at::Tensor& sequence_R, const at::Tensor& end_R, double scale, double softcap, int64_t window) {
  return forward({q_RSHD,
                  k_RSGD,
                  v_RSGD,
                  position_RS,
                  prefix_k_BGTD,
                  prefix_v_BGTD,
                  prefix_position_BT,
                  sequence_R,
                  end_R,
                  {scale, softcap, window}});
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> branch_attention_backward_aten(
    const at::Tensor& d_out_RSHD, const at::Tensor& q_RSHD, const at::Tensor& k_RSGD, const at::Tensor& v_RSGD,
    const at::Tensor& position_RS, const at::Tensor& prefix_k_BGTD, const at::Tensor& prefix_v_BGTD,
    const at::Tensor& prefix_position_BT, const at::Tensor& sequence_R, const at::Tensor& end_R, double scale,
    double softcap, int64_t window, const at::Tensor& out_RSHD, const at::Tensor& lse_RSH) {
  return backward({q_RSHD,
                   k_RSGD,
                   v_RSGD,
                   position_RS,
                   prefix_k_BGTD,
                   prefix_v_BGTD,
                   prefix_position_BT,
                   sequence_R,
                   end_R,
                   {scale, softcap, window}},
                  d_out_RSHD, out_RSHD, lse_RSH);
}

}  // namespace

TORCH_LIBRARY_IMPL(bt, CompositeExplicitAutograd, m) {
  m.impl("branch_attention", branch_attention_aten);
  m.impl("branch_attention_backward", branch_attention_backward_aten);
}

}  // namespace bt::ops
