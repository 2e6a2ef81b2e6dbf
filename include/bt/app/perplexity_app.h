// What `bt-eval perplexity` and `bt-eval ahead` do once LibTorch is open.
#pragma once

// `request`: a bt::PerplexityOptions. Returns the exit code; throws bt::Error.
extern "C" int bt_app_perplexity(const void* request);

// `request`: a bt::AheadPerplexityOptions. Returns the exit code; throws bt::Error.
extern "C" int bt_app_ahead_perplexity(const void* request);
