#include "bt/model/kv_cache.h"

#include <ATen/ATen.h>

#include <cstring>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

// Rows written one by one: for the few tokens of a step an index expression costs more than the copy.
void write_rows_(const at::Tensor& cache_BGTD, const at::Tensor& slot_n, const at::Tensor& row_n,
                 const at::Tensor& x_NGD) {
  const at::Tensor x = x_NGD.to(cache_BGTD.scalar_type()).contiguous();
  const int64_t groups = cache_BGTD.size(1), capacity = cache_BGTD.size(2);
  const int64_t item = static_cast<int64_t>(cache_BGTD.element_size()), row_bytes = cache_BGTD.size(3) * item;
  const int64_t by_slot = cache_BGTD.stride(0) * item, by_group = cache_BGTD.stride(1) * item;
  char* to = static_cast<char*>(cache_BGTD.mutable_data_ptr());
  const char* from = static_cast<const char*>(x.const_data_ptr());
  const int64_t *slot = slot_n.const_data_ptr<int64_t>(), *row = row_n.const_data_ptr<int64_t>();
  for (int64_t n = 0; n < row_n.numel(); ++n) {
    BT_ASSERT(row[n] < capacity && slot[n] < cache_BGTD.size(0));
    for (int64_t g = 0; g < groups; ++g, from += row_bytes)
      std::memcpy(to + slot[n] * by_slot + g * by_group + row[n] * row_bytes, from, static_cast<size_t>(row_bytes));
  }
}

void write_positions_(const at::Tensor& position_BT, const at::Tensor& slot_n, const at::Tensor& row_n,
                      const at::Tensor& position_n) {
  int64_t* to = position_BT.mutable_data_ptr<int64_t>();
  const int64_t *slot = slot_n.const_data_ptr<int64_t>(), *row = row_n.const_data_ptr<int64_t>(),
                *position = position_n.const_data_ptr<int64_t>();
  for (int64_t n = 0; n < row_n.numel(); ++n) to[slot[n] * position_BT.stride(0) + row[n]] = position[n];
}

}  // namespace

KvCache::KvCache(const ModelConfig& model, int64_t slots, int64_t capacity, c10::TensorOptions options) {
  if (slots <= 0 || capacity <= 0) {
    fail_usage({.what = "a cache needs at least one slot and one row",
                .expected = "positive numbers",
                .found = str(slots, " slots of ", capacity, " rows"),
                .next_step = "set a batch size and a length above 0"});
  }
  int64_t elements = checked_mul(checked_mul(model.layers, slots, "cache size"), capacity, "cache size");
  elements = checked_mul(checked_mul(elements, model.kv_heads, "cache size"), model.head_dim, "cache size");
  checked_mul(elements, int64_t{16}, "cache size in bytes");
  k_LBGTD_ = at::zeros({model.layers, slots, model.kv_heads, capacity, model.head_dim}, options.requires_grad(false));
  v_LBGTD_ = at::zeros_like(k_LBGTD_);
  length_LB_ = at::zeros({model.layers, slots}, options.dtype(at::kLong));
  position_LBT_ = at::zeros({model.layers, slots, capacity}, options.dtype(at::kLong));
}

KvView KvCache::view(int64_t layer, int64_t rows) const {
  return {k_LBGTD_.select(0, layer).narrow(2, 0, rows),
          v_LBGTD_.select(0, layer).narrow(2, 0, rows),
          length_LB_.select(0, layer),
          position_LBT_.select(0, layer).narrow(1, 0, rows),
          {}};
}

KvView KvCache::view(int64_t layer, int64_t rows, const at::Tensor& slot_A) const {
  KvView out = view(layer, rows);
  for (at::Tensor* x : {&out.k_BGTD, &out.v_BGTD, &out.length_B, &out.position_BT}) *x = x->index_select(0, slot_A);
  return out;
}

KvView KvCache::view(LayerRange layers, int64_t rows) const {
  const auto of_layers = [&](const at::Tensor& x_LB) {
    return x_LB.narrow(0, layers.begin, layers.size()).flatten(0, 1);
  };
  return {of_layers(k_LBGTD_).narrow(2, 0, rows),
          of_layers(v_LBGTD_).narrow(2, 0, rows),
          of_layers(length_LB_),
          of_layers(position_LBT_).narrow(1, 0, rows),
          {}};
}

KvView KvCache::view_in_place(LayerRange layers, int64_t rows, const at::Tensor& slot_A) const {
  const auto of_slots = [&](const at::Tensor& x_LB) {
    return x_LB.narrow(0, layers.begin, layers.size()).index_select(1, slot_A).flatten(0, 1);
  };
  KvView out = view(layers, rows);
  out.length_B = of_slots(length_LB_);
  out.position_BT = of_slots(position_LBT_.narrow(2, 0, rows));
  const at::Tensor first_L1 = at::arange(layers.size(), slot_A.options()).unsqueeze(1) * slots();
  out.place_B = (first_L1 + slot_A).flatten();
  return out;
}

