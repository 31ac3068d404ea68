// How a request asks a model's routers to choose otherwise than they were trained to. Plain data; what it does to a router's
// logits is said at RouteArgs.
#pragma once
#include <vector>

#include "model/spec.h"

namespace conclave {

/// Added to one expert's router logit before it is scored; -infinity: never chosen (the expert is muted).
struct ExpertBias {
  int moe_layer;   // counts the layers with experts only
  int expert;
  float bias;
  bool operator==(const ExpertBias&) const = default;
};

struct Steering {
  int n_experts_used = 0;            // per token, in every layer; 0: as trained, which is also the most
  std::vector<ExpertBias> biases;    // ascending by layer, then expert

  bool is_none() const { return n_experts_used == 0 && biases.empty(); }
  bool operator==(const Steering&) const = default;
};

/// Throws Error(kBadArgument) for what this model cannot do: a layer or expert that it does not have or that is named twice, more
/// experts than trained, a bias that is no number, or so many muted that a layer has fewer left than a token takes.
void check_steering(const Steering& steering, const ModelSpec& spec);

}  // namespace conclave
