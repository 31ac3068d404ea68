// Number formats: names and geometry, 16-bit floats over all their values, every block format against floats that the
// reference Python package read (test/fixtures/block-formats), and the mapped file's refusals.
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <vector>

#ifdef __linux__
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>
#endif

#include "base/error.h"
#include "formats/block_types.h"
#include "formats/half.h"
#include "formats/mapped_file.h"
#include "formats/quant_blocks.h"
#include "test/check.h"

using namespace conclave;

namespace {

struct Vectors {
  std::string type;
  std::vector<std::byte> blocks;
  std::vector<float> values;
};

std::vector<Vectors> read_vectors() {
  const std::string path = std::string(CONCLAVE_FIXTURES) + "/block-formats/vectors.bin";
  std::ifstream file(path, std::ios::binary);
  CHECK_MSG(file.good(), "missing " + path);
  std::vector<Vectors> all;
  char name[17] = {};
  uint32_t sizes[2];
  while (file.read(name, 16)) {
    file.read(reinterpret_cast<char*>(sizes), sizeof sizes);
    Vectors v{name, std::vector<std::byte>(sizes[0]), std::vector<float>(sizes[1])};
    file.read(reinterpret_cast<char*>(v.blocks.data()), sizes[0]);
    file.read(reinterpret_cast<char*>(v.values.data()), sizes[1] * 4);
    CHECK(file.good());
    all.push_back(std::move(v));
  }
  return all;
}

template <class F>
Error error_of(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kInternal, "nothing was thrown");
}

}  // namespace

TEST("every computable format reads as the reference package reads it, bit for bit") {
  std::set<std::string> seen;
  for (const Vectors& v : read_vectors()) {
    const auto type = dtype_from_name(v.type);
    CHECK_MSG(type.has_value(), v.type);
    CHECK_MSG(row_bytes(*type, static_cast<int64_t>(v.values.size())) == v.blocks.size(), v.type);
    std::vector<std::byte> shifted(v.blocks.size() + 1);   // an odd address: blocks have no alignment
    std::memcpy(shifted.data() + 1, v.blocks.data(), v.blocks.size());
    std::vector<float> out(v.values.size(), -1.f);
    dequantize_row(*type, shifted.data() + 1, out.data(), static_cast<int64_t>(out.size()));
    for (size_t i = 0; i < out.size(); ++i) {
      CHECK_MSG(out[i] == v.values[i], v.type + " value " + std::to_string(i) + ": " + std::to_string(out[i]) + " instead of " + std::to_string(v.values[i]));
    }
    seen.insert(v.type);
  }
  for (uint32_t id = 0; id < 64; ++id) {
    const auto type = dtype_from_gguf(id);
    if (!type || *type == DType::kF32 || !dtype_traits(*type)->computable) continue;
    CHECK_MSG(seen.contains(dtype_traits(*type)->name), std::string("no vectors for ") + dtype_traits(*type)->name);
  }
}

TEST("F32 rows are copied, and rows of no values touch nothing") {
  const float in[3] = {1.5f, -0.f, 3e38f};
  float out[3] = {};
  dequantize_row(DType::kF32, in, out, 3);
  CHECK(std::memcmp(in, out, sizeof in) == 0);
  dequantize_row(DType::kF32, nullptr, nullptr, 0);
  dequantize_row(DType::kQ4_K, nullptr, nullptr, 0);
}

TEST("a format that cannot be computed says so") {
  for (const DType type : {DType::kIQ2_XXS, DType::kIQ3_S, DType::kI32, DType::kQ8_K}) {
    float out[256];
    std::byte in[1024] = {};
    const Error error = error_of([&] { dequantize_row(type, in, out, 256); });
    CHECK(error.code() == ErrorCode::kUnsupported);
    CHECK(std::string(error.what()).find(dtype_traits(type)->name) != std::string::npos);
  }
}

TEST("names and numbers of formats lead back to the same row") {
  int n = 0;
  for (uint32_t id = 0; id < 64; ++id) {
    const auto type = dtype_from_gguf(id);
    if (!type) continue;
    ++n;
    CHECK(static_cast<uint32_t>(*type) == id);
    CHECK(dtype_from_name(dtype_traits(*type)->name) == type);
  }
  CHECK(n == 29);
  CHECK(!dtype_from_gguf(4) && !dtype_from_gguf(5) && !dtype_from_gguf(9) && !dtype_from_gguf(1000) && !dtype_from_gguf(0xffffffffu));
  CHECK(!dtype_from_name("q4_k") && !dtype_from_name(""));
}

TEST("every half converts to float exactly and back to itself") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = f16_to_f32(half);
    const int exponent = (half >> 10) & 31, mantissa = half & 0x3ff;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31 && mantissa != 0) {
      CHECK(std::isnan(value) && std::isnan(f16_to_f32(f32_to_f16(value))));
      continue;
    }
    CHECK(std::signbit(value) == ((half >> 15) != 0));
    if (exponent == 31) CHECK(std::isinf(value));
    else CHECK(std::fabs(static_cast<double>(value)) == magnitude);
    CHECK(f32_to_f16(value) == half);
  }
}

