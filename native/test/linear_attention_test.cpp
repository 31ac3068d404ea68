// The ops of latent, gated and linear attention on every level, against double precision written from ops.h.
#include "ops_fixture.h"

using namespace conclave;
using namespace conclave::test;

namespace {

constexpr double kArithmetic = 2e-5, kTwoTerms = 1e-4;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// Nothing, one row, and more than any block of rows.
constexpr int64_t kRowCounts[] = {0, 1, 37, 257};

/// A tensor whose rows begin at odd multiples of four bytes.
struct UnalignedTensor {
  OwnedTensor owner;
  Tensor view;
  UnalignedTensor(int64_t n, int64_t d, bool random = true) : owner(n, d + 1, random), view(owner.view) {
    view.data = owner.view.f32() + 1;
    view.d_row = d;
  }
};

void check_head_matmul(const Level& level, DType type, int64_t n, bool shared) {
  constexpr int64_t kHeads = 3, kIn = 64, kOut = 70, kTail = 6, kHead = 80;
  OwnedWeight weight = random_weight(type, kHeads, kOut, kIn);
  const int64_t d = shared ? kHead : kHeads * kHead;
  std::vector<float> values(static_cast<size_t>(n * d + 1));
  for (float& value : values) value = normal();
  const Tensor x{values.data() + 1, DType::kF32, n, d, d};   // contiguous, as the op asks, and unaligned
  UnalignedTensor out(n, kHeads * (kOut + kTail), false);
  level.ops->head_matmul({.out = out.view, .x = x, .weight = &weight.view, .n_tail = kTail, .shared = shared});
  Distance distance;
  for (int64_t row = 0; row < n; ++row)
    for (int64_t head = 0; head < kHeads; ++head) {
      const float* from = x.f32(row) + (shared ? 0 : head * kHead);
      const float* to = out.view.f32(row) + head * (kOut + kTail);
      const std::vector<double> input(from, from + kIn);
      for (int64_t o = 0; o < kOut; ++o) distance.add(to[o], dot(weight_row(weight.view, o, head), input));
      for (int64_t i = 0; i < kTail; ++i) CHECK(to[kOut + i] == from[kIn + i]);
    }
  check_distance(distance, level.exact || is_plain(type) ? kArithmetic : kTwoTerms, level.name + " head_matmul " + type_name(type));
}

/// One sequence's DeltaNet in double precision, from a state of nothing.
struct DeltaNetReference {
  int n_heads = 4, n_keys = 2, d_k = 24, d_v = 52, d_conv = 4;
  bool cycling = false;
  int groups = 1;
  OwnedWeight conv, dt, a, norm;

  DeltaNetReference(bool cycle, int n_groups) : cycling(cycle), groups(n_groups), conv(random_weight(DType::kF32, 1, channels(), d_conv)), dt(random_weight(DType::kF32, 1, 1, n_heads)),
        a(random_weight(DType::kF32, 1, 1, n_heads)), norm(random_weight(DType::kF32, 1, 1, d_v)) {
    float* decay = reinterpret_cast<float*>(a.bytes.data());
    for (int i = 0; i < n_heads; ++i) decay[i] = -std::fabs(decay[i]) * 5;
  }
  int64_t channels() const { return 2 * n_keys * d_k + n_heads * d_v; }
  size_t state_floats() const { return static_cast<size_t>((d_conv - 1) * channels() + n_heads * d_k * d_v); }

