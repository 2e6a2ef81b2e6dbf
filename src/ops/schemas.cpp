// Schemas of the bt operators. The definitions beside this file register themselves with TORCH_LIBRARY_IMPL.
#include <torch/library.h>

TORCH_LIBRARY(bt, m) {
  m.def(
      "segment_attention(Tensor q, Tensor query_length, Tensor k, Tensor v, Tensor length, Tensor position, Tensor? "
      "alive, "
      "float scale, float softcap, int window) -> (Tensor out, Tensor lse)");
  m.def(
      "segment_attention_backward(Tensor d_out, Tensor q, Tensor query_length, Tensor k, Tensor v, Tensor length, "
      "Tensor position, Tensor? alive, float scale, float softcap, int window, Tensor out, Tensor lse) "
      "-> (Tensor d_q, Tensor d_k, Tensor d_v)");
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
      "Tensor? alive, float scale, float softcap, int window) -> Tensor");
  m.def("select_top(Tensor mass, int k) -> Tensor");
  m.def("gather_rows(Tensor k, Tensor v, Tensor rows) -> Tensor");
  m.def("edit_rows_(Tensor(a!) k, Tensor(b!) v, Tensor rows, Tensor u, Tensor delta, Tensor gate) -> ()");
  m.def("put_rows(Tensor k, Tensor v, Tensor rows, Tensor new_rows) -> (Tensor, Tensor)");
  m.def(
      "visible(Tensor query_length, int queries, Tensor length, Tensor position, Tensor? alive, int window) -> Tensor");
}
