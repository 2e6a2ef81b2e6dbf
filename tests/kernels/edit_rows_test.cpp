#include "kernels/edit_rows.h"

#include "kernels/cache_rows_test_support.h"

namespace bt {
namespace {

using kernels::bfloat16;
using kernels::Element;
using kernels::half;
using kernels::narrow;
using kernels::widen;
using testing::Cache;
using testing::each_element;
using testing::entry_numbers;
using testing::in_every_type;
using testing::kShapes;
using testing::random_numbers;
using testing::Shape;
using testing::some_rows;

template <class T>
constexpr Element kElement = Element::fp32;
template <>
constexpr Element kElement<bfloat16> = Element::bf16;
template <>
constexpr Element kElement<half> = Element::fp16;

// Which axes of [events, slots, elements] the gate has, each of its own numbers.
struct GateAxes {
  bool event, slot, element;
};

struct Gate {
  Gate(const Shape& n, const GateAxes& axes) {
    const int entry = 2 * n.groups * n.width;
    by_element = axes.element;
    by_slot = axes.slot ? (axes.element ? entry : 1) : 0;
    by_event = axes.event ? (axes.element ? entry : 1) * (axes.slot ? n.slots : 1) : 0;
    at = testing::random_floats(
        static_cast<size_t>((axes.event ? n.events : 1) * (axes.slot ? n.slots : 1) * (axes.element ? entry : 1)), 8);
  }
  float of(int event, int64_t slot, int i) const {
    return at[static_cast<size_t>(event * by_event + slot * by_slot + i * by_element)];
  }
  std::vector<float> at;
  int64_t by_event, by_slot;
  int by_element;
};

// Half a unit in the last place of the type, relative.
template <class T>
constexpr double kRounding = 0x1p-24;
template <>
constexpr double kRounding<bfloat16> = 0x1p-8;
template <>
constexpr double kRounding<half> = 0x1p-11;

// The sum in fp32, rounded once: no further from the sum in fp64 than two roundings of fp32 and one of the type.
template <class T>
T edited(double u, double delta, double gate) {
  const T out = narrow<T>(static_cast<float>(u) + static_cast<float>(gate) * static_cast<float>(delta));
  const double exact = u + gate * delta, bound = kRounding<T> * std::abs(exact) + 0x1.4p-23;  // numbers are below 2
  EXPECT_NEAR(static_cast<double>(widen(out)), exact, bound);
  return out;
}

template <class T, class U, class Delta>
void expect_edits(const Shape& n, const GateAxes& axes) {
  const std::vector<int64_t> chosen = some_rows(n);
  const std::vector<U> u = random_numbers<U>(entry_numbers(n), 5);
  const std::vector<Delta> delta = random_numbers<Delta>(entry_numbers(n), 6);
  const Gate gate(n, axes);
  Cache<T> expected(n);
  each_element(n, chosen, [&](int event, int64_t row, int i, size_t place) {
    const int64_t slot = static_cast<int64_t>(place) / (2 * n.groups * n.width) % n.slots;
    if (row >= 0) expected.at(event, row, i) = edited<T>(widen(u[place]), widen(delta[place]), gate.of(event, slot, i));
  });
  const auto found = testing::in_every_order([&] {
    Cache<T> cache(n);
    kernels::edit_rows(cache.chosen_by(chosen),
                       {u.data(), delta.data(), gate.at.data(), gate.by_event, gate.by_slot, gate.by_element,
                        kElement<T>, std::is_same_v<U, float>, std::is_same_v<Delta, float>},
                       {});
    return cache.all();
  });
  EXPECT_EQ(found, expected.all()) << "width " << n.width << ", gap " << n.gap << ", offset " << n.offset << ", gate "
                                   << axes.event << axes.slot << axes.element;
}

TEST(EditRowsKernel, EditsRowsOfEveryShape) {
  in_every_type([](auto number) {
    using T = decltype(number);
    for (const Shape& n : kShapes) expect_edits<T, T, float>(n, {false, false, false});
  });
}

TEST(EditRowsKernel, EditsByGatesOfEveryShape) {
  in_every_type([](auto number) {
    using T = decltype(number);
    for (const Shape& n : {Shape{3, 5, 2, 9, 16}, Shape{3, 5, 2, 9, 3}}) {
      for (const bool event : {false, true}) {
        for (const bool slot : {false, true}) {
          for (const bool element : {false, true}) expect_edits<T, T, float>(n, {event, slot, element});
        }
      }
    }
  });
}

TEST(EditRowsKernel, EditsFromEveryType) {
  in_every_type([](auto number) {
    using T = decltype(number);
    for (const Shape& n : {Shape{2, 5, 2, 9, 24}, Shape{2, 5, 2, 9, 5}}) {
      expect_edits<T, T, T>(n, {false, false, true});
      expect_edits<T, float, T>(n, {false, false, true});
      expect_edits<T, float, float>(n, {false, false, true});
    }
  });
}

TEST(EditRowsKernel, NothingToDo) {
  kernels::CacheRows none{};
  none.events = none.groups = none.width = 2;
  none.element_bytes = 4;
  kernels::edit_rows(none, {}, {});
}

}  // namespace
}  // namespace bt