  std::vector<std::vector<double>> compute(const Tensor& qkv, const Tensor& z, const Tensor& rates) const {
    std::vector<std::vector<double>> memory(static_cast<size_t>(n_heads), std::vector<double>(static_cast<size_t>(d_k * d_v), 0.0)), out;
    for (int64_t row = 0; row < qkv.n_rows; ++row) {
      std::vector<double> x(static_cast<size_t>(channels()), 0.0);
      for (int64_t c = 0; c < channels(); ++c) {
        const std::vector<double> taps = weight_row(conv.view, c);
        double sum = 0;
        for (int64_t tap = 0; tap < d_conv; ++tap)
          if (row - d_conv + 1 + tap >= 0) sum += taps[static_cast<size_t>(tap)] * static_cast<double>(qkv.f32(row - d_conv + 1 + tap)[c]);
        x[static_cast<size_t>(c)] = sum * logistic(sum);
      }
      for (int part = 0; part < 2 * n_keys; ++part) {
        double* v = x.data() + part * d_k;
        double squares = 1e-6;
        for (int i = 0; i < d_k; ++i) squares += v[i] * v[i];
        for (int i = 0; i < d_k; ++i) v[i] /= std::sqrt(squares) * (part < n_keys ? std::sqrt(static_cast<double>(d_k)) : 1.0);
      }
      out.emplace_back();
      for (int head = 0; head < n_heads; ++head) {
        const int key = cycling ? head % n_keys : head / (n_heads / n_keys), size = n_heads / groups;
        const double beta = logistic(static_cast<double>(rates.f32(row)[head / size * 2 * size + head % size]));
        const double alpha = static_cast<double>(rates.f32(row)[head / size * 2 * size + size + head % size]) + weight_row(dt.view, 0)[static_cast<size_t>(head)];
        const double decay = std::exp(weight_row(a.view, 0)[static_cast<size_t>(head)] * std::log1p(std::exp(alpha)));
        std::vector<double>& s = memory[static_cast<size_t>(head)];
        const double *q = x.data() + key * d_k, *k = q + n_keys * d_k, *v = x.data() + 2 * n_keys * d_k + head * d_v;
        for (double& value : s) value *= decay;
        std::vector<double> o(static_cast<size_t>(d_v), 0.0);
        double squares = 0;
        for (int j = 0; j < d_v; ++j) {
          double known = 0;
          for (int i = 0; i < d_k; ++i) known += s[static_cast<size_t>(i * d_v + j)] * k[i];
          for (int i = 0; i < d_k; ++i) s[static_cast<size_t>(i * d_v + j)] += k[i] * beta * (v[j] - known);
          for (int i = 0; i < d_k; ++i) o[static_cast<size_t>(j)] += s[static_cast<size_t>(i * d_v + j)] * q[i];
          squares += o[static_cast<size_t>(j)] * o[static_cast<size_t>(j)];
        }
        for (int j = 0; j < d_v; ++j) {
          const double gate = static_cast<double>(z.f32(row)[head * d_v + j]);
          out.back().push_back(o[static_cast<size_t>(j)] / std::sqrt(squares / d_v + 1e-6) * weight_row(norm.view, 0)[static_cast<size_t>(j)] * gate * logistic(gate));
        }
      }
    }
    return out;
  }

  DeltaNetArgs args(Tensor out, Tensor qkv, Tensor z, Tensor rates, std::span<const int32_t> sequence, std::span<const int32_t> position, std::span<const SequencePages> sequences) const {
    return {.out = out, .qkv = qkv, .z = z, .beta_alpha = rates, .n_heads = n_heads, .n_key_heads = n_keys, .d_k = d_k, .d_v = d_v, .d_conv = d_conv, .n_groups = groups,
            .cycling_heads = cycling, .conv = &conv.view, .dt = &dt.view, .a = &a.view, .norm = &norm.view, .eps = 1e-6f, .state_offset = 64, .row_sequence = sequence,
            .row_position = position, .sequences = sequences};
  }
};

}  // namespace

TEST("head_matmul: each head's product and its tail, apart and on common input") {
  for (const Level& level : levels())
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_0})
      for (const bool shared : {false, true})
        for (const int64_t n : kRowCounts) check_head_matmul(level, type, n, shared);
}

TEST("split_heads and gate: any number of rows, an odd width, unaligned") {
  for (const Level& level : levels())
    for (const int64_t n : kRowCounts) {
      UnalignedTensor x(n, 2 * 3 * 11), first(n, 33, false), second(n, 33, false);
      level.ops->split_heads({.x = x.view, .first = first.view, .second = second.view, .n_heads = 3});
      for (int64_t row = 0; row < n; ++row)
        for (int64_t head = 0; head < 3; ++head) {
          const float* from = x.view.f32(row) + head * 22;
          CHECK(same_bits(first.view.f32(row) + head * 11, from, 11));
          CHECK(same_bits(second.view.f32(row) + head * 11, from + 11, 11));
        }
      const std::vector<float> before = first.owner.values;
      level.ops->gate(first.view, second.view);
      for (int64_t row = 0; row < n; ++row) {
        const float* was = before.data() + (first.view.f32(row) - first.owner.values.data());
        for (int64_t i = 0; i < 33; ++i) CHECK(std::fabs(first.view.f32(row)[i] - was[i] * logistic(second.view.f32(row)[i])) < 1e-6);
        CHECK(first.view.f32(row)[33] == was[33]);   // beyond the row
      }
    }
}

