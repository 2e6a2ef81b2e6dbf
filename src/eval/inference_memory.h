// Where memory goes when a trained model runs, and what to change where it runs out.
#pragma once

#include "bt/eval/inference_model.h"
#include "bt/runtime/decoding.h"
#include "bt/runtime/device_plan.h"
#include "bt/train/out_of_memory.h"

namespace bt {

const Remedies& inference_remedies();

// The weights of the model in a folder, from its sizes.
MemoryClasses loading_memory(const ModelPlace& place);
// Decoding with these slots.
MemoryClasses generation_memory(const InferenceModel& model, const DecodingShape& shape);
// A pass over given texts.
MemoryClasses scoring_memory(const InferenceModel& model, const Method* method, const DevicePlan& plan);

}  // namespace bt
