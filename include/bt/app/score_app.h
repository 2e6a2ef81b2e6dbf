// `bt-eval score` once LibTorch is open: the request is a const bt::ScoreOptions*, validated. Returns 0; throws
// bt::Error.
#pragma once

extern "C" int bt_app_score(const void* request);
