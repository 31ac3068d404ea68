// Three ways to change stacks: six pushes on 64-bit x86 under Linux (a swapcontext costs two system calls, and a block of
// threads changes stacks at every shuffle), ucontext on other Unix systems, Windows' own fibers there.
#include "ops/gpu_host/fiber.h"

#include <cstdint>
#include <new>
#include <utility>

#if defined(_WIN32)
#include <windows.h>
#elif defined(__linux__) && defined(__x86_64__)
#define CONCLAVE_OWN_SWITCH
#else
#define _XOPEN_SOURCE 700
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace conclave::gpu_host {

#if defined(CONCLAVE_OWN_SWITCH)

extern "C" void conclave_switch_stack(void** from, void* to);
asm(R"(
.text
.p2align 4
.type conclave_switch_stack, @function
conclave_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
.size conclave_switch_stack, .-conclave_switch_stack
)");

namespace {

void (*entry_of_new_stack)() = nullptr;

#if defined(__SANITIZE_ADDRESS__)
// The address sanitizer must know which stack is in use. That of the thread itself is learnt on leaving it.
const void* own_stack = nullptr;
size_t own_stack_bytes = 0;
bool left_own_stack = false;

void arrived(void* fake_stack) {
  const void* left = nullptr;
  size_t left_bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &left, &left_bytes);
  if (left_own_stack) own_stack = left, own_stack_bytes = left_bytes;
}
#endif

void enter() {
#if defined(__SANITIZE_ADDRESS__)
  arrived(nullptr);
#endif
  entry_of_new_stack();
}

}  // namespace

void Fiber::start_at(void (*entry)()) {
  entry_of_new_stack = entry;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, stack_bytes_);   // functions that were left in the middle marked it
#endif
  auto** top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(stack_) + stack_bytes_) & ~uintptr_t{15});
  top[-1] = nullptr;                                   // `enter` sees itself called from nowhere
  top[-2] = reinterpret_cast<void*>(&enter);           // what the switch returns to
  for (int i = 3; i <= 8; ++i) top[-i] = nullptr;      // six registers
  context_ = top - 8;
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  left_own_stack = from.stack_ == nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, to.stack_ ? to.stack_ : own_stack, to.stack_ ? to.stack_bytes_ : own_stack_bytes);
#endif
  conclave_switch_stack(&from.context_, to.context_);
#if defined(__SANITIZE_ADDRESS__)
  arrived(fake_stack);
#endif
}

Fiber::Fiber(size_t stack_bytes) : stack_(static_cast<std::byte*>(::operator new(stack_bytes, std::align_val_t{4096}))), stack_bytes_(stack_bytes) {}
Fiber::~Fiber() {
  if (stack_) ::operator delete(stack_, std::align_val_t{4096});
}

#elif defined(_WIN32)

Fiber::Fiber(size_t stack_bytes) : stack_bytes_(stack_bytes) {}
Fiber::~Fiber() {
  if (context_ && stack_bytes_ > 0) DeleteFiber(context_);
}

void Fiber::start_at(void (*entry)()) {
  if (context_) DeleteFiber(context_);
  context_ = CreateFiber(stack_bytes_, [](void* argument) { reinterpret_cast<void (*)()>(argument)(); }, reinterpret_cast<void*>(entry));
  if (!context_) throw std::bad_alloc();
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
  if (!from.context_) from.context_ = IsThreadAFiber() ? GetCurrentFiber() : ConvertThreadToFiber(nullptr);
  SwitchToFiber(to.context_);
}

#else

Fiber::Fiber(size_t stack_bytes) : context_(new ucontext_t), stack_(static_cast<std::byte*>(::operator new(stack_bytes, std::align_val_t{4096}))), stack_bytes_(stack_bytes) {}
Fiber::~Fiber() {
  delete static_cast<ucontext_t*>(context_);
  if (stack_) ::operator delete(stack_, std::align_val_t{4096});
}

void Fiber::start_at(void (*entry)()) {
  auto* context = static_cast<ucontext_t*>(context_);
  getcontext(context);
  context->uc_stack.ss_sp = stack_;
  context->uc_stack.ss_size = stack_bytes_;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
  if (!from.context_) from.context_ = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from.context_), static_cast<ucontext_t*>(to.context_));
}

#endif

Fiber::Fiber(Fiber&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)), stack_(std::exchange(other.stack_, nullptr)), stack_bytes_(std::exchange(other.stack_bytes_, 0)) {}

}  // namespace conclave::gpu_host