TEST("rounding to half goes to the nearest, ties to even, at every midpoint") {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = f16_to_f32(static_cast<uint16_t>(bits)), high = f16_to_f32(static_cast<uint16_t>(bits + 1));
    const float middle = static_cast<float>((static_cast<double>(low) + high) / 2);
    CHECK(f32_to_f16(middle) == (bits % 2 == 0 ? bits : bits + 1));
    CHECK(f32_to_f16(std::nextafter(middle, 0.f)) == bits);
    CHECK(f32_to_f16(std::nextafter(middle, 1e9f)) == bits + 1);
  }
  CHECK(f32_to_f16(65519.996f) == 0x7bff && f32_to_f16(65520.f) == 0x7c00 && f32_to_f16(-1e30f) == 0xfc00);
  CHECK(f32_to_f16(1e-30f) == 0 && f32_to_f16(-0.f) == 0x8000);
}

TEST("bfloat16 keeps the upper half of a float, rounded to even; NaN stays NaN") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = bf16_to_f32(half);
    if (std::isnan(value)) CHECK(std::isnan(bf16_to_f32(f32_to_bf16(value))));
    else CHECK(f32_to_bf16(value) == half);
  }
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3f808000u)) == 0x3f80);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3f818000u)) == 0x3f82);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3f808001u)) == 0x3f81);
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));   // a NaN whose upper half alone is infinity
}

TEST("the six-bit scales of K blocks unpack as packed") {
  uint8_t scales[12] = {};
  for (int i = 0; i < 8; ++i) {   // packs the pair (i * 7 + 5, 63 - i * 6) by the layout's description
    const int scale = i * 7 + 5, min = 63 - i * 6;
    if (i < 4) {
      scales[i] = static_cast<uint8_t>(scales[i] | scale);
      scales[i + 4] = static_cast<uint8_t>(scales[i + 4] | min);
    } else {
      scales[i + 4] = static_cast<uint8_t>((scale & 15) | (min & 15) << 4);
      scales[i - 4] = static_cast<uint8_t>(scales[i - 4] | (scale >> 4) << 6);
      scales[i] = static_cast<uint8_t>(scales[i] | (min >> 4) << 6);
    }
  }
  for (int i = 0; i < 8; ++i) {
    CHECK(k_scale_min(scales, i).scale == i * 7 + 5);
    CHECK(k_scale_min(scales, i).min == 63 - i * 6);
  }
}

TEST("a file that cannot be mapped says why") {
  const Error missing = error_of([] { MappedFile("/no/such/file.gguf"); });
  CHECK(missing.code() == ErrorCode::kIo);
  CHECK(std::string(missing.what()).find("'/no/such/file.gguf'") != std::string::npos);
  CHECK(error_of([] { MappedFile(CONCLAVE_FIXTURES); }).code() == ErrorCode::kIo);   // a folder
}

#ifdef __linux__
TEST("pages that the system dropped count as on disk, and as in memory once they were read") {
  const std::string path = "formats_test_residence.tmp";
  std::ofstream(path, std::ios::binary) << std::string(size_t{4} << 20, 'x');
  const int file = ::open(path.c_str(), O_RDONLY);
  CHECK(file >= 0 && ::fsync(file) == 0 && ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
  struct statfs system {};
  CHECK(::fstatfs(file, &system) == 0);
  ::close(file);
  const MappedFile mapped(path);
  constexpr decltype(system.f_type) kTmpfs = 0x01021994;   // in memory for good
  if (system.f_type != kTmpfs) CHECK(MappedFile::resident_share(mapped.bytes(), 64) == 0.0);
  uint64_t sum = 0;
  for (const std::byte byte : mapped.bytes()) sum += static_cast<uint64_t>(byte);
  CHECK(sum == uint64_t{'x'} << 22);
  CHECK(MappedFile::resident_share(mapped.bytes(), 64) == 1.0);
  CHECK(MappedFile::resident_share(mapped.bytes().subspan(5000, 3), 64) == 1.0 && MappedFile::resident_share({}, 4) == 1.0);
  CHECK(std::remove(path.c_str()) == 0);
}
#endif

TEST("a mapped file's bytes are the file's, and an empty file is empty") {
  const std::string path = std::string(CONCLAVE_FIXTURES) + "/block-formats/vectors.bin";
  std::ifstream stream(path, std::ios::binary);
  const std::string expected((std::istreambuf_iterator<char>(stream)), {});
  MappedFile file(path);
  const MappedFile moved(std::move(file));
  CHECK(moved.bytes().size() == expected.size());
  CHECK(std::memcmp(moved.bytes().data(), expected.data(), expected.size()) == 0);
  const std::string empty = "formats_test_empty.tmp";
  std::ofstream(empty).close();
  CHECK(MappedFile(empty).bytes().empty());
  std::remove(empty.c_str());
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
