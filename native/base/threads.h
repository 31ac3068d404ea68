// A fixed team of threads for the kernels. The caller takes part as thread 0. Waiting threads spin for a few
// microseconds and then sleep, so an idle engine costs nothing and a core taken by another process costs one thread's
// share, not the whole team's time: parallel_for never waits for a worker that has not started on the job.
// One job at a time: parallel_for may be called from any one thread at a time, and not from inside a job.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace conclave {

class ThreadPool {
 public:
  /// 0: CONCLAVE_THREADS, or the physical cores. At most 512.
  explicit ThreadPool(int n_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return n_threads_; }

  /// Calls fn(int64_t chunk, int thread_index) once for each chunk of [0, n_chunks), handed out one by one in order. The first
  /// exception stops the hand-out and is rethrown here.
  template <class F>
  void parallel_for(int64_t n_chunks, F&& fn) {
    if (n_chunks <= 0) return;
    if (n_chunks == 1 || n_threads_ == 1) {
      for (int64_t chunk = 0; chunk < n_chunks; ++chunk) fn(chunk, 0);
      return;
    }
    using Fn = std::remove_reference_t<F>;
    start({[](void* context, int64_t chunk, int thread) { (*static_cast<Fn*>(context))(chunk, thread); }, context_of(fn), n_chunks});
  }

 private:
  struct Job {
    void (*call)(void* context, int64_t chunk, int thread) = nullptr;
    void* context = nullptr;
    int64_t n_chunks = 0;
  };
  template <class F>
  static void* context_of(F& fn) { return const_cast<void*>(static_cast<const void*>(&fn)); }

  void start(const Job& job);
  void work(const Job& job, int thread);
  void worker_main(int thread);
  bool enter(uint64_t& last_epoch);
  void leave();
  void keep_exception();

  const int n_threads_;
  Job job_;
  std::vector<std::thread> workers_;

  // epoch << 32 | open << 31 | workers inside. A worker enters by compare-and-swap on the very epoch it saw, so a late
  // one can never touch a job that has ended.
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};        // changes with every job; idle workers wait on it
  alignas(64) std::atomic<int64_t> next_chunk_{0};
  alignas(64) std::atomic<uint32_t> finished_{0};    // changes when the last worker leaves a job; the caller waits on it
  alignas(64) std::atomic<uint32_t> n_sleeping_{0};  // workers asleep or about to be: skips the wake-up call when all are spinning
  std::atomic<bool> stop_{false}, failed_{false};
  std::mutex exception_mutex_;
  std::exception_ptr exception_;
};

}  // namespace conclave
