// Options and checks of every program that runs a model.
#pragma once

#include <cstdint>
#include <string>

#include "bt/core/option_fields.h"

namespace bt {

void model_fields(OptionFields& f, std::string& model, std::string& latent, bool& allow_other_backbone);
void load_field(OptionFields& f, std::string& load);
void machine_fields(OptionFields& f, std::string& device, std::string& dtype, int64_t& threads);
void chat_fields(OptionFields& f, std::string& chat, std::string& system);
void check_chat(const std::string& chat, const std::string& system);  // ExitCode::usage
void check_device(const std::string& device);                         // ExitCode::usage for no device's name

// ExitCode::bad_file when it is not there. An empty folder name is no folder asked for.
void need_model(const std::string& model, const std::string& latent);
void need_file(const std::string& path, const std::string& what);
void need_folder(const std::string& path, const std::string& what);

}  // namespace bt
