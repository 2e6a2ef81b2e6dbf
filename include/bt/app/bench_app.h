// `bt-bench` once LibTorch is open. Both return 0 and throw bt::Error.
#pragma once

extern "C" int bt_app_bench(const void* request);       // a const bt::BenchOptions*, validated
extern "C" int bt_app_bench_load(const void* request);  // a const bt::LoadBenchOptions*
