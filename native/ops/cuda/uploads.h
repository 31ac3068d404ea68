// Uploads beside the passes: on a stream of their own, from pinned memory that a thread of their own fills, because the files
// that weights lie in are ordinary pages, which the card cannot fetch from while others compute. In order among themselves; each
// begins behind what the main stream had been given when it was asked for, and the main stream waits for one by its event.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

namespace conclave {

class Uploads {
 public:
  Uploads() = default;
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;
  ~Uploads() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        closing_ = true;
      }
      changed_.notify_all();
      thread_.join();
    }
    for (const Piece& piece : pieces_) {
      if (piece.left) cudaEventDestroy(piece.left);
      if (piece.memory) cudaFreeHost(piece.memory);
    }
    for (const Mark& mark : marks_) {
      if (mark.before) cudaEventDestroy(mark.before);
      if (mark.done) cudaEventDestroy(mark.done);
    }
    if (stream_) cudaStreamDestroy(stream_);
  }

  /// Numbers the upload. `from` stays as it is until it has been awaited or drained.
  cudaError_t start(cudaStream_t main, void* to, const void* from, size_t bytes, uint64_t* number) {
    if (const cudaError_t error = open(); error != cudaSuccess) return error;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ != cudaSuccess || asked_ - issued_ < kMarks; });   // a mark is free again when its upload is under way
    if (error_ != cudaSuccess) return error_;
    if (const cudaError_t error = cudaEventRecord(marks_[asked_ % kMarks].before, main); error != cudaSuccess) return error;
    jobs_.push_back({to, from, bytes});
    *number = ++asked_;
    lock.unlock();
    changed_.notify_all();
    return cudaSuccess;
  }

  /// What `main` is given from now on finds the upload done.
  cudaError_t await(cudaStream_t main, uint64_t number) {
    std::unique_lock lock(mutex_);
    if (number == 0 || number <= joined_) return error_;
    changed_.wait(lock, [&] { return error_ != cudaSuccess || issued_ >= number; });   // an event that is not recorded yet would be passed at once
    if (error_ != cudaSuccess) return error_;
    joined_ = issued_;   // the last one's event stands for all before it
    return cudaStreamWaitEvent(main, marks_[(issued_ - 1) % kMarks].done, 0);
  }

  /// Waits until nothing is under way: memory may be freed then, at either end.
  cudaError_t drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ != cudaSuccess || issued_ == asked_; });
    return error_ != cudaSuccess ? error_ : stream_ ? cudaStreamSynchronize(stream_) : cudaSuccess;
  }

 private:
  static constexpr size_t kPieceBytes = size_t{4} << 20, kPieces = 4, kMarks = 512;
  struct Job {
    void* to;
    const void* from;
    size_t bytes;
  };
  struct Piece {
    unsigned char* memory = nullptr;
    cudaEvent_t left = nullptr;   // its last contents have arrived
  };
  struct Mark {
    cudaEvent_t before = nullptr, done = nullptr;
  };

  /// With the first upload: most models never need one.
  cudaError_t open() {
    if (thread_.joinable()) return cudaSuccess;
    cudaError_t error = cudaGetDevice(&device_);
    if (error == cudaSuccess && !stream_) error = cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    for (Piece& piece : pieces_) {
      if (error == cudaSuccess && !piece.memory) error = cudaHostAlloc(reinterpret_cast<void**>(&piece.memory), kPieceBytes, cudaHostAllocDefault);
      if (error == cudaSuccess && !piece.left) error = cudaEventCreateWithFlags(&piece.left, cudaEventDisableTiming);
    }
    for (Mark& mark : marks_) {
      if (error == cudaSuccess && !mark.before) error = cudaEventCreateWithFlags(&mark.before, cudaEventDisableTiming);
      if (error == cudaSuccess && !mark.done) error = cudaEventCreateWithFlags(&mark.done, cudaEventDisableTiming);
    }
    if (error == cudaSuccess) thread_ = std::thread([this] { work(); });
    return error;
  }

  void work() {
    cudaError_t error = cudaSetDevice(device_);
    for (;;) {
      std::unique_lock lock(mutex_);
      if (error != cudaSuccess) {
        error_ = error;
        lock.unlock();
        changed_.notify_all();
        return;
      }
      changed_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
      if (closing_) return;
      const Job job = jobs_.front();
      jobs_.pop_front();
      const Mark& mark = marks_[issued_ % kMarks];
      lock.unlock();
      error = carry_out(job, mark);
      if (error != cudaSuccess) continue;
      lock.lock();
      ++issued_;
      lock.unlock();
      changed_.notify_all();
    }
  }

  cudaError_t carry_out(const Job& job, const Mark& mark) {
    cudaError_t error = cudaStreamWaitEvent(stream_, mark.before, 0);
    for (size_t at = 0; error == cudaSuccess && at < job.bytes;) {
      const Piece& piece = pieces_[next_piece_++ % kPieces];
      const size_t bytes = std::min(kPieceBytes, job.bytes - at);
      error = cudaEventSynchronize(piece.left);
      if (error != cudaSuccess) break;
      std::memcpy(piece.memory, static_cast<const unsigned char*>(job.from) + at, bytes);
      error = cudaMemcpyAsync(static_cast<unsigned char*>(job.to) + at, piece.memory, bytes, cudaMemcpyHostToDevice, stream_);
      if (error == cudaSuccess) error = cudaEventRecord(piece.left, stream_);
      at += bytes;
    }
    return error != cudaSuccess ? error : cudaEventRecord(mark.done, stream_);
  }

  int device_ = 0;
  cudaStream_t stream_ = nullptr;
  std::array<Piece, kPieces> pieces_;
  std::array<Mark, kMarks> marks_;
  size_t next_piece_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  uint64_t asked_ = 0, issued_ = 0, joined_ = 0;
  cudaError_t error_ = cudaSuccess;
  bool closing_ = false;
};

}  // namespace conclave
