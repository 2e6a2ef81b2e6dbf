// `bt-eval run` once LibTorch is open: the request is a const bt::EvalRunOptions*, validated. Returns 0; throws
// bt::Error.
#pragma once

extern "C" int bt_app_eval(const void* request);