void check_delta_net(const Level& level, const DeltaNetReference& net, int64_t n) {
  UnalignedTensor qkv(n, net.channels()), z(n, net.n_heads * net.d_v), rates(n, 2 * net.n_heads), out(n, net.n_heads * net.d_v, false);
  std::vector<float> state(net.state_floats() + 16, 5.f);   // what an earlier sequence left must not matter
  const SequencePages sequence{{}, state.data()};
  std::vector<int32_t> zeros(static_cast<size_t>(n), 0), positions(static_cast<size_t>(n));
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int32_t>(i);
  level.ops->delta_net(net.args(out.view, qkv.view, z.view, rates.view, zeros, positions, {&sequence, 1}));
  const auto expected = net.compute(qkv.view, z.view, rates.view);
  Distance distance;
  for (int64_t row = 0; row < n; ++row)
    for (int64_t i = 0; i < out.view.d_row; ++i) distance.add(out.view.f32(row)[i], expected[static_cast<size_t>(row)][static_cast<size_t>(i)]);
  check_distance(distance, kArithmetic, level.name + " delta_net, " + std::to_string(n) + " rows");
}

TEST("delta_net: the definition, for both orders of heads and of rates") {
  for (const Level& level : levels())
    for (const bool cycling : {false, true})
      for (const int groups : {1, 2})
        for (const int64_t n : kRowCounts) check_delta_net(level, DeltaNetReference(cycling, groups), n);
}

TEST("delta_net: cut anyhow and among others, a sequence's bits stay the same") {
  for (const Level& level : levels()) {
    const DeltaNetReference net(true, 1);
    OwnedTensor qkv(20, net.channels()), z(20, net.n_heads * net.d_v), rates(20, 2 * net.n_heads), whole(20, net.n_heads * net.d_v, false), parts(20, net.n_heads * net.d_v, false);
    std::vector<float> one(net.state_floats() + 16), two(net.state_floats() + 16), other(net.state_floats() + 16);
    std::vector<int32_t> zeros(20, 0), positions(20);
    for (int i = 0; i < 20; ++i) positions[static_cast<size_t>(i)] = i;
    const SequencePages first{{}, one.data()};
    level.ops->delta_net(net.args(whole.view, qkv.view, z.view, rates.view, zeros, positions, {&first, 1}));
    for (int64_t row = 0; row < 20;) {   // 1, 2, 3, ... rows, each time before five rows of a sequence that begins anew
      const int64_t n = std::min<int64_t>(20 - row, row / 2 + 1);
      OwnedTensor q(n + 5, net.channels()), g(n + 5, net.n_heads * net.d_v), r(n + 5, 2 * net.n_heads), o(n + 5, net.n_heads * net.d_v, false);
      std::vector<int32_t> sequence(static_cast<size_t>(n + 5), 1), position(static_cast<size_t>(n + 5));
      for (int64_t i = 0; i < n + 5; ++i) {
        const auto at = static_cast<size_t>(i);
        position[at] = static_cast<int32_t>(i < n ? row + i : i - n);
        if (i >= n) continue;
        sequence[at] = 0;
        std::copy_n(qkv.view.f32(row + i), net.channels(), q.view.f32(i));
        std::copy_n(z.view.f32(row + i), g.view.d_row, g.view.f32(i));
        std::copy_n(rates.view.f32(row + i), r.view.d_row, r.view.f32(i));
      }
      const SequencePages both[] = {{{}, two.data()}, {{}, other.data()}};
      level.ops->delta_net(net.args(o.view, q.view, g.view, r.view, sequence, position, both));
      for (int64_t i = 0; i < n; ++i) std::copy_n(o.view.f32(i), o.view.d_row, parts.view.f32(row + i));
      row += n;
    }
    for (int64_t row = 0; row < 20; ++row) CHECK(std::equal(whole.view.f32(row), whole.view.f32(row) + whole.view.d_row, parts.view.f32(row)));
    CHECK(std::equal(one.begin() + 16, one.end(), two.begin() + 16));
  }
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
