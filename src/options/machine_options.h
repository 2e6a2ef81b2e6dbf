// Options and checks of every program that runs a model.
#pragma once

#include <cstdint>
#include <string>

#include "bt/core/option_fields.h"
#include "bt/options/model_place.h"

namespace bt {

void model_fields(OptionFields& f, ModelPlace& place);  // the folders
void chat_fields(OptionFields& f, ChatForm& chat);
void load_field(OptionFields& f, std::string& load);
void machine_fields(OptionFields& f, std::string& device, std::string& dtype, int64_t& threads);
void machine_fields(OptionFields& f, ModelPlace& place);  // how the model is read and run
void check_device(const std::string& device);             // ExitCode::usage for no device's name
// The same, and ExitCode::usage for a system message without a chat template.
void check_place(const ModelPlace& place);

// ExitCode::bad_file when it is not there. An empty folder name is no folder asked for.
void need_model(const ModelPlace& place);
void need_file(const std::string& path, const std::string& what);
void need_folder(const std::string& path, const std::string& what);

}  // namespace bt
