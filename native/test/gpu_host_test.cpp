// The GPU's stand-in itself: barriers and shuffles mean what they mean on a device, and each kind of fault that it exists
// to find is planted here and found. The kernels proper are tested by the op list. metal_host_test.cpp is this once more, in
// the words that a Mac's kernels have.
#include "base/error.h"
#include "check.h"
#include "ops/gpu/device.h"
#include "ops/gpu_host/block.h"
#include "ops/gpu_host/fiber.h"
#include "ops/gpu/kernel_args.h"
#include "ops/gpu_host/host_device.h"

using namespace conclave;
using namespace conclave::test;
using namespace conclave::gpu::CONCLAVE_DIALECT;
using gpu_host::Fault;

namespace {

/// Runs a kernel written as a lambda (thread, shared memory) on one block.
template <class Kernel>
void run_block(int n_threads, const Kernel& kernel) {
  gpu_host::run_block("test", {}, n_threads, 4096,
                      [](const void* context, int thread, gpu_host::Checked<unsigned char> shared) { (*static_cast<const Kernel*>(context))(thread, as<int32_t>(Shared<unsigned char>(shared.raw(), shared.range()))); }, &kernel);
}

/// The fault that the kernel is stopped for; empty: none.
template <class Kernel>
std::string fault_of(int n_threads, const Kernel& kernel) {
  try {
    run_block(n_threads, kernel);
  } catch (const Fault& fault) {
    std::printf("      %s\n", fault.what());
    return fault.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Device memory for the length of a test.
struct Buffer {
  explicit Buffer(size_t bytes) : memory(gpu_host::alloc(bytes)) {}
  ~Buffer() { gpu_host::free(memory); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  int32_t* ints() const { return static_cast<int32_t*>(memory); }
  void* memory;
};

}  // namespace

TEST("fibers: a stack is left and taken up again") {
  static gpu_host::Fiber caller, other(64 << 10);
  static int steps = 0;
  other.start_at([] {
    for (;;) {
      ++steps;
      gpu_host::Fiber::switch_to(other, caller);
    }
  });
  for (int i = 1; i <= 3; ++i) {
    gpu_host::Fiber::switch_to(caller, other);
    CHECK(steps == i);
  }
}

TEST("a barrier: what every thread wrote before is seen by all after, round after round") {
  Buffer out(1024 * 4);
  run_block(1024, [&](int thread, Shared<int32_t> shared) {
    for (int round = 1; round <= 5; ++round) {
      shared[thread] = thread * round;
      block_barrier();
      Global<int32_t> to = out.ints();
      to[thread] = shared[(thread + 512) % 1024];
      block_barrier();
    }
  });
  for (int i = 0; i < 1024; ++i) CHECK(out.ints()[i] == (i + 512) % 1024 * 5);
}

TEST("shuffles: sums and maxima over a warp, warps apart, at different speeds") {
  Buffer out(128 * 4);
  run_block(128, [&](int thread, Shared<int32_t>) {
    float sum = 0;
    for (int i = 0; i <= thread / 32; ++i) sum += warp_sum(static_cast<float>(thread));   // each warp another number of times
    Global<int32_t> to = out.ints();
    to[thread] = static_cast<int32_t>(sum) + static_cast<int32_t>(warp_max(static_cast<float>(thread % 32)));
  });
  for (int i = 0; i < 128; ++i) {
    const int warp = i / 32;
    CHECK(out.ints()[i] == (warp + 1) * (32 * 32 * warp + 31 * 16) + 31);
  }
}

TEST("integer words: products of signed bytes, bytes by selector, words across a border") {
  CHECK(dot4(0x01ff807fu, 0x02030401u, 5) == 5 + 127 * 1 - 128 * 4 - 1 * 3 + 1 * 2);
  CHECK(byte_perm(0x33221100u, 0x77665544u, 0x7350u) == 0x77335500u);
  CHECK(funnel_right(0x44332211u, 0x88776655u, 8) == 0x55443322u);
  CHECK(funnel_right(0x44332211u, 0x88776655u, 0) == 0x44332211u);
}

namespace {

// Small whole numbers, so that sums are exact; shared memory holds 16 left rows, then 8 right ones, kRow bytes apart.
constexpr int kRow = 48;
int left_at(int r, int k) { return (r * 37 + k * 11) % 255 - 127; }
int right_at(int c, int k) { return (c * 53 + k * 29) % 255 - 127; }
float half_at(int r, int k) { return static_cast<float>((r * 7 + k * 3) % 19 - 9) * 0.125f; }

Shared<unsigned char> bytes_of(Shared<int32_t> shared) { return as<unsigned char>(shared); }

}  // namespace

TEST("fragments: 16 x 32 signed bytes times 8 x 32, again and again, every place of the tile by its lane") {
  Buffer out(16 * 8 * 4);
  run_block(64, [&](int thread, Shared<int32_t> shared) {
    const Shared<int8_t> codes = as<int8_t>(shared);
    if (thread < 32)
      for (int r = 0; r < 24; ++r) codes[r * kRow + thread] = static_cast<int8_t>(r < 16 ? left_at(r, thread) : right_at(r - 16, thread));
    block_barrier();
    if (thread < 32) return;   // the second warp alone
    const int lane = thread % 32;
    Bytes16x32 left;
    Bytes8x32 right;
    load_fragment(left, bytes_of(shared), kRow, lane);
    load_fragment(right, bytes_of(shared) + 16 * kRow, kRow, lane);
    IntTile tile;
    multiply(tile, left, right);
    multiply_add(tile, left, right);
    const Global<int32_t> to = out.ints();
    for (int i = 0; i < 4; ++i) to[tile_row(lane, i) * 8 + tile_column(lane, i)] = static_cast<int32_t>(tile_value(tile, i));
  });
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 8; ++c) {
      int wanted = 0;
      for (int k = 0; k < 32; ++k) wanted += 2 * left_at(r, k) * right_at(c, k);
      CHECK(out.ints()[r * 8 + c] == wanted);
    }
}

TEST("fragments: halves along k and across it, tiles as the next product's left side, sums of a tile's rows") {
  Buffer out((16 * 8 + 16) * 4);
  run_block(32, [&](int lane, Shared<int32_t> shared) {
    const Shared<uint16_t> halves = as<uint16_t>(shared);   // 16 left rows, 16 rows across k, the same right side as 8 rows along k
    for (int i = lane; i < 16 * 16; i += 32) {
      const int r = i / 16, k = i % 16;
      halves[r * kRow / 2 + k] = f16_bits(half_at(r, k));
      if (r >= 8) continue;
      halves[(16 + k) * kRow / 2 + r] = f16_bits(half_at(r, k));
      halves[(32 + r) * kRow / 2 + k] = f16_bits(half_at(r, k));
    }
    warp_barrier();
    Halves16x16 left;
    Halves8x16 along, across;
    load_fragment(left, bytes_of(shared), kRow, lane);
    load_fragment(along, bytes_of(shared) + 32 * kRow, kRow, lane);
    load_transposed(across, bytes_of(shared) + 16 * kRow, kRow, lane);
    FloatTile first{}, second{}, product{};
    multiply_add(first, left, along);
    multiply_add(second, left, across);
    const Global<float> to = as<float>(Global<int32_t>(out.ints()));
    for (int i = 0; i < 4; ++i) second.v[i] = second.v[i] - 2.f * first.v[i];   // first, then its opposite: their products cancel where the right rows agree
    Halves16x16 next;
    halves_of(first, second, next);
    multiply_add(product, next, along);
    for (int i = 0; i < 4; ++i) to[tile_row(lane, i) * 8 + tile_column(lane, i)] = product.v[i];
    for (int half = 0; half < 2; ++half) {
      const float sum = tile_row_sum(first.v[2 * half] + first.v[2 * half + 1]), most = tile_row_max(fmaxf(first.v[2 * half], first.v[2 * half + 1]));
      to[128 + tile_row(lane, 2 * half)] = sum + 1000.f * most;
    }
  });
  const auto* values = reinterpret_cast<const float*>(out.ints());
  for (int r = 0; r < 16; ++r) {
    float rows[8] = {}, sum = 0.f, most = -1e9f;
    for (int c = 0; c < 8; ++c) {
      for (int k = 0; k < 16; ++k) rows[c] += half_at(r, k) * half_at(c, k);
      sum += rows[c];
      most = std::max(most, rows[c]);
      rows[c] = f16_to_f32(f32_to_f16(rows[c]));
    }
    CHECK(std::fabs(values[128 + r] - (sum + 1000.f * most)) < 0.01f);
    for (int c = 0; c < 8; ++c) {
      float wanted = 0.f;
      for (int k = 0; k < 16; ++k) wanted += (k < 8 ? rows[k] : -rows[k - 8]) * half_at(c, k);
      CHECK(std::fabs(values[r * 8 + c] - wanted) < 1e-3f);
    }
  }
}

TEST("planted: a product that part of a warp asks for, a fragment that leaves shared memory") {
  CHECK(says(fault_of(32, [](int thread, Shared<int32_t>) {
               const Bytes16x32 left{};
               const Bytes8x32 right{};
               IntTile tile;
               if (thread != 9) multiply(tile, left, right);
             }), "1 of 32 threads (first: 9) never reached the shuffle at "));
  const auto load = [](int at, int row_bytes) {
    return fault_of(32, [=](int thread, Shared<int32_t> shared) {
      Bytes16x32 left;
      load_fragment(left, bytes_of(shared) + at, row_bytes, thread);
    });
  };
  CHECK(load(4096 - 15 * kRow - 32, kRow).empty());
  CHECK(says(load(4096 - 15 * kRow - 16, kRow), "of a buffer of 4096 bytes"));
#if !defined(CONCLAVE_METAL_ON_HOST)   // where a load is no more than each lane's own
  CHECK(says(load(8, kRow), "no multiple of 16"));
  CHECK(says(load(0, 40), "no multiple of 16"));
  CHECK(says(fault_of(32, [](int thread, Shared<int32_t> shared) {
               Bytes8x32 right;
               if (thread != 9) load_fragment(right, bytes_of(shared), kRow, thread);
             }), "1 of 32 threads (first: 9) never reached the shuffle at gpu_host_test.cpp:"));
#endif
}

TEST("planted: a barrier that only some threads reach") {
  const std::string fault = fault_of(64, [](int thread, Shared<int32_t>) {
    if (thread < 61) block_barrier();
  });
  CHECK(says(fault, "3 of 64 threads (first: 61) never reached the barrier at gpu_host_test.cpp:"));
}

TEST("planted: threads that wait at different barriers") {
  const std::string fault = fault_of(64, [](int thread, Shared<int32_t>) {
    if (thread < 32) block_barrier();
    else
      block_barrier();
  });
  CHECK(says(fault, "thread 32 waits at gpu_host_test.cpp:") && says(fault, "while others of its block wait at"));
}

TEST("planted: a shuffle inside a branch that part of a warp takes") {
  const std::string fault = fault_of(64, [](int thread, Shared<int32_t>) {
    if (thread != 40) warp_sum(1.f);
  });
  CHECK(says(fault, "1 of 32 threads (first: 40) never reached the shuffle at device.h:"));
}

TEST("planted: reads and writes outside a buffer, before it, of no buffer and of shared memory") {
  Buffer buffer(64);
  const auto touch = [&](int64_t at) {
    return fault_of(32, [&](int thread, Shared<int32_t>) {
      const Global<int32_t> p = buffer.ints();
      if (thread == 7) p[at] = 1;
    });
  };
  CHECK(touch(15).empty());
  CHECK(says(touch(16), "kernel test, block (0, 0, 0), thread 7 touches 4 bytes at byte 64 of a buffer of 64 bytes"));
  CHECK(says(touch(-1), "touches 4 bytes 4 bytes before a buffer of 64 bytes"));
  CHECK(says(fault_of(32, [](int, Shared<int32_t>) { Global<int32_t>(nullptr)[0] = 1; }), "at a null pointer"));
  int32_t own = 0;
  CHECK(says(fault_of(32, [&](int, Shared<int32_t>) { Global<int32_t> p(&own); p[0] = 1; }), "outside device memory"));
  CHECK(says(fault_of(32, [](int, Shared<int32_t> shared) { shared[1024] = 1; }), "at byte 4096 of a buffer of 4096 bytes"));
}

TEST("planted: a vector load across the end, and one that is not aligned") {
  Buffer buffer(64);
  const auto load = [&](int64_t at) {
    return fault_of(32, [&](int, Shared<int32_t>) { load_as<Words4>(Global<const int32_t>(buffer.ints()) + at); });
  };
  CHECK(load(12).empty());
  CHECK(says(load(13), "touches 16 bytes at byte 52 of a buffer of 64 bytes"));
  CHECK(says(load(1), "no multiple of 16"));
}

TEST("a fault names the kernel of a real launch, and the device goes on after it") {
  const auto device = gpu_host::make_host_device("host");
  float* x = static_cast<float*>(device->alloc(64 * 4));
  std::vector<float> ones(64, 1.f);
  device->upload(x, ones.data(), 64 * 4);
  const auto norm = [&](int d) {
    const gpu::NormKernelArgs args{.x = x, .weight = nullptr, .bias = nullptr, .out = x, .x_stride = 64, .out_stride = 64, .d = d, .eps = 0.f, .centre = false};
    gpu::LaunchList list;
    list.launch(gpu::KernelId::kNorm, 0, {}, &args, sizeof(args));
    device->run(list);
  };
  std::string message;
  try {
    norm(65);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(says(message, "kernel norm, block (0, 0, 0), thread 64 touches 4 bytes at byte 256 of a buffer of 256 bytes"));
  norm(64);
  const Download back{ones.data(), x, 64 * 4};
  device->download({&back, 1});
  CHECK(std::fabs(ones[63] - 1.f) < 1e-6f);
  device->free(x);
}

int main(int argc, char** argv) {
#if defined(__SANITIZE_THREAD__)
  for (Case& test : cases()) test.body = [] { throw Skip{"the thread sanitizer cannot follow fibers"}; };
#endif
  return conclave::test::run_tests(argc, argv);
}
