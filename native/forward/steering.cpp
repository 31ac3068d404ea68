// What a steering may ask; see steering.h.
#include "forward/steering.h"

#include <cmath>
#include <string>

#include "base/error.h"

namespace conclave {

namespace {

[[noreturn]] void reject(const std::string& message) { throw Error(ErrorCode::kBadArgument, message); }

std::string name_of(const ExpertBias& bias) { return "expert " + std::to_string(bias.expert) + " of MoE layer " + std::to_string(bias.moe_layer); }

void check_bias(const ExpertBias& bias, const std::vector<const FfnSpec*>& layers) {
  if (bias.moe_layer < 0 || bias.moe_layer >= static_cast<int>(layers.size())) {
    reject("the steering names MoE layer " + std::to_string(bias.moe_layer) + "; this model has " + std::to_string(layers.size()) + ", counted from 0");
  }
  const int n_experts = layers[static_cast<size_t>(bias.moe_layer)]->n_experts;
  if (bias.expert < 0 || bias.expert >= n_experts) reject("the steering names " + name_of(bias) + ", which has " + std::to_string(n_experts) + " experts, counted from 0");
  if (std::isnan(bias.bias) || bias.bias == INFINITY) reject("the bias of " + name_of(bias) + " must be a number, or -infinity to mute it");
}

}  // namespace

void check_steering(const Steering& steering, const ModelSpec& spec) {
  if (steering.is_none()) return;
  std::vector<const FfnSpec*> layers;
  for (const LayerSpec& layer : spec.layers) {
    if (layer.ffn.kind == FfnKind::kMoe) layers.push_back(&layer.ffn);
  }
  if (layers.empty()) reject("this model has no experts to steer");
  const int trained = layers.front()->n_experts_used;
  if (steering.n_experts_used < 0 || steering.n_experts_used > trained) {
    reject(std::to_string(steering.n_experts_used) + " experts per token were asked for; this model was trained with " + std::to_string(trained) + " and can take 1 to " + std::to_string(trained));
  }
  std::vector<int> muted(layers.size(), 0);
  const ExpertBias* last = nullptr;
  for (const ExpertBias& bias : steering.biases) {
    check_bias(bias, layers);
    if (last != nullptr && (bias.moe_layer < last->moe_layer || (bias.moe_layer == last->moe_layer && bias.expert <= last->expert))) {
      reject("the steering names " + name_of(bias) + " twice or out of order");
    }
    last = &bias;
    muted[static_cast<size_t>(bias.moe_layer)] += std::isinf(bias.bias);
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const int left = layers[i]->n_experts - muted[i];
    const int needed = steering.n_experts_used > 0 ? steering.n_experts_used : layers[i]->n_experts_used;
    if (left < needed) {
      reject(std::to_string(muted[i]) + " of the " + std::to_string(layers[i]->n_experts) + " experts of MoE layer " + std::to_string(i) + " are muted, which leaves " + std::to_string(left) +
             " where a token needs " + std::to_string(needed) + "; mute fewer, or let a token use fewer experts");
    }
  }
}

}  // namespace conclave
