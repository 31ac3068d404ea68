// Timing decorator; see profiling_ops.h.
#include "forward/profiling_ops.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace conclave {

namespace {

/// "blk.3.attn_q.weight" -> "attn_q": the same stage of all layers adds up.
std::string stage_of(const Weight& weight) {
  std::string_view name = weight.name;
  if (name.starts_with("blk.")) name.remove_prefix(std::min(name.size(), name.find('.', 4) + 1));
  if (name.ends_with(".weight")) name.remove_suffix(7);
  return std::string(name);
}

double tensor_bytes(const Tensor& tensor) { return 4.0 * static_cast<double>(tensor.n_rows) * static_cast<double>(tensor.d_row); }
double weight_bytes(const Weight* weight) { return weight ? static_cast<double>(weight->bytes()) : 0.0; }

/// Of the keys and values that the rows see.
double attended_bytes(const AttendArgs& args) {
  std::vector<int32_t> first(args.sequences.size(), INT32_MAX), last(args.sequences.size(), -1);
  for (size_t row = 0; row < args.row_position.size(); ++row) {
    const size_t sequence = static_cast<size_t>(args.row_sequence[row]);
    const int32_t position = args.row_position[row];
    first[sequence] = std::min(first[sequence], args.window > 0 ? std::max(0, position - args.window + 1) : 0);
    last[sequence] = std::max(last[sequence], position);
  }
  double tokens = 0;
  for (size_t sequence = 0; sequence < last.size(); ++sequence) {
    if (last[sequence] >= 0) tokens += last[sequence] - first[sequence] + 1;
  }
  for (const SharedRun& run : args.shared) {   // once, not once for each sequence
    std::set<int32_t> sharing;
    for (const int32_t row : run.rows) sharing.insert(args.row_sequence[static_cast<size_t>(row)]);
    int32_t most = 0;
    for (const int32_t sequence : sharing) {
      const int32_t seen = run.last_page * kPageTokens - std::max(run.first_page * kPageTokens, first[static_cast<size_t>(sequence)]);
      tokens -= std::max(0, seen);
      most = std::max(most, seen);
    }
    tokens += most;
  }
  return tokens * static_cast<double>(kv_token_bytes(args.layer.type, args.layer.n_kv_heads, args.layer.d_k, args.layer.d_v));
}

/// The experts' ids may lie on a device.
double moe_bytes(Ops& ops, const MoeFfnArgs& args) {
  std::set<int32_t> distinct;
  std::vector<int32_t> ids(static_cast<size_t>(args.experts.d_row));
  for (int64_t row = 0; row < args.experts.n_rows; ++row) {
    ops.download(ids.data(), args.experts.i32(row), ids.size() * sizeof(int32_t));
    distinct.insert(ids.begin(), ids.end());
  }
  return static_cast<double>(distinct.size()) * static_cast<double>(args.ffn.gate->expert_bytes() + args.ffn.up->expert_bytes() + args.ffn.down->expert_bytes());
}

}  // namespace

void ProfilingOps::start() {
  stages_.clear();
  on_ = true;
}

std::vector<StageProfile> ProfilingOps::stop() {
  on_ = false;
  std::vector<StageProfile> result;
  for (const auto& [name, stage] : stages_) result.push_back(stage);
  std::sort(result.begin(), result.end(), [](const StageProfile& a, const StageProfile& b) { return a.seconds > b.seconds; });
  return result;
}

template <typename Call, typename Stage, typename Bytes>
void ProfilingOps::measure(Call call, Stage stage, Bytes bytes) {
  if (!on_) return call();
  const auto flush = [this] { inner().submit(), inner().wait(), inner().begin(); };
  flush();
  const auto start = std::chrono::steady_clock::now();
  call();
  flush();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string name = stage();
  StageProfile& profile = stages_[name];
  profile.name = name;
  ++profile.calls;
  profile.seconds += seconds;
  profile.bytes += bytes();
}

void ProfilingOps::embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) {
  measure([&] { inner().embed(out, table, tokens, scale); }, [] { return "embed"; },
          [&] { return static_cast<double>(table.row_bytes() * tokens.size()) + tensor_bytes(out); });
}

void ProfilingOps::norm(const NormArgs& args) {
  measure([&] { inner().norm(args); }, [] { return "norm"; }, [&] { return 2 * tensor_bytes(args.x); });
}

