// What a family's file states that is no copy of one key of config.json: sums, lists per layer, tables of divisors.
#pragma once
#include <string>

#include "base/json_reader.h"
#include "convert/source.h"

namespace conclave {

/// A key that must hold a whole number from 1 to 2^24, or, in its absence, `fallback` (0: it must be there). Throws Error (kBadFile).
int64_t hf_number(const Json& config, const char* key, int64_t fallback = 0);
/// Present and not null.
bool hf_is_set(const Json* value);
/// One row of divisors of the rotation's angles.
SourceTensor hf_table(const std::string& name, std::vector<float> values);

void derive_deepseek(const Json& config, const std::string& prefix, SourceModel& out);
void derive_gemma4(const Json& config, const std::string& prefix, SourceModel& out);
void derive_gpt_oss(const Json& config, const std::string& prefix, SourceModel& out);
void derive_qwen3_next(const Json& config, const std::string& prefix, SourceModel& out);

}  // namespace conclave
