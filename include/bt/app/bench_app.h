// `bt-bench` once LibTorch is open: the request is a const bt::BenchOptions*, validated. Returns 0; throws bt::Error.
#pragma once

extern "C" int bt_app_bench(const void* request);
