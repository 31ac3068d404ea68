// The scheduler of a block's threads; see block.h.
#include "ops/gpu_host/block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ops/gpu_host/fiber.h"

namespace conclave::gpu_host {

namespace {

constexpr size_t kStackBytes = 96 << 10;
constexpr int kMostThreads = 1024;

enum class State { kReady, kAtShuffle, kAtBarrier, kDone };

struct Thread {
  Fiber fiber{kStackBytes};
  State state = State::kDone;
  uint64_t round = 0;        // of the shuffle or barrier that it waits for
  Site site;
};

struct Warp {
  uint64_t round = 0;
  int n_arrived = 0;
  Site first_site;
  // Values of even and odd rounds: a lane may give its next one before a slow lane has read the last.
  LaneWords values[2][kWarp];
};

std::string text_of(const Site& site) {
  const char* name = std::strrchr(site.file_name(), '/');
  return std::string(name ? name + 1 : site.file_name()) + ":" + std::to_string(site.line());
}

bool same(const Site& a, const Site& b) { return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0; }

class Block {
 public:
  void run(const char* kernel, BlockIndex index, int n_threads, size_t shared_bytes, Body body, const void* context);
  void wait_block(const Site& site);
  const LaneWords* gather(const uint32_t* words, size_t n, const Site& site);
  int now() const { return now_; }
  std::string where() const;

