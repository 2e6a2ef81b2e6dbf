// What `bt-eval perplexity` does once LibTorch is open.
#pragma once

// `request`: a bt::PerplexityOptions. Returns the exit code; throws bt::Error.
extern "C" int bt_app_perplexity(const void* request);
