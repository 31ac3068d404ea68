// `conclave quantize`: writes a model or a drafter with its weights in another number format, from a GGUF file of floats or a
// Hugging Face folder. Streams: a few million values at a time are floats, and pages of the source are given back once read.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include "base/error.h"
#include "base/printable.h"
#include "base/threads.h"
#include "convert/quantize_plan.h"
#include "convert/source.h"
#include "formats/gguf_writer.h"
#include "formats/mapped_file.h"
#include "formats/quantize.h"
#include "model/spec.h"
#include "speculate/drafter_model.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "weights/weights.h"

namespace conclave {
namespace {

constexpr int64_t kValuesPerStep = 1 << 23;    // floats of a step: 32 MiB, spread over the threads
constexpr int64_t kValuesPerPiece = 1 << 16;   // a thread's share of a step

bool stderr_is_terminal() {
#ifdef _WIN32
  return _isatty(2) != 0;
#else
  return ::isatty(2) != 0;
#endif
}

/// A bar that is redrawn on a terminal; elsewhere a line for each tenth.
class ProgressBar {
 public:
  explicit ProgressBar(size_t total) : total_(total), terminal_(stderr_is_terminal()) {}

  void advance(size_t bytes) {
    done_ += bytes;
    const int percent = static_cast<int>(100.0 * static_cast<double>(done_) / static_cast<double>(total_));
    if (percent == shown_ || (!terminal_ && percent / 10 == shown_ / 10 && shown_ >= 0)) return;
    shown_ = percent;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    const double left = done_ > 0 ? seconds * static_cast<double>(total_ - done_) / static_cast<double>(done_) : 0;
    char bar[41];
    for (int i = 0; i < 40; ++i) bar[i] = i < percent * 40 / 100 ? '#' : '.';
    bar[40] = '\0';
    std::fprintf(stderr, "%s[%s] %3d %%, %.0f s left %s", terminal_ ? "\r" : "", bar, percent, left, terminal_ ? "" : "\n");
    if (terminal_ && percent == 100) std::fputc('\n', stderr);
    std::fflush(stderr);
  }

 private:
  size_t total_, done_ = 0;
  int shown_ = -1;
  bool terminal_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void check_values(const SourceTensor& tensor, DType type, const float* values, int64_t n, int64_t first_row) {
  const float largest = type == DType::kF32 ? std::numeric_limits<float>::max() : kLargestQuantizable;
  for (int64_t i = 0; i < n; ++i) {
    if (std::abs(values[i]) <= largest) continue;   // false for NaN
    throw Error(ErrorCode::kBadFile, "tensor '" + printable(tensor.name) + "' holds " + std::to_string(values[i]) + " in row " + std::to_string(first_row + i / tensor.dims[0]) +
                                         (type == DType::kF32 ? "; only finite values can be written" : "; values from -65504 to 65504 can be written"));
  }
}

class Quantizer {
 public:
  Quantizer(GgufWriter& writer, ThreadPool& pool, ProgressBar& progress) : writer_(writer), pool_(pool), progress_(progress), floats_(static_cast<size_t>(pool.n_threads())) {}

  void write(const SourceTensor& tensor, DType type) {
    const int64_t n_rows = tensor.n_rows(), width = tensor.dims[0];
    const int64_t rows_per_step = std::max<int64_t>(1, kValuesPerStep / width);
    for (int64_t first = 0; first < n_rows; first += rows_per_step) {
      const int64_t n = std::min(rows_per_step, n_rows - first);
      convert_step(tensor, type, first, n);
      writer_.write(out_);
      forget(tensor, first, n);
      progress_.advance(static_cast<size_t>(n) * row_bytes(tensor.type, width));
    }
  }

 private:
  void convert_step(const SourceTensor& tensor, DType type, int64_t first, int64_t n_rows) {
    const int64_t width = tensor.dims[0], rows_per_piece = std::max<int64_t>(1, kValuesPerPiece / width);
    const size_t out_row = row_bytes(type, width);
    out_.resize(static_cast<size_t>(n_rows) * out_row);
    pool_.parallel_for((n_rows + rows_per_piece - 1) / rows_per_piece, [&](int64_t piece, int thread) {
      const int64_t begin = piece * rows_per_piece, n = std::min(rows_per_piece, n_rows - begin);
      std::vector<float>& floats = floats_[static_cast<size_t>(thread)];
      floats.resize(static_cast<size_t>(n * width));
      tensor.read_rows(first + begin, n, floats.data());
      check_values(tensor, type, floats.data(), n * width, first + begin);
      quantize_row(type, floats.data(), out_.data() + static_cast<size_t>(begin) * out_row, n * width);
    });
  }

