// The fuzzers' common frame. Owns the outcome rule (a clean result, or a conclave::Error of one bounded line; anything
// else aborts) and, for compilers without libFuzzer, a mutating loop with its command line:
//   fuzz_NAME [--seconds N] [--seed N] [FILE...]
// It keeps inputs whose outcome (the message without its numbers and names) is new, which walks it through the checks one
// after another. Build it with -DCONCLAVE_SANITIZE=address,undefined. Used by the fuzz_*.cpp files alone.
#pragma once
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

#if defined(__GNUC__)
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));
#endif

namespace conclave::fuzz {

using Input = std::vector<std::byte>;

/// "sound", or the error's message.
template <class F>
std::string outcome_of(F&& call) {
  constexpr size_t kLongestMessage = 4096;
  try {
    call();
    return "sound";
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.empty() || message.size() > kLongestMessage || message.find('\n') != std::string::npos) std::abort();
    return message;
  }
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t bits() { return engine_(); }
  /// In [0, n); 0 for n = 0.
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(engine_() % n); }

 private:
  std::mt19937_64 engine_;
};

/// What one fuzzer adds to the frame.
struct Target {
  const char* name;
  std::string (*examine)(std::span<const std::byte> bytes);             // outcome_of() some reading
  void (*mutate)(Random& random, Input& input, const Input& other);     // a few changes, perhaps with parts of `other`
  std::vector<Input> seeds;                                             // each of them sound
};

/// The message's fixed words: quoted parts and numbers removed.
inline std::string shape_of(const std::string& message) {
  std::string shape;
  bool quoted = false;
  for (const char c : message) {
    if (c == '\'') quoted = !quoted;
    else if (!quoted && (c < '0' || c > '9')) shape += c;
  }
  return shape;
}

inline Input current;   // what is being examined, for the death callback

inline void save_current() {
  std::ofstream("crash.input", std::ios::binary).write(reinterpret_cast<const char*>(current.data()), static_cast<std::streamsize>(current.size()));
  std::fprintf(stderr, "the input is in crash.input\n");
}

inline int run(const Target& target, double seconds, uint64_t seed) {
  constexpr size_t kMostInputs = 2000;
  std::vector<Input> corpus = target.seeds;
  std::set<std::string> outcomes;
  for (const Input& input : corpus) outcomes.insert(shape_of(target.examine(input)));
  Random random(seed);
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  uint64_t n_runs = 0, n_sound = 0;
  double slowest = 0;
  while (elapsed() < seconds) {
    current = corpus[random.below(corpus.size())];
    target.mutate(random, current, corpus[random.below(corpus.size())]);
    current.shrink_to_fit();   // so that the address sanitizer sees the first byte too far
    const double before = elapsed();
    const std::string outcome = target.examine(current);
    slowest = std::max(slowest, elapsed() - before);
    ++n_runs;
    n_sound += outcome == "sound" ? 1 : 0;
    if (outcomes.insert(shape_of(outcome)).second && corpus.size() < kMostInputs) corpus.push_back(current);
  }
  std::printf("%s: %" PRIu64 " inputs in %.0f s, seed %" PRIu64 ": %zu different outcomes, %" PRIu64 " inputs still sound, slowest %.1f ms, no crash\n", target.name, n_runs, elapsed(), seed,
              outcomes.size(), n_sound, slowest * 1e3);
  return 0;
}

/// main() of a fuzzer: files named on the command line join the seeds.
inline int main_loop(int argc, char** argv, Target target) {
  double seconds = 10;
  uint64_t seed = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (arg == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::ifstream file(arg, std::ios::binary);
      if (!file) {
        std::fprintf(stderr, "%s: could not open '%s'\n", target.name, arg.c_str());
        return 1;
      }
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
      target.seeds.emplace_back(begin, begin + bytes.size());
    }
  }
#if defined(__GNUC__)
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current);
#endif
  return run(target, seconds, seed);
}

}  // namespace conclave::fuzz
