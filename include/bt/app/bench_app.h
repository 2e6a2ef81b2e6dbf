// `bt-bench` once LibTorch is open. Both throw bt::Error.
#pragma once

// `request`: a const bt::BenchOptions*, validated. Returns 0, or 1 when a bench has failed; the others are timed all
// the same. ExitCode::usage for a filter that no bench's name holds.
extern "C" int bt_app_bench(const void* request);

extern "C" int bt_app_bench_load(const void* request);  // a const bt::LoadBenchOptions*; returns 0
