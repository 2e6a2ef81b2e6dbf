// `bt-generate` once LibTorch is open: the request is a const bt::GenerateOptions*, validated. Returns 0, or 128 + the
// signal's number when it was interrupted and has written what there was; throws bt::Error.
#pragma once

extern "C" int bt_app_generate(const void* request);