void KvCache::append_(int64_t layer, const at::Tensor& slot_n, const at::Tensor& offset_n, const at::Tensor& position_n,
                      const at::Tensor& k_NGD, const at::Tensor& v_NGD) {
  const at::Tensor row_n = length_LB_.select(0, layer).index_select(0, slot_n) + offset_n;
  if (row_n.is_cpu()) {
    write_rows_(k_LBGTD_.select(0, layer), slot_n, row_n, k_NGD);
    write_rows_(v_LBGTD_.select(0, layer), slot_n, row_n, v_NGD);
    write_positions_(position_LBT_.select(0, layer), slot_n, row_n, position_n);
    return;
  }
  const c10::List<std::optional<at::Tensor>> cells{slot_n, std::nullopt, row_n};
  at::Tensor k = k_LBGTD_.select(0, layer), v = v_LBGTD_.select(0, layer), position = position_LBT_.select(0, layer);
  k.index_put_(cells, k_NGD);
  v.index_put_(cells, v_NGD);
  position.index_put_({slot_n, row_n}, position_n);
}

at::Tensor KvCache::next_rows_(const at::Tensor& position_B, const at::Tensor& count_B) {
  const at::Tensor writes_B = count_B > 0;
  const at::Tensor row_LB1 = length_LB_.clamp_max(capacity() - 1).unsqueeze(2);  // a full slot writes nothing
  const at::Tensor kept_LB1 = position_LBT_.gather(2, row_LB1);
  position_LBT_.scatter_(2, row_LB1, at::where(writes_B.unsqueeze(1), position_B.unsqueeze(1), kept_LB1));
  return at::where(writes_B, length_LB_, -1);
}

void KvCache::advance_(int64_t layer, const at::Tensor& slot_A, const at::Tensor& count_A) {
  at::Tensor length = length_LB_.select(0, layer);
  length.index_add_(0, slot_A, count_A);
}

void KvCache::compact_(int64_t layer, const at::Tensor& slot_A, const at::Tensor& keep_AT) {
  const int64_t rows = keep_AT.size(1);
  const KvView old = view(layer, rows, slot_A);
  const at::Tensor kept_AT = keep_AT.logical_and(at::arange(rows, slot_A.options()) < old.length_B.unsqueeze(1));
  const at::Tensor order_AT =
      std::get<1>(kept_AT.logical_not().to(at::kByte).sort(/*stable=*/true, /*dim=*/1, /*descending=*/false));
  const auto moved = [&](const at::Tensor& x_AGTD) {
    return x_AGTD.gather(2, order_AT.view({order_AT.size(0), 1, rows, 1}).expand(x_AGTD.sizes()));
  };
  KvView now = view(layer, rows);
  now.k_BGTD.index_copy_(0, slot_A, moved(old.k_BGTD));
  now.v_BGTD.index_copy_(0, slot_A, moved(old.v_BGTD));
  now.position_BT.index_copy_(0, slot_A, old.position_BT.gather(1, order_AT));
  now.length_B.index_copy_(0, slot_A, kept_AT.sum(1));
}

void KvCache::insert_(int64_t layer, const at::Tensor& slot_A, const at::Tensor& begin_A, const KvView& rows_AW,
                      const at::Tensor& real_AW) {
  const at::Tensor length_A = length_LB_.select(0, layer).index_select(0, slot_A), count_A = real_AW.sum(1);
  const int64_t old_rows = length_A.max().item<int64_t>(), rows = (length_A + count_A).max().item<int64_t>();
  BT_ASSERT(rows <= capacity());
  const KvView old = view(layer, old_rows, slot_A);
  // Old and new rows side by side, then ordered: those before the place, the new ones, those behind, no rows at all.
  const at::Tensor row_T = at::arange(old_rows, slot_A.options()), length_A1 = length_A.unsqueeze(1);
  const at::Tensor behind_AT = (row_T >= begin_A.unsqueeze(1)).to(at::kLong) * 2 + (row_T >= length_A1).to(at::kLong);
  const at::Tensor order_AT = at::cat({behind_AT, at::where(real_AW, 1, 3)}, 1)
                                  .argsort(/*stable=*/true, /*dim=*/1, /*descending=*/false)
                                  .narrow(1, 0, rows);
  const auto moved = [&](const at::Tensor& old_AGTD, const at::Tensor& new_AGWD) {
    const at::Tensor both = at::cat({old_AGTD, new_AGWD}, 2);
    return both.gather(
        2, order_AT.view({order_AT.size(0), 1, rows, 1}).expand({both.size(0), both.size(1), rows, both.size(3)}));
  };
  KvView now = view(layer, rows);
  now.k_BGTD.index_copy_(0, slot_A, moved(old.k_BGTD, rows_AW.k_BGTD));
  now.v_BGTD.index_copy_(0, slot_A, moved(old.v_BGTD, rows_AW.v_BGTD));
  now.position_BT.index_copy_(0, slot_A, at::cat({old.position_BT, rows_AW.position_BT}, 1).gather(1, order_AT));
  now.length_B.index_copy_(0, slot_A, length_A + count_A);
}

void KvCache::clear_(int64_t slot) {
  at::Tensor length = length_LB_.select(1, slot);
  length.zero_();
}

}  // namespace bt
