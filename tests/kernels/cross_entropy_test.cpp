#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/device.cuh"
#include "kernels/kernel_test_support.h"

namespace bt {
namespace {

using kernels::bfloat16;
using kernels::half;
using kernels::narrow;
using kernels::widen;

template <class T>
constexpr kernels::Element kElement = kernels::Element::fp32;
template <>
constexpr kernels::Element kElement<bfloat16> = kernels::Element::bf16;
template <>
constexpr kernels::Element kElement<half> = kernels::Element::fp16;

struct Case {
  int rows, columns;
  int64_t stride;  // at least `columns`
  float softcap = 0;
  int lead = 0;  // elements before the first row
};

template <class T>
struct Problem {
  Case c;
  std::vector<T> logits;  // what lies between rows would win, were it read
  std::vector<int64_t> target;

  float at(int row, int column) const { return widen(logits[static_cast<size_t>(c.lead + row * c.stride + column)]); }
};

template <class T>
Problem<T> make_problem(const Case& c) {
  const size_t count = static_cast<size_t>(c.lead + c.rows * c.stride);
  Problem<T> problem{c, std::vector<T>(count, narrow<T>(1000.f)), {}};
  const std::vector<float> value = testing::random_floats(count, 5, -6, 6);
  for (int row = 0; row < c.rows; ++row) {
    for (int v = 0; v < c.columns; ++v) {
      const auto i = static_cast<size_t>(c.lead + row * c.stride + v);
      problem.logits[i] = narrow<T>(value[i]);
    }
    problem.target.push_back(row * 7 % c.columns);
  }
  return problem;
}

template <class T>
struct Outcome {
  std::vector<float> nll, entropy;
  std::vector<char> correct;
  std::vector<T> logits;
  bool operator==(const Outcome& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
    };
    return same(nll, other.nll) && same(entropy, other.entropy) && correct == other.correct &&
           same(logits, other.logits);
  }
};

template <class T>
Outcome<T> run(const Problem<T>& problem, bool want_gradient = true, bool want_entropy = true) {
  return testing::in_every_order([&] {
    const Case& c = problem.c;
    const auto rows = static_cast<size_t>(c.rows);
    Outcome<T> out{std::vector<float>(rows, -7), std::vector<float>(rows, -7), std::vector<char>(rows, 7),
                   problem.logits};
    kernels::cross_entropy({out.logits.data() + c.lead, problem.target.data(), out.nll.data(),
                            reinterpret_cast<bool*>(out.correct.data()), want_entropy ? out.entropy.data() : nullptr,
                            c.stride, c.rows, c.columns, kElement<T>, c.softcap, want_gradient},
                           {});
    return out;
  });
}

// Row by row in order, in one type: double is what is expected, float what a plain kernel would give.
template <class Number>
struct Plain {
  Number nll = 0, entropy = 0;
  bool correct = false;
  std::vector<Number> gradient;
};

template <class Number, class T>
Plain<Number> plain(const Problem<T>& problem, int row) {
  const Case& c = problem.c;
  const auto softcap = static_cast<Number>(c.softcap);
  const auto target = static_cast<size_t>(problem.target[static_cast<size_t>(row)]);
  std::vector<Number> s;
  for (int v = 0; v < c.columns; ++v) {
    const auto x = static_cast<Number>(problem.at(row, v));
    s.push_back(softcap > 0 ? softcap * std::tanh(x / softcap) : x);
  }
  const auto best = std::max_element(s.begin(), s.end());
  Plain<Number> out;
  out.correct = best - s.begin() == static_cast<std::ptrdiff_t>(target);
  Number sum = 0;
  for (const Number x : s) sum += std::exp(x - *best);
  out.nll = std::log(sum) - (s[target] - *best);
  for (size_t v = 0; v < s.size(); ++v) {
    const Number log_p = s[v] - *best - std::log(sum), p = std::exp(log_p);
    out.entropy -= p * log_p;
    const Number slope = softcap > 0 ? 1 - s[v] / softcap * (s[v] / softcap) : 1;
    out.gradient.push_back((p - (v == target ? 1 : 0)) * slope);
  }
  return out;
}

struct Errors {
  double nll = 0, entropy = 0, gradient = 0;
};
void raise(double& error, double found, double expected) { error = std::max(error, std::abs(found - expected)); }

template <class T>
void expect_close(const Case& c) {
  const Problem<T> problem = make_problem<T>(c);
  const Outcome<T> found = run(problem);
  Errors own, usual;
  for (int row = 0; row < c.rows; ++row) {
    const auto r = static_cast<size_t>(row);
    const Plain<double> exact = plain<double>(problem, row);
    const Plain<float> composed = plain<float>(problem, row);
    EXPECT_EQ(found.correct[r], exact.correct);
    raise(own.nll, found.nll[r], exact.nll);
    raise(usual.nll, composed.nll, exact.nll);
    raise(own.entropy, found.entropy[r], exact.entropy);
    raise(usual.entropy, composed.entropy, exact.entropy);
    for (int v = 0; v < c.columns; ++v) {
      const double expected = exact.gradient[static_cast<size_t>(v)];
      raise(own.gradient, widen(found.logits[static_cast<size_t>(c.lead + row * c.stride + v)]), expected);
      raise(usual.gradient, widen(narrow<T>(composed.gradient[static_cast<size_t>(v)])), expected);
    }
  }
  constexpr double kUlp = 9.6e-7;  // of numbers in [8, 16), the greatest of the losses
  EXPECT_LE(own.nll, std::max(2 * usual.nll, kUlp));
  EXPECT_LE(own.entropy, std::max(2 * usual.entropy, kUlp));
  EXPECT_LE(own.gradient, 2 * usual.gradient);
  for (size_t i = 0; i < found.logits.size(); ++i) {  // nothing is written between the rows
    const int64_t at = static_cast<int64_t>(i) - c.lead;
    const bool between = at < 0 || at % c.stride >= c.columns;
    EXPECT_TRUE(!between || widen(found.logits[i]) == widen(narrow<T>(1000.f)));
  }
}

TEST(CrossEntropyKernel, IsAsCloseAsTheComposition) {
  for (const Case& c : {Case{1, 1, 1}, Case{19, 37, 37}, Case{3, 8, 8, .5f}, Case{2, 300, 304, 5.f},
                        Case{5, 257, 257, 0, 3}, Case{2, 20001, 20003, 0, 1}}) {
    SCOPED_TRACE(::testing::Message() << c.rows << " x " << c.columns << ", softcap " << c.softcap);
    expect_close<float>(c);
    expect_close<bfloat16>(c);
    expect_close<half>(c);
  }
}

TEST(CrossEntropyKernel, LeavesTheLogitsAloneWhereNoGradientIsAsked) {
  const Problem<half> problem = make_problem<half>({3, 37, 37, 2.f});
  const Outcome<half> with = run(problem), without = run(problem, false, false);
  EXPECT_TRUE(std::memcmp(without.logits.data(), problem.logits.data(), problem.logits.size() * sizeof(half)) == 0);
  EXPECT_EQ(without.nll, with.nll);
  EXPECT_EQ(without.entropy, (std::vector<float>(3, -7)));
}

TEST(CrossEntropyKernel, TheLowestOfEqualsIsTheLikeliest) {
  Problem<float> problem{{2, 3000, 3000}, std::vector<float>(6000, 0.f), {1500, 2999}};
  for (const size_t at : {1500u, 1501u, 2999u}) problem.logits[at] = problem.logits[3000 + at] = 2;
  EXPECT_EQ(run(problem).correct, (std::vector<char>{1, 0}));
  problem.logits = std::vector<float>(6000, -0.f);
  problem.logits[0] = 0;
  problem.target = {0, 1};
  EXPECT_EQ(run(problem).correct, (std::vector<char>{1, 0}));
}

TEST(CrossEntropyKernel, LogitsThatAreNotFinite) {
  const float infinity = INFINITY;
  Problem<float> problem{{5, 4, 4}, std::vector<float>(20, 1.f), {0, 0, 1, 7, 0}};
  problem.logits[2] = NAN;
  problem.logits[4 + 1] = infinity;
  problem.logits[8] = problem.logits[9] = -infinity;  // has no probability
  for (size_t i = 16; i < 20; ++i) problem.logits[i] = 3e38f;
  const Outcome<float> found = run(problem);
  EXPECT_TRUE(std::isnan(found.nll[0]));
  EXPECT_TRUE(std::isnan(found.nll[1]));
  EXPECT_EQ(found.nll[2], infinity);
  EXPECT_FLOAT_EQ(found.entropy[2], std::log(2.f));
  EXPECT_TRUE(std::isnan(found.nll[3]));  // there is no such target
  EXPECT_FLOAT_EQ(found.nll[4], std::log(4.f));
}

TEST(CrossEntropyKernel, NothingToDo) { kernels::cross_entropy({}, {}); }

}  // namespace
}  // namespace bt