void ProfilingOps::add(Tensor out, Tensor x, float scale) {
  measure([&] { inner().add(out, x, scale); }, [] { return "add"; }, [&] { return 3 * tensor_bytes(x); });
}

void ProfilingOps::matmul(Tensor x, std::span<const MatmulOutput> outputs) {
  measure([&] { inner().matmul(x, outputs); },
          [&] {
            std::string name = "matmul";
            for (const MatmulOutput& output : outputs) name.append(1, ' ').append(stage_of(*output.weight));
            return name;
          },
          [&] {
            double bytes = tensor_bytes(x);
            for (const MatmulOutput& output : outputs) bytes += weight_bytes(output.weight) + tensor_bytes(output.out);
            return bytes;
          });
}

void ProfilingOps::logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) {
  measure([&] { inner().logits(out, x, rows, head, bias, scale, softcap); }, [] { return "logits"; },
          [&] { return weight_bytes(&head) + tensor_bytes(out); });
}

void ProfilingOps::top_logits(const TopLogitsArgs& args) {
  measure([&] { inner().top_logits(args); }, [] { return "top_logits"; }, [&] { return tensor_bytes(args.logits); });
}

void ProfilingOps::qk_rope(const QkRopeArgs& args) {
  measure([&] { inner().qk_rope(args); }, [] { return "qk_rope"; }, [&] { return 2 * (tensor_bytes(args.q) + tensor_bytes(args.k)); });
}

void ProfilingOps::store_kv(const StoreKvArgs& args) {
  measure([&] { inner().store_kv(args); }, [] { return "store_kv"; }, [&] {
    return tensor_bytes(args.k) + tensor_bytes(args.v) +
           static_cast<double>(args.slots.size() * kv_token_bytes(args.layer.type, args.layer.n_kv_heads, args.layer.d_k, args.layer.d_v));
  });
}

void ProfilingOps::attend(const AttendArgs& args) {
  measure([&] { inner().attend(args); }, [] { return "attend"; }, [&] { return attended_bytes(args) + tensor_bytes(args.q) + tensor_bytes(args.out); });
}

void ProfilingOps::head_matmul(const HeadMatmulArgs& args) {
  measure([&] { inner().head_matmul(args); }, [&] { return std::string("head_matmul ").append(stage_of(*args.weight)); },
          [&] { return weight_bytes(args.weight) + tensor_bytes(args.x) + tensor_bytes(args.out); });
}

void ProfilingOps::split_heads(const SplitHeadsArgs& args) {
  measure([&] { inner().split_heads(args); }, [] { return "split_heads"; }, [&] { return 2 * tensor_bytes(args.x); });
}

void ProfilingOps::gate(Tensor x, Tensor gate) {
  measure([&] { inner().gate(x, gate); }, [] { return "gate"; }, [&] { return 3 * tensor_bytes(x); });
}

void ProfilingOps::delta_net(const DeltaNetArgs& args) {
  measure([&] { inner().delta_net(args); }, [] { return "delta_net"; }, [&] {   // each sequence's memory is read and written once
    const std::set<int32_t> distinct(args.row_sequence.begin(), args.row_sequence.end());
    const double memory = 4.0 * args.n_heads * args.d_k * args.d_v;
    return 2 * memory * static_cast<double>(distinct.size()) + tensor_bytes(args.qkv) + tensor_bytes(args.z) + tensor_bytes(args.out);
  });
}

void ProfilingOps::route(const RouteArgs& args) {
  measure([&] { inner().route(args); }, [] { return "route"; }, [&] { return weight_bytes(args.router) + tensor_bytes(args.x); });
}

void ProfilingOps::moe_ffn(const MoeFfnArgs& args) {
  measure([&] { inner().moe_ffn(args); }, [] { return "moe_ffn"; }, [&] { return moe_bytes(inner(), args) + tensor_bytes(args.x) + tensor_bytes(args.out); });
}

void ProfilingOps::dense_ffn(const DenseFfnArgs& args) {
  measure([&] { inner().dense_ffn(args); }, [&] { return std::string("dense_ffn ").append(stage_of(*args.ffn.gate)); },
          [&] { return weight_bytes(args.ffn.gate) + weight_bytes(args.ffn.up) + weight_bytes(args.ffn.down) + tensor_bytes(args.x) + tensor_bytes(args.out); });
}

}  // namespace conclave
