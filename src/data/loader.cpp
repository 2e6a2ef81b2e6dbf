#include "bt/data/loader.h"

#include <algorithm>
#include <numeric>

#include "bt/core/error.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr int64_t kMaxBatch = int64_t{1} << 20;

}  // namespace

Loader::Loader(const std::vector<Example>& examples, const LoaderOptions& options)
    : examples_(&examples), options_(options), order_(examples.size()) {
  if (examples.empty()) fail_usage({.what = "there are no examples to load"});
  if (options.batch_size < 1 || options.batch_size > kMaxBatch || options.length_window > kMaxBatch) {
    fail_usage({.what = "batch size or length window is out of range",
                .expected = str("1 to ", kMaxBatch),
                .found = str(options.batch_size, " and ", options.length_window)});
  }
  begin_epoch(0);
}

void Loader::begin_epoch(int64_t epoch) {
  cursor_ = {.epoch = epoch, .index = 0};
  if (!options_.shuffle) {
    std::iota(order_.begin(), order_.end(), int64_t{0});
  } else {
    permutation(options_.seed, stream_id(str("order of epoch ", epoch)), order_);
  }
  if (options_.length_window > 1) group_by_length();
}

void Loader::group_by_length() {
  const auto length = [&](int64_t i) { return (*examples_)[static_cast<size_t>(i)].ids.size(); };
  const auto count = static_cast<int64_t>(order_.size());
  const int64_t batch = options_.batch_size;
  for (int64_t begin = 0; begin < count; begin += batch * options_.length_window) {
    const int64_t end = std::min(count, begin + batch * options_.length_window);
    std::vector<int64_t> window(order_.begin() + begin, order_.begin() + end);
    std::stable_sort(window.begin(), window.end(), [&](int64_t a, int64_t b) { return length(a) < length(b); });
    std::vector<int64_t> batches(static_cast<size_t>((end - begin + batch - 1) / batch));
    permutation(options_.seed, stream_id(str("batches of epoch ", cursor_.epoch, " from ", begin)), batches);
    int64_t at = begin;
    for (const int64_t b : batches) {
      for (int64_t i = b * batch; i < std::min(end - begin, (b + 1) * batch); ++i) {
        order_[static_cast<size_t>(at++)] = window[static_cast<size_t>(i)];
      }
    }
  }
}

std::vector<Example> Loader::next() {
  std::vector<Example> batch;
  batch.reserve(static_cast<size_t>(options_.batch_size));
  while (static_cast<int64_t>(batch.size()) < options_.batch_size) {
    if (cursor_.index == static_cast<int64_t>(order_.size())) begin_epoch(cursor_.epoch + 1);
    const int64_t chosen = order_[static_cast<size_t>(cursor_.index++)];
    batch.push_back((*examples_)[static_cast<size_t>(chosen)]);
  }
  return batch;
}

void Loader::seek(LoaderCursor cursor) {
  const auto count = static_cast<int64_t>(order_.size());
  if (cursor.epoch < 0 || cursor.index < 0 || cursor.index > count) {
    fail_bad_file({.what = "the saved place in the data does not fit the data",
                   .expected = str("an index from 0 to ", count),
                   .found = str("epoch ", cursor.epoch, ", index ", cursor.index),
                   .next_step = "resume with the data files that the run began with"});
  }
  begin_epoch(cursor.epoch);
  cursor_.index = cursor.index;
}

}  // namespace bt
