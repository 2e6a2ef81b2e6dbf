// The operators of cache methods. All but causal_attention and biased_attention, which choose among others, are
// registered as torch.ops.bt.<name>, in readable ATen for every device; CUDA kernels override them where built. All are
// differentiable in their floating inputs unless said otherwise.
//
// Axes: B sequences (or E events, or R branches), S query tokens, H query heads, G key/value heads (H a multiple of G),
// T cached rows, P rows of a pool, D head width, W chosen rows, C = 2 * G * D.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "bt/ops/attention_spec.h"
#include "bt/ops/kv_view.h"

namespace bt::ops {

struct Attended {
  at::Tensor out_BSHD;  // q's dtype; zero for padding queries
  at::Tensor lse_BSH;   // log-sum-exp of the scores, at least fp32; -inf where a query sees nothing
};

// Attention of the newest rows over a cache that already holds them. Query s of sequence b is row
// length_B[b] - query_length_B[b] + s and sees rows up to itself (bottom-right causal) within the spec's window.
// q_BSHD is right-padded to S; query_length_B int64 may be 0.
Attended segment_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const KvView& kv,
                           const AttentionSpec& spec);

// Whether segment_attention and its gradients have a kernel for such tensors; if not, they are made of LibTorch's
// operators, a few sequences at a time where scores take much memory and no gradient is recorded.
bool attention_has_kernel(const at::Tensor& q_BSHD, const at::Tensor& k_BGTD);

// The same where the cache is the queries' own rows alone (S = T, lengths equal, consecutive positions): by LibTorch's
// flash attention where it takes them (CPU; bf16 and fp16 on CUDA; no soft cap, no window, no dead rows), else by
// segment_attention. The results of padding queries are unspecified, their gradients must be 0.
Attended causal_attention(const at::Tensor& q_BSHD, const at::Tensor& query_length_B, const KvView& kv,
                          const AttentionSpec& spec);

// Attention of every row over all rows of its own sequence and head, without causality; bias_BHST (q's dtype, H may be
// 1, no gradient) is added to the scores. By LibTorch's kernels, on a GPU by those whose gradient is the same in every
// run. Where a row's biases hide everything (-2^99), its gradient is unspecified unless that of its output is 0.
at::Tensor biased_attention(const at::Tensor& q_BHSD, const at::Tensor& k_BHTD, const at::Tensor& v_BHTD,
                            const at::Tensor& bias_BHST);

struct AttentionGradients {
  at::Tensor q_BSHD, k_BGTD, v_BGTD;  // at least fp32; zero where nothing was seen
};

// Gradients of segment_attention's inputs, given that of its output, for a node that keeps its output and lse alone.
// Scores are computed again. No gradient of its own. Elements beside the results: a CUDA kernel B S H, in fp32; without
// one, some four times the scores, B H S T, but on a CPU without soft cap a tile of them.
AttentionGradients segment_attention_backward(const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD,
                                              const at::Tensor& query_length_B, const KvView& kv,
                                              const AttentionSpec& spec, const Attended& attended);

// Caches whose rows lie in one pool, so that versions of a cache share what is the same in them.
struct PagedKv {
  at::Tensor pool_P2GD;                        // keys and values
  at::Tensor table_BT;                         // int64: the pool row that holds a cached row
  at::Tensor length_B, position_BT, alive_BT;  // as a KvView's
};

struct PagedGradients {
  at::Tensor q_BSHD;    // at least fp32; zero where nothing was seen
  at::Tensor rows_BWC;  // of keys and values of the chosen rows, as gather_rows lays them
};

// As segment_attention_backward, of a paged cache, with the gradients of chosen cached rows alone. Rows of -1 give
// zeros. Elements beside the results: a CUDA kernel B S H, in fp32; without one, B T C of the gathered cache and B T C
// of gradients for all its rows, and what segment_attention_backward needs.
PagedGradients paged_attention_backward(const at::Tensor& d_out_BSHD, const at::Tensor& q_BSHD,
                                        const at::Tensor& query_length_B, const PagedKv& kv, const at::Tensor& rows_BW,
                                        const AttentionSpec& spec, const Attended& attended);

// Short sequences that go on from a place in a cached text, each without sight of the others.
struct Branches {
  // int64: sequence of the cache, equal ones side by side; rows [0, end) of it are visible, 0: none. On the CPU, since
  // they decide what is computed together: on a device they are waited for.
  at::Tensor sequence_R, end_R;
  at::Tensor position_RS;  // int64: of the branch's own rows
};

// Attention on branches (arXiv 2412.17747, section 2.2): row s of a branch sees its rows of the cache and rows 0 … s of
// its own branch, both within the spec's window; the two parts are merged by their log-sum-exp. Rows of k_RSGD and
// v_RSGD are right-padded as q_RSHD. The cache is frozen: it must carry no gradient. Memory: the scores
// of one branch, or of several up to 64 Ki (a CPU) or 4 Mi (elsewhere); they are computed again for the gradient. Time
// is least where the ends of a sequence's branches ascend.
at::Tensor branch_attention(const at::Tensor& q_RSHD, const at::Tensor& k_RSGD, const at::Tensor& v_RSGD,
                            const Branches& branches, const KvView& prefix, const AttentionSpec& spec);

// Attention mass of every cached row: mass_BT[b, i] = 1/(V H) * sum over the V voting queries and H heads of the
// probability given to row i (arXiv 2505.16950, selection of TopK). The voters are the last min(voters_B[b],
// query_length_B[b]) queries; 0 voters give 0. lse_BSH as segment_attention returned it. No gradient. fp32 or fp64.
at::Tensor attention_mass(const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const at::Tensor& query_length_B,
                          const at::Tensor& voters_B, const KvView& kv, const AttentionSpec& spec);

// The k rows of greatest mass among rows with mass >= 0, in ascending row order; equal masses: the lower row wins.
// Fewer such rows: all of them, then -1. rows_EW int64 with W = min(k, T). No gradient.
at::Tensor select_top(const at::Tensor& mass_ET, int64_t k);

// Keys and values of chosen rows side by side, all heads concatenated: u_EWC = [k heads | v heads]. Rows of -1 give
// zeros.
at::Tensor gather_rows(const KvView& kv, const at::Tensor& rows_EW);

// Writes u_EWC + gate * delta_EWC into the chosen rows, in place: the sum in at least fp32, one rounding to the cache's
// dtype. gate broadcasts against delta. Rows of -1 are skipped; no row, and no place, may be chosen twice. No gradient.
void edit_rows_(const KvView& kv, const at::Tensor& rows_EW, const at::Tensor& u_EWC, const at::Tensor& delta_EWC,
                const at::Tensor& gate);

// Writes rows_EWC into the chosen rows of a copy of the cache and returns the copies (k, v): the differentiable form.
std::tuple<at::Tensor, at::Tensor> put_rows(const KvView& kv, const at::Tensor& rows_EW, const at::Tensor& new_EWC);

// Which rows each query sees: bool [B, S, T], the mask that segment_attention applies.
at::Tensor visible_BST(const at::Tensor& query_length_B, int64_t queries, const KvView& kv, int64_t window);

}  // namespace bt::ops
