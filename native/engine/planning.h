// What a load needs and may use, as EngineOptions mean it: one reading for the plan that is shown and the load that follows.
#pragma once
#include <memory>
#include <span>

#include "engine/engine.h"
#include "speculate/drafter_model.h"

namespace conclave {

inline constexpr int kDefaultContext = 8192;

/// Throws Error(kBadArgument) for what is out of range.
void check_options(const EngineOptions& options);
/// Tokens of keys and values, of all sequences together.
int planned_tokens(const EngineOptions& options, const ModelSpec& spec);
/// See LoadedModel for `max_logit_rows`.
PlanOptions planned_needs(const EngineOptions& options, const ModelSpec& spec, int max_logit_rows);
/// Of what a device has free, what a load may take.
uint64_t usable_bytes(const EngineOptions& options, uint64_t free_bytes);
/// Weights, as much again for the drafters' own buffers, and their share of the pages.
uint64_t drafters_bytes(std::span<const std::unique_ptr<DrafterModel>> drafters, const PlanOptions& needs);

}  // namespace conclave
