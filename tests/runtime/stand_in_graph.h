// A stand-in for a device's graphs on the CPU.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "bt/ops/device_graph.h"

namespace bt::testing {

// Runs the work three times where a GPU would run it twice to warm up, and once more for every replay.
struct StandInGraph final : ops::DeviceGraph {
  static inline int records = 0, replays = 0;
  std::function<void()> recorded;
  void record(const std::function<void()>& work) override {
    ++records;
    recorded = work;
    for (int i = 0; i < 3; ++i) work();
  }
  void replay() override {
    ++replays;
    recorded();
  }
};

// For as long as it lives, CPUs have graphs; the counts begin at 0.
class CpuGraphs {
 public:
  CpuGraphs() {
    StandInGraph::records = StandInGraph::replays = 0;
    ops::register_device_graphs(c10::DeviceType::CPU, made);
  }
  ~CpuGraphs() {
    ops::register_device_graphs(c10::DeviceType::CPU,
                                [](c10::Device, ops::DeviceGraph*) { return std::unique_ptr<ops::DeviceGraph>(); });
  }
  CpuGraphs(const CpuGraphs&) = delete;
  CpuGraphs& operator=(const CpuGraphs&) = delete;

 private:
  static std::unique_ptr<ops::DeviceGraph> made(c10::Device, ops::DeviceGraph*) {
    return std::make_unique<StandInGraph>();
  }
};

}  // namespace bt::testing