 private:
  static void thread_main();
  bool can_run(const Thread& thread, int index) const;
  void go_on();                      // to whoever can run; returns when the caller can
  void leave();                      // the caller is done
  [[noreturn]] void stop();          // the block failed, as failure_ says
  void arrive(uint64_t& round, int& n_arrived, int n, Site& first_site, State state, const Site& site);
  std::string stuck() const;

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  Fiber caller_;
  int n_ = 0, now_ = 0, n_done_ = 0, n_arrived_ = 0;
  uint64_t round_ = 0;
  Site first_site_;
  const char* kernel_ = "";
  BlockIndex index_;
  Body body_ = nullptr;
  const void* context_ = nullptr;
  std::vector<unsigned char> shared_;
  std::string failure_;
};

Block& block() {
  static Block one;
  return one;
}

std::string Block::where() const {
  return std::string("kernel ") + kernel_ + ", block (" + std::to_string(index_.x) + ", " + std::to_string(index_.y) + ", " + std::to_string(index_.z) + "), thread " + std::to_string(now_);
}

void Block::run(const char* kernel, BlockIndex index, int n_threads, size_t shared_bytes, Body body, const void* context) {
  if (n_threads <= 0 || n_threads % kWarp != 0 || n_threads > kMostThreads) throw Fault(std::string("kernel ") + kernel + " asks for blocks of " + std::to_string(n_threads) + " threads");
  kernel_ = kernel;
  index_ = index;
  n_ = n_threads;
  body_ = body;
  context_ = context;
  shared_.assign(shared_bytes + 16, 0xff);
  while (threads_.size() < static_cast<size_t>(n_)) threads_.emplace_back();
  for (int i = 0; i < n_; ++i) {
    threads_[static_cast<size_t>(i)].fiber.start_at(&Block::thread_main);
    threads_[static_cast<size_t>(i)].state = State::kReady;
  }
  warps_.assign(static_cast<size_t>(n_ / kWarp), Warp{});
  n_done_ = n_arrived_ = 0;
  now_ = 0;
  failure_.clear();
  Fiber::switch_to(caller_, threads_[0].fiber);
  if (!failure_.empty()) throw Fault(failure_);
}

void Block::thread_main() {
  Block& self = block();
  const int thread = self.now_;
  try {
    // Shared memory begins at a multiple of 16, as devices have it.
    unsigned char* base = self.shared_.data() + (16 - reinterpret_cast<uintptr_t>(self.shared_.data()) % 16) % 16;
    const auto* bytes = reinterpret_cast<const std::byte*>(base);
    self.body_(self.context_, thread, {base, {bytes, bytes + self.shared_.size() - 16}});
  } catch (const std::exception& error) {
    self.failure_ = error.what();
  }
  if (!self.failure_.empty()) self.stop();
  self.leave();
}

bool Block::can_run(const Thread& thread, int index) const {
  switch (thread.state) {
    case State::kReady: return true;
    case State::kAtShuffle: return warps_[static_cast<size_t>(index / kWarp)].round > thread.round;
    case State::kAtBarrier: return round_ > thread.round;
    case State::kDone: return false;
  }
  return false;
}

void Block::go_on() {
  const int from = now_;
  for (int i = 1; i <= n_; ++i) {
    const int next = (from + i) % n_;
    Thread& thread = threads_[static_cast<size_t>(next)];
    if (!can_run(thread, next)) continue;
    thread.state = State::kReady;
    now_ = next;
    if (next != from) Fiber::switch_to(threads_[static_cast<size_t>(from)].fiber, thread.fiber);
    return;
  }
  failure_ = stuck();
  stop();
}

void Block::leave() {
  threads_[static_cast<size_t>(now_)].state = State::kDone;
  if (++n_done_ == n_) Fiber::switch_to(threads_[static_cast<size_t>(now_)].fiber, caller_);
  go_on();
  std::abort();   // nobody switches back
}

/// The stacks are left as they are: what they hold then must be plain data, for nothing unwinds them.
void Block::stop() {
  Fiber::switch_to(threads_[static_cast<size_t>(now_)].fiber, caller_);
  std::abort();   // nobody switches back
}

std::string Block::stuck() const {
  std::string what = std::string("kernel ") + kernel_ + ", block (" + std::to_string(index_.x) + ", " + std::to_string(index_.y) + ", " + std::to_string(index_.z) + "): ";
  const auto waiting = std::find_if(threads_.begin(), threads_.begin() + n_, [](const Thread& t) { return t.state == State::kAtShuffle || t.state == State::kAtBarrier; });
  const bool barrier = waiting->state == State::kAtBarrier;
  const int64_t first = waiting - threads_.begin(), from = barrier ? 0 : first / kWarp * kWarp, to = barrier ? n_ : from + kWarp;
  int missing = 0;
  int64_t absent = -1;
  for (int64_t i = from; i < to; ++i) {
    const Thread& thread = threads_[static_cast<size_t>(i)];
    if (thread.state == waiting->state) continue;
    if (missing++ == 0) absent = i;
  }
  return what + std::to_string(missing) + " of " + std::to_string(to - from) + " threads (first: " + std::to_string(absent) + ") never reached the " + (barrier ? "barrier" : "shuffle") + " at " + text_of(waiting->site);
}

/// `first_site` is that of the first to come.
void Block::arrive(uint64_t& round, int& n_arrived, int n, Site& first_site, State state, const Site& site) {
  if (n_arrived == 0) first_site = site;
  else if (!same(first_site, site)) {
    throw Fault(where() + " waits at " + text_of(site) + " while others of its " + (state == State::kAtBarrier ? "block" : "warp") + " wait at " + text_of(first_site));
  }
  if (++n_arrived == n) {
    n_arrived = 0;
    ++round;
    return;
  }
  Thread& thread = threads_[static_cast<size_t>(now_)];
  thread.state = state;
  thread.round = round;
  thread.site = site;
  go_on();
}

void Block::wait_block(const Site& site) { arrive(round_, n_arrived_, n_, first_site_, State::kAtBarrier, site); }

const LaneWords* Block::gather(const uint32_t* words, size_t n, const Site& site) {
  Warp& warp = warps_[static_cast<size_t>(now_ / kWarp)];
  LaneWords* values = warp.values[warp.round % 2];
  std::copy(words, words + n, values[now_ % kWarp].begin());
  arrive(warp.round, warp.n_arrived, kWarp, warp.first_site, State::kAtShuffle, site);
  return values;
}

}  // namespace

void run_block(const char* kernel, BlockIndex index, int n_threads, size_t shared_bytes, Body body, const void* context) { block().run(kernel, index, n_threads, shared_bytes, body, context); }
void wait_block(Site site) { block().wait_block(site); }
uint32_t exchange(uint32_t value, int source, Site site) {
  if (source < 0 || source >= kWarp) throw Fault(where_now() + " reads from lane " + std::to_string(source));
  return block().gather(&value, 1, site)[source][0];
}
const LaneWords* gather(const uint32_t* words, size_t n, Site site) { return block().gather(words, n, site); }
int thread_now() { return block().now(); }
std::string where_now() { return block().where(); }

}  // namespace conclave::gpu_host
