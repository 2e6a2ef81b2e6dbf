// What one layer's attention takes: of whole texts, of the scan over steps that a method acts between, and of branches.
#pragma once

#include "bt/train/pass_memory.h"

namespace bt {

struct AttentionMemory {
  PassMemory kept;      // from the forward to the backward pass
  PassMemory backward;  // added at most in the backward pass
  PassMemory reading;   // added at most while texts are read without gradient
};

// Texts without a cut.
AttentionMemory text_attention(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape);
// runtime/truncated_scan.h, the method's edits included.
AttentionMemory truncated_scan_memory(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape);
// runtime/segment_cache.h: every depth has a cache of its own.
AttentionMemory segment_cache_memory(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape);
// runtime/branch_pass.cpp, the texts' cache included.
AttentionMemory branch_memory(const ModelConfig& model, const DevicePlan& plan, const PassShape& shape);

// Events of the Cache Processor in one layer.
struct EditShape {
  int64_t slots = 0;    // entries, padding included
  int64_t entries = 0;  // without it
  int64_t pairs = 0;    // slots times the slots of their own event
};
EditShape edit_shape(const DevicePlan& plan, const BtOptions& options);
// What the graph of these edits keeps. Bytes.
int64_t edit_bytes(const ModelConfig& model, const EditShape& edits, const PassShape& shape);

}  // namespace bt
