// A stack that can be left in the middle of a function and taken up again: one for each thread of a block. Knows nothing
// of blocks. Not under the thread sanitizer, which follows no stack but a thread's own.
#pragma once
#include <cstddef>

namespace conclave::gpu_host {

class Fiber {
 public:
  Fiber() = default;                        // the caller's own stack
  explicit Fiber(size_t stack_bytes);
  ~Fiber();
  Fiber(Fiber&& other) noexcept;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next switch to this fiber calls `entry`, which must never return. What was on its stack is forgotten.
  void start_at(void (*entry)());
  /// Leaves the running fiber, `from`, for `to`; returns when something switches back.
  static void switch_to(Fiber& from, Fiber& to);

 private:
  void* context_ = nullptr;                 // saved registers: where the platform keeps them
  std::byte* stack_ = nullptr;
  size_t stack_bytes_ = 0;
};

}  // namespace conclave::gpu_host
