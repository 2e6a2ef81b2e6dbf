// What `bt-eval probe` does once LibTorch is open.
#pragma once

// `request`: a bt::ProbeRunOptions. Returns the exit code; throws bt::Error.
extern "C" int bt_app_probe(const void* request);
