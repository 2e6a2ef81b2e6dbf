// Caches of awkward shapes on the host, for the kernels of cache rows.
#pragma once

#include <algorithm>
#include <numeric>

#include "kernels/cache_rows.h"
#include "kernels/device.cuh"
#include "kernels/kernel_test_support.h"

namespace bt::testing {

using kernels::bfloat16;
using kernels::CacheRows;
using kernels::half;
using kernels::narrow;

struct Shape {
  int events, slots, groups, rows, width;
  int gap = 0, offset = 0;  // elements between rows, and in front of the first
  bool placed = false;      // events have their sequences in another order, and two have no event

  int sequences() const { return placed ? events + 2 : events; }
};

inline constexpr Shape kShapes[] = {
    {1, 1, 1, 1, 1},
    {1, 1, 1, 37, 64},
    {19, 5, 2, 37, 8},
    {19, 7, 2, 11, 6},
    {2, 5, 2, 9, 64, 8},
    {2, 5, 2, 9, 64, 2},
    {3, 4, 3, 5, 7, 1, 1},
    {2, 6, 3, 9, 16, 0, 4},
    {3, 57, 2, 64, 64},
    {1, 2, 9, 3, 128},
    {2, 3, 1, 4, 16, 0, 1},
    {2, 3, 5, 4, 130, 6, 2},
    {2, 3, 2, 4, 16, 2},
    {3, 5, 2, 37, 64, 0, 0, true},
    {19, 4, 3, 9, 7, 1, 1, true},
};

template <class T>
std::vector<T> random_numbers(size_t count, uint64_t seed) {
  std::vector<T> out;
  for (const float x : random_floats(count, seed)) out.push_back(narrow<T>(x));
  return out;
}

template <class T>
std::vector<unsigned char> bytes(const std::vector<T>& x) {
  const auto* begin = reinterpret_cast<const unsigned char*>(x.data());
  return {begin, begin + x.size() * sizeof(T)};
}

// Keys head-major and values row-major with heads side by side, so that all strides differ. What lies in the gaps must
// stay as it is.
template <class T>
struct Cache {
  explicit Cache(const Shape& shape) : n(shape) {
    const int64_t k_row = n.width + n.gap, v_row = n.groups * n.width + n.gap, behind_event = 8 * n.gap;
    k = {nullptr, n.groups * n.rows * k_row + behind_event, n.rows * k_row, k_row};
    v = {nullptr, n.rows * v_row + behind_event, n.width, v_row};
    keys = random_numbers<T>(static_cast<size_t>(n.offset + n.sequences() * k.by_sequence), 1);
    values = random_numbers<T>(static_cast<size_t>(n.offset + n.sequences() * v.by_sequence), 2);
    for (int e = 0; e < n.events; ++e) place.push_back(n.placed ? n.sequences() - 1 - e : e);
  }
  CacheRows chosen_by(const std::vector<int64_t>& chosen) {
    k.data = keys.data() + n.offset;
    v.data = values.data() + n.offset;
    return {
        k,        v,       chosen.data(), n.placed ? place.data() : nullptr, n.sequences(), n.rows, n.events, n.slots,
        n.groups, n.width, sizeof(T)};
  }
  // Element i of a row's [k heads | v heads].
  T& at(int event, int64_t row, int i) {
    const int wide = n.groups * n.width, in_part = i % wide;
    const CacheRows::Part& part = i < wide ? k : v;
    return (
        i < wide
            ? keys
            : values)[static_cast<size_t>(n.offset + place[static_cast<size_t>(event)] * part.by_sequence +
                                          row * part.by_row + in_part / n.width * part.by_group + in_part % n.width)];
  }
  std::vector<unsigned char> all() const {
    std::vector<unsigned char> out = bytes(keys);
    const std::vector<unsigned char> rest = bytes(values);
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }

  Shape n;
  CacheRows::Part k, v;
  std::vector<T> keys, values;
  std::vector<int64_t> place;
};

// Different rows of every event in any order, some slots empty, and all of the second event.
inline std::vector<int64_t> some_rows(const Shape& n) {
  std::mt19937_64 random(7);
  std::vector<int64_t> out;
  for (int e = 0; e < n.events; ++e) {
    std::vector<int64_t> rows(static_cast<size_t>(n.rows));
    std::iota(rows.begin(), rows.end(), 0);
    std::shuffle(rows.begin(), rows.end(), random);
    rows.resize(static_cast<size_t>(n.slots), -1);
    for (int64_t& row : rows) {
      if (e == 1 || random() % 5 == 0) row = -1;
    }
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

// Calls f(event, row, i, place in the entries) for every element of every slot.
template <class F>
void each_element(const Shape& n, const std::vector<int64_t>& chosen, const F& f) {
  const int entry = 2 * n.groups * n.width;
  for (size_t slot = 0; slot < chosen.size(); ++slot) {
    for (int i = 0; i < entry; ++i)
      f(static_cast<int>(slot) / n.slots, chosen[slot], i, slot * static_cast<size_t>(entry) + static_cast<size_t>(i));
  }
}

inline size_t entry_numbers(const Shape& n) { return static_cast<size_t>(n.events * n.slots * 2 * n.groups * n.width); }

// Calls f(T()) for every type T of a cache.
template <class F>
void in_every_type(const F& f) {
  f(float());
  f(bfloat16());
  f(half());
}

}  // namespace bt::testing
