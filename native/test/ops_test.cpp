// Every op on every level that this machine has, against double-precision references. Bounds: `kArithmetic` where the
// reference reads the same numbers as the kernel (float sums of some thousand terms), `kActivations` where it reads the
// unquantised activations: int8 with the largest of 32 at 127 costs about 0.5 % of a random row's length.
#include "ops_fixture.h"
#include "ops_perf.h"

using namespace conclave;
using namespace conclave::test;

namespace {

constexpr double kArithmetic = 2e-5, kActivations = 9e-3, kTwoTerms = 1e-4;

// ---- matmul ------------------------------------------------------------------------------------------------------

struct MatmulCase { int64_t n, d_in, d_out; const char* why; };
const MatmulCase kMatmulCases[] = {
    {1, 256, 64, "one row, one block, one strip"},
    {3, 512, 16, "a panel"},
    {8, 768, 70, "a full tile, rows that do not fill a panel"},
    {9, 256, 5, "fewer rows than a panel, a tile and one"},
    {257, 512, 40, "more rows than a token block"},
    {2, 1280, 1, "one output"},
};

void check_matmul(const Level& level, DType type, const MatmulCase& shape) {
  OwnedWeight weight = random_weight(type, 1, shape.d_out, shape.d_in);
  OwnedTensor x(shape.n, shape.d_in), out(shape.n, shape.d_out, false);
  OwnedWeight bias = random_weight(DType::kF32, 1, 1, shape.d_out);
  const MatmulOutput output{out.view, &weight.view, &bias.view, 0.5f, false};
  level.ops->matmul(x.view, {&output, 1});
  const bool quantises = !level.exact && !is_plain(type);
  const std::vector<double> biases = weight_row(bias.view, 0);
  Distance arithmetic, activations;
  for (int64_t o = 0; o < shape.d_out; ++o) {
    const std::vector<double> row = weight_row(weight.view, o);
    for (int64_t t = 0; t < shape.n; t += t < 10 ? 1 : 7) {
      const std::vector<double> xs = row_of(x.view, t);
      const double b = biases[static_cast<size_t>(o)];
      activations.add(out.view.f32(t)[o], (dot(row, xs) + b) * 0.5);
      arithmetic.add(out.view.f32(t)[o], (dot(row, quantises ? in_two_terms(xs) : xs) + b) * 0.5);
    }
  }
  const std::string what = level.name + " " + type_name(type) + ", " + shape.why;
  check_distance(arithmetic, kArithmetic, what);
  // A single output is one sample of the error, not its average.
  if (shape.d_out > 1) check_distance(activations, quantises ? kTwoTerms : kArithmetic, what + " against unquantised activations");
}

TEST("matmul: every format and level, on odd shapes") {
  for (const Level& level : levels())
    for (const FormatCase& format : formats())
      for (const MatmulCase& shape : kMatmulCases) check_matmul(level, format.type, shape);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--perf") == 0) return run_perf(argc > 2 ? argv[2] : nullptr);
  return run_tests(argc, argv);
}
