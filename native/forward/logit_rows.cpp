// One download for all rows; see logit_rows.h.
#include "forward/logit_rows.h"

#include <algorithm>
#include <cstring>

namespace conclave {

LogitRows::LogitRows(Ops& ops, Workspace& work)
    : ops_(ops), logits_(work.logits), on_device_(ops.memory().has_value()), k_(std::min<int64_t>(kTopLogits, work.logits.d_row)) {
  if (!on_device_) return;
  const auto n = static_cast<size_t>(logits_.n_rows);
  device_ = work.make(logits_.n_rows, 2 * k_ + 2 + kMostAsked);
  raw_.resize(n * static_cast<size_t>(device_.stride));
  values_.resize(raw_.size());
  ids_.resize(n * static_cast<size_t>(k_));
  best_.resize(n);
  rows_.resize(n);
}

Tensor LogitRows::part(int64_t n_rows, int64_t first, int64_t count, DType type) const {
  Tensor view = columns(device_.rows(0, n_rows), first, count);
  view.type = type;
  return view;
}

void LogitRows::find_best(const Batch& batch) {
  if (!on_device_) return;
  const auto n = static_cast<int64_t>(batch.logit_rows.size());
  // All or none of the room, so that passes differ in few ways.
  const int64_t n_asked = batch.asked.empty() ? 0 : kMostAsked;
  asked_ids_.assign(static_cast<size_t>(n * n_asked), -1);
  int32_t row = -1;
  size_t at = 0;
  for (const Batch::Asked& asked : batch.asked) {
    if (asked.logit_row != row) at = static_cast<size_t>((row = asked.logit_row) * n_asked);
    asked_ids_[at++] = asked.token;
  }
  ops_.top_logits({.ids = part(n, 0, k_, DType::kI32), .values = part(n, k_, k_), .sums = part(n, 2 * k_, 2), .asked = part(n, 2 * k_ + 2, n_asked), .logits = logits_.rows(0, n), .asked_ids = asked_ids_});
}

void LogitRows::fetch_best(const Batch& batch) {
  const size_t n = batch.logit_rows.size(), k = static_cast<size_t>(k_), stride = static_cast<size_t>(device_.stride);
  if (!on_device_ || n == 0) return;
  ops_.download(raw_.data(), device_.data, n * stride * sizeof(float));
  std::memcpy(values_.data(), raw_.data(), n * stride * sizeof(float));
  for (size_t i = 0; i < n; ++i) {
    std::memcpy(ids_.data() + i * k, raw_.data() + i * stride, k * sizeof(int32_t));
    const std::span<const float> values = std::span(values_).subspan(i * stride, stride);
    best_[i] = {.ids = std::span(ids_).subspan(i * k, k), .values = values.subspan(k, k), .sum = values[2 * k], .is_finite = values[2 * k + 1] == 0.f,
                .n_vocab = static_cast<int>(logits_.d_row), .asked_ids = {}, .asked = {}};
    rows_[i].clear();
  }
  for (size_t first = 0, end = 0; first < batch.asked.size(); first = end) {
    const auto i = static_cast<size_t>(batch.asked[first].logit_row);
    while (end < batch.asked.size() && batch.asked[end].logit_row == batch.asked[first].logit_row) ++end;
    best_[i].asked_ids = std::span(asked_ids_).subspan(i * kMostAsked, end - first);
    best_[i].asked = std::span(values_).subspan(i * stride + 2 * k + 2, end - first);
  }
}

std::span<float> LogitRows::row(int i) {
  const auto n_vocab = static_cast<size_t>(logits_.d_row);
  if (!on_device_) return {logits_.f32(i), n_vocab};
  std::vector<float>& row = rows_[static_cast<size_t>(i)];
  if (row.empty()) {
    row.resize(n_vocab);
    ops_.download(row.data(), logits_.f32(i), n_vocab * sizeof(float));
    ++n_fetched_;
  }
  return row;
}

}  // namespace conclave
