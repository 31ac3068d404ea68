// See threads.h. Measured with native/test/base_test ("cost of an empty job"): numbers stand in native/README.md.
#include "base/threads.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "base/cpu_features.h"
#include "base/debug_switches.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace conclave {
namespace {

constexpr uint64_t kOpen = 1ull << 31;
constexpr uint64_t kInsideMask = kOpen - 1;
constexpr int kEpochShift = 32;

inline void pause_cpu() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");   // `yield` retires at once on most cores; isb waits about as long as x86's pause
#endif
}

std::chrono::nanoseconds spin_time() {
  static const std::chrono::nanoseconds time(debug_switch_int("CONCLAVE_SPIN_US", 0, 1000000) * 1000);
  return time;
}

/// True as soon as `done()`; false when the spinning time is over. The clock is read every 16 pauses only: it costs about as much as one.
template <class Done>
bool spin_until(Done&& done) {
  if (done()) return true;
  const std::chrono::nanoseconds limit = spin_time();
  if (limit.count() == 0) return false;
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 16; ++i) {
      pause_cpu();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() - begin < limit);
  return false;
}

int checked_threads(int n_threads) {
  if (n_threads <= 0) n_threads = static_cast<int>(debug_switch_int("CONCLAVE_THREADS", 0, 512));
  if (n_threads <= 0) n_threads = physical_cores();
  return std::clamp(n_threads, 1, 512);
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) : n_threads_(checked_threads(n_threads)) {
  workers_.reserve(static_cast<size_t>(n_threads_ - 1));
  for (int thread = 1; thread < n_threads_; ++thread) workers_.emplace_back([this, thread] { worker_main(thread); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_seq_cst);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::keep_exception() {
  failed_.store(true, std::memory_order_release);
  const std::lock_guard lock(exception_mutex_);
  if (!exception_) exception_ = std::current_exception();
}

void ThreadPool::work(const Job& job, int thread) {
  try {
    while (!failed_.load(std::memory_order_relaxed)) {
      const int64_t chunk = next_chunk_.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= job.n_chunks) return;
      job.call(job.context, chunk, thread);
    }
  } catch (...) {
    keep_exception();
  }
}

void ThreadPool::start(const Job& job) {
  assert((state_.load() & kOpen) == 0 && "a job is already running: parallel_for inside a job, or two callers");
  job_ = job;
  next_chunk_.store(0, std::memory_order_relaxed);
  const uint64_t epoch = (state_.load(std::memory_order_relaxed) >> kEpochShift) + 1;
  state_.store(epoch << kEpochShift | kOpen, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_seq_cst);
  if (n_sleeping_.load(std::memory_order_seq_cst) != 0) wake_.notify_all();

  work(job, 0);

  const auto all_out = [&] { return (state_.load(std::memory_order_acquire) & kInsideMask) == 0; };
  if ((state_.fetch_and(~kOpen, std::memory_order_acq_rel) & kInsideMask) != 0 && !spin_until(all_out)) {
    for (;;) {
      const uint32_t finished = finished_.load(std::memory_order_acquire);
      if (all_out()) break;
      finished_.wait(finished, std::memory_order_acquire);
    }
  }
  if (failed_.load(std::memory_order_acquire)) {
    failed_.store(false, std::memory_order_relaxed);
    const std::lock_guard lock(exception_mutex_);
    std::rethrow_exception(std::exchange(exception_, nullptr));
  }
}

bool ThreadPool::enter(uint64_t& last_epoch) {
  uint64_t seen = state_.load(std::memory_order_acquire);
  while ((seen & kOpen) != 0 && (seen >> kEpochShift) != last_epoch) {
    if (state_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      last_epoch = seen >> kEpochShift;
      return true;
    }
  }
  return false;
}

/// A worker's last step in a job; the one that the caller may be waiting for wakes it.
void ThreadPool::leave() {
  if ((state_.fetch_sub(1, std::memory_order_acq_rel) & (kOpen | kInsideMask)) != 1) return;
  finished_.fetch_add(1, std::memory_order_release);
  finished_.notify_all();
}

void ThreadPool::worker_main(int thread) {
  uint64_t last_epoch = 0;
  for (;;) {
    const uint32_t wake = wake_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_acquire)) return;
    if (enter(last_epoch)) {
      work(job_, thread);
      leave();
      continue;
    }
    if (spin_until([&] { return wake_.load(std::memory_order_acquire) != wake; })) continue;
    // Sequentially consistent on both sides: either start() sees us counted, or we see its new number.
    n_sleeping_.fetch_add(1, std::memory_order_seq_cst);
    if (wake_.load(std::memory_order_seq_cst) == wake) wake_.wait(wake, std::memory_order_acquire);
    n_sleeping_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace conclave
