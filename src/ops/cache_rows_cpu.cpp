#include "cache_rows_cpu.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <cstring>
#include <vector>

#include "bt/ops/cache_rows_checks.h"

namespace bt::ops {
namespace {

constexpr int64_t kEventsPerTask = 8;

void check_row(int64_t row, int64_t rows) {
  TORCH_CHECK_INDEX(row < rows, "row ", row, " of a cache of ", rows, " rows");
}

// Where the keys and values of an event's sequence are.
class Places {
 public:
  Places(const std::optional<at::Tensor>& place_E, int64_t events, int64_t sequences) : sequences_(sequences) {
    if (!place_E) return;
    TORCH_CHECK(place_E->numel() == events && place_E->scalar_type() == at::kLong && place_E->is_cpu(),
                "places must be int64 [E] beside the cache, found ", place_E->sizes(), " of ", place_E->scalar_type(),
                " for ", events, " events");
    place_ = place_E->contiguous();
  }
  int64_t of(int64_t event) const {
    const int64_t place = place_.defined() ? place_.const_data_ptr<int64_t>()[event] : event;
    TORCH_CHECK_INDEX(place >= 0 && place < sequences_, "sequence ", place, " of ", sequences_);
    return place;
  }

 private:
  at::Tensor place_;
  int64_t sequences_;
};

// Calls f(event, slot, row) for the slots of rows_EW; `row` < `rows`, negative for padding.
template <class F>
void each_slot(const at::Tensor& rows_EW, int64_t rows, const F& f) {
  const at::Tensor packed = rows_EW.contiguous();
  const int64_t* row = packed.const_data_ptr<int64_t>();
  const int64_t width = packed.size(1);
  at::parallel_for(0, packed.size(0), kEventsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t e = begin; e < end; ++e) {
      for (int64_t w = 0; w < width; ++w) {
        check_row(row[e * width + w], rows);
        f(e, w, row[e * width + w]);
      }
    }
  });
}

void gather_half(const at::Tensor& x_BGTD, const at::Tensor& rows_EW, const Places& places, char* out,
                 int64_t entry_bytes) {
  const at::Tensor cache = unit_heads(x_BGTD);
  const int64_t item = cache.element_size(), groups = cache.size(1), head_bytes = cache.size(3) * item;
  const int64_t by_event = cache.stride(0) * item, by_group = cache.stride(1) * item, by_row = cache.stride(2) * item;
  const char* base = static_cast<const char*>(cache.const_data_ptr());
  each_slot(rows_EW, cache.size(2), [&](int64_t e, int64_t w, int64_t row) {
    char* to = out + (e * rows_EW.size(1) + w) * entry_bytes;
    if (row < 0) {
      std::memset(to, 0, static_cast<size_t>(groups * head_bytes));
      return;
    }
    const char* from = base + places.of(e) * by_event + row * by_row;
    for (int64_t g = 0; g < groups; ++g)
      std::memcpy(to + g * head_bytes, from + g * by_group, static_cast<size_t>(head_bytes));
  });
}

// One half (keys or values) of the entries u and delta, [E, W, C] with C = 2 * G * D.
template <class T>
void edit_half(const at::Tensor& x_BGTD, const at::Tensor& rows_EW, const Places& places, const at::opmath_type<T>* u,
               const at::opmath_type<T>* delta, at::opmath_type<T> gate) {
  const int64_t groups = x_BGTD.size(1), width = x_BGTD.size(3), entry = 2 * groups * width, slots = rows_EW.size(1);
  const int64_t by_event = x_BGTD.stride(0), by_group = x_BGTD.stride(1), by_row = x_BGTD.stride(2),
                by_number = x_BGTD.stride(3);
  T* base = x_BGTD.mutable_data_ptr<T>();
  each_slot(rows_EW, x_BGTD.size(2), [=, &places](int64_t e, int64_t w, int64_t row) {
    if (row < 0) return;
    const int64_t from = (e * slots + w) * entry;
    for (int64_t g = 0; g < groups; ++g) {
      T* to = base + places.of(e) * by_event + g * by_group + row * by_row;
      const at::opmath_type<T>*entries = u + from + g * width, *changes = delta + from + g * width;
      for (int64_t d = 0; d < width; ++d) to[d * by_number] = static_cast<T>(entries[d] + gate * changes[d]);
    }
  });
}

void edit_rows_cpu(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                   const at::Tensor& u_EWC, const at::Tensor& delta_EWC, const at::Tensor& gate,
                   const std::optional<at::Tensor>& place_E) {
  check_cache(k_BGTD, v_BGTD, rows_EW, place_E.has_value());
  check_entries(u_EWC, k_BGTD, rows_EW, "u");
  check_entries(delta_EWC, k_BGTD, rows_EW, "delta");
  const Places places(place_E, rows_EW.size(0), k_BGTD.size(0));
  const int64_t half = k_BGTD.size(1) * k_BGTD.size(3);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, k_BGTD.scalar_type(), "bt::edit_rows_", [&] {
    using Wide = at::opmath_type<scalar_t>;
    const auto wide = c10::CppTypeToScalarType<Wide>::value;
    const at::Tensor u = u_EWC.to(wide).contiguous(), factor = gate.to(wide);
    const bool one_gate = factor.numel() == 1;
    const at::Tensor delta =
        one_gate ? delta_EWC.to(wide).contiguous() : (factor * delta_EWC.to(wide)).expand_as(u).contiguous();
    const Wide scale = one_gate ? factor.item<Wide>() : Wide(1);
    const Wide *entries = u.const_data_ptr<Wide>(), *changes = delta.const_data_ptr<Wide>();
    edit_half<scalar_t>(k_BGTD, rows_EW, places, entries, changes, scale);
    edit_half<scalar_t>(v_BGTD, rows_EW, places, entries + half, changes + half, scale);
  });
}

}  // namespace

at::Tensor gather_rows_cpu(const at::Tensor& k_BGTD, const at::Tensor& v_BGTD, const at::Tensor& rows_EW,
                           const std::optional<at::Tensor>& place_E) {
  check_cache(k_BGTD, v_BGTD, rows_EW, place_E.has_value());
  const Places places(place_E, rows_EW.size(0), k_BGTD.size(0));
  const int64_t half = k_BGTD.size(1) * k_BGTD.size(3), half_bytes = half * k_BGTD.element_size();
  const at::Tensor u_EWC = at::empty({rows_EW.size(0), rows_EW.size(1), 2 * half}, k_BGTD.options());
  char* out = static_cast<char*>(u_EWC.mutable_data_ptr());
  gather_half(k_BGTD, rows_EW, places, out, 2 * half_bytes);
  gather_half(v_BGTD, rows_EW, places, out + half_bytes, 2 * half_bytes);
  return u_EWC;
}

TORCH_LIBRARY_IMPL(bt, CPU, m) { m.impl("edit_rows_", edit_rows_cpu); }

}  // namespace bt::ops
