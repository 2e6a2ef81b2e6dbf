#include "bt/ops/dense_attention.h"

#include "scores.h"

namespace bt::ops {

at::Tensor dense_attention(const at::Tensor& q_NHD, const at::Tensor& k_TGD, const at::Tensor& v_TGD,
                           const at::Tensor& visible_NT, const AttentionSpec& spec) {
  const at::Tensor k_1GTD = k_TGD.transpose(0, 1).unsqueeze(0), v_1GTD = v_TGD.transpose(0, 1).unsqueeze(0);
  at::Tensor scores_1GRNT = grouped_scores(q_NHD.unsqueeze(0), k_1GTD, spec);
  hide_(scores_1GRNT, visible_NT.unsqueeze(0));
  const at::Tensor out_1GRND = scores_1GRNT.softmax(-1).matmul(v_1GTD.to(scores_1GRNT.scalar_type()).unsqueeze(2));
  return out_1GRND.squeeze(0).permute({2, 0, 1, 3}).reshape(q_NHD.sizes()).to(q_NHD.scalar_type());
}

}  // namespace bt::ops
