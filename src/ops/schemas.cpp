// Schemas of the bt operators. The definitions beside this file register themselves with TORCH_LIBRARY_IMPL.
#include <torch/library.h>

TORCH_LIBRARY(bt, m) {
  m.def(
      "segment_attention(Tensor q, Tensor query_length, Tensor k, Tensor v, Tensor length, Tensor position, Tensor? "
      "alive, "
      "float scale, float softcap, int window) -> (Tensor out, Tensor lse)");
  m.def("attention_has_kernel(Tensor q, Tensor k) -> bool");
  m.def(
      "segment_attention_backward(Tensor d_out, Tensor q, Tensor query_length, Tensor k, Tensor v, Tensor length, "
      "Tensor position, Tensor? alive, float scale, float softcap, int window, Tensor out, Tensor lse) "
      "-> (Tensor d_q, Tensor d_k, Tensor d_v)");
  m.def(
      "paged_attention_backward(Tensor d_out, Tensor q, Tensor query_length, Tensor pool, Tensor table, Tensor length, "
      "Tensor position, Tensor? alive, Tensor rows, float scale, float softcap, int window, Tensor out, Tensor lse) "
      "-> (Tensor d_q, Tensor d_rows)");
  m.def(
      "branch_attention(Tensor q, Tensor k, Tensor v, Tensor position, Tensor prefix_k, Tensor prefix_v, "
      "Tensor prefix_position, Tensor sequence, Tensor end, float scale, float softcap, int window) "
      "-> (Tensor out, Tensor lse)");
  m.def(
      "branch_attention_backward(Tensor d_out, Tensor q, Tensor k, Tensor v, Tensor position, Tensor prefix_k, "
      "Tensor prefix_v, Tensor prefix_position, Tensor sequence, Tensor end, float scale, float softcap, int window, "
      "Tensor out, Tensor lse) -> (Tensor d_q, Tensor d_k, Tensor d_v)");
  m.def(
      "attention_mass(Tensor q, Tensor lse, Tensor query_length, Tensor voters, Tensor k, Tensor length, Tensor "
      "position, "
      "Tensor? alive, float scale, float softcap, int window, Tensor? place=None) -> Tensor");
  m.def("select_top(Tensor mass, int k) -> Tensor");
  m.def("gather_rows(Tensor k, Tensor v, Tensor rows, Tensor? place=None) -> Tensor");
  m.def(
      "edit_rows_(Tensor(a!) k, Tensor(b!) v, Tensor rows, Tensor u, Tensor delta, Tensor gate, Tensor? place=None) -> "
      "()");
  m.def("put_rows(Tensor k, Tensor v, Tensor rows, Tensor new_rows) -> (Tensor, Tensor)");
  m.def(
      "visible(Tensor query_length, int queries, Tensor length, Tensor position, Tensor? alive, int window) -> Tensor");

  m.def(
      "rms_norm(Tensor x, Tensor weight, float eps, float weight_offset, bool rounds_last) -> (Tensor y, Tensor "
      "scale)");
  m.def(
      "add_rms_norm(Tensor x, Tensor residual, Tensor weight, float eps, float weight_offset, bool rounds_last) "
      "-> (Tensor sum, Tensor y, Tensor scale)");
  m.def(
      "rms_norm_backward(Tensor dy, Tensor? d_sum, Tensor x, Tensor weight, Tensor scale, float weight_offset, "
      "bool rounds_last, bool wants_dweight) -> (Tensor dx, Tensor dweight)");
  m.def("rotate(Tensor x, Tensor cos, Tensor sin, int sign) -> Tensor");
  m.def("rotate_both(Tensor q, Tensor k, Tensor cos, Tensor sin, int sign) -> (Tensor, Tensor)");
  m.def(
      "rotate_into_(Tensor(a!) cache_k, Tensor(b!) cache_v, Tensor slot, Tensor row, Tensor q, Tensor k, Tensor v, "
      "Tensor cos, Tensor sin) -> Tensor");
  m.def("gated_activation(Tensor gate, Tensor up, str activation) -> Tensor");
  m.def(
      "gated_activation_backward(Tensor d_out, Tensor gate, Tensor up, str activation) -> (Tensor d_gate, Tensor "
      "d_up)");

  m.def(
      "cross_entropy_(Tensor(a!) logits, Tensor target, float softcap, bool want_gradient, bool want_entropy) "
      "-> (Tensor nll, Tensor correct, Tensor entropy)");
  m.def(
      "sample(Tensor logits, Tensor? key, float temperature, int top_k, float top_p, float min_p, int seed) -> Tensor");
  m.def("penalise_(Tensor(a!) logits, Tensor id, Tensor end, float penalty) -> ()");
}