  /// The rows read so far, part by part; rows out of order (pairs) lie within a head and are read again at worst.
  static void forget(const SourceTensor& tensor, int64_t first, int64_t n) {
    const size_t stride = row_bytes(tensor.type, tensor.dims[0]);
    int64_t begin = 0;
    for (const SourceRows& part : tensor.parts) {
      const int64_t from = std::max(first, begin), to = std::min(first + n, begin + part.n_rows);
      if (from < to) MappedFile::forget({part.data + static_cast<size_t>(from - begin) * stride, static_cast<size_t>(to - from) * stride});
      begin += part.n_rows;
    }
  }

  GgufWriter& writer_;
  ThreadPool& pool_;
  ProgressBar& progress_;
  std::vector<std::byte> out_;
  std::vector<std::vector<float>> floats_;
};

DType type_argument(const std::string& name) {
  std::string upper;
  for (const char c : name) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const std::optional<DType> type = dtype_from_name(upper);
  if (!type || !is_quantizable(*type)) throw UsageError("'" + printable(name) + "' is not a type that can be written; Q8_0, Q6_K, Q5_K, Q4_K, IQ4_NL, Q4_0, MXFP4, F16, BF16 and F32 are");
  return *type;
}

void refuse_same_file(const std::string& in, const std::string& out) {
  std::error_code ignored;   // a file that is not there is not the same one
  if (std::filesystem::equivalent(std::filesystem::path(std::u8string(in.begin(), in.end())), std::filesystem::path(std::u8string(out.begin(), out.end())), ignored)) {
    throw Error(ErrorCode::kBadArgument, "the result cannot replace the file that it is made from; choose another name than '" + printable(out, kMaxPathShown) + "'");
  }
}

/// A drafter has no vocabulary and no target in its file: one that it would fit.
ModelSpec target_of(const GgufFile& drafter) {
  ModelSpec target;
  target.d_model = static_cast<int>(gguf_int(drafter, "dflash.embedding_length"));
  target.n_layers = 1 << 12;
  target.n_vocab = static_cast<int>(gguf_int(drafter, "tokenizer.ggml.mask_token_id")) + 1;
  return target;
}

/// What a reader of the result must find: a known family whose tensors are all there.
void check_result(const std::string& path) {
  const std::unique_ptr<GgufFile> file = GgufFile::open(path);
  if (gguf_string(*file, "general.architecture") == "dflash") {
    open_drafter(path, target_of(*file));
    return;
  }
  bind_weights(*file, spec_from_gguf(*file));
}

}  // namespace

int command_quantize(std::span<char* const> args) {
  const Arguments arguments(args, {{"--experts-only", nullptr, false}, {"--threads", "-t", true}}, 3);
  const std::string &in = arguments.positional(0), &out = arguments.positional(1);
  const QuantizeRequest request{.type = type_argument(arguments.positional(2)), .experts_only = arguments.has("--experts-only")};
  ThreadPool pool(static_cast<int>(arguments.integer("--threads", 0, 512, 0)));
  refuse_same_file(in, out);
  SourceModel model = open_source(in);
  model.metadata.push_back(u32_entry("general.file_type", file_type_number(request)));
  model.metadata.push_back(u32_entry("general.quantization_version", 2));

  std::vector<GgufTensorPlan> plan;
  size_t in_bytes = 0, out_bytes = 0;
  for (const SourceTensor& tensor : model.tensors) {
    plan.push_back({tensor.name, stored_type(tensor, request), tensor.dims});
    in_bytes += tensor.source_bytes();
    out_bytes += plan.back().bytes();
  }
  GgufWriter writer(out, model.metadata, plan);
  ProgressBar progress(in_bytes);
  Quantizer quantizer(writer, pool, progress);
  for (size_t i = 0; i < plan.size(); ++i) quantizer.write(model.tensors[i], plan[i].type);
  writer.finish();
  check_result(out);
  std::printf("%s: %zu tensors, %.1f MB from %.1f MB\n", out.c_str(), plan.size(), static_cast<double>(out_bytes) * 1e-6, static_cast<double>(in_bytes) * 1e-6);
  return 0;
}

}  // namespace conclave
