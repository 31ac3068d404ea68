// How often drafted tokens stand: per kind of offer and per position, given that the positions before it stood. Old tries
// fade, so the numbers follow the text. Plain arithmetic, copied freely: the engine keeps one for all, each request starts from it.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "speculate/drafter.h"

namespace conclave {

class AcceptanceMeter {
 public:
  static constexpr int kMaxPositions = 16;

  /// Of a draft of `n` tokens the first `n_accepted` stood and the rest was not looked at, but for one mismatch if there was room.
  void observe(int kind, int n, int n_accepted);
  /// Conditional probability that position `at` stands. Unknown positions take after the one before them.
  double estimate(int kind, int at) const;
  std::vector<double> estimates(int kind, int n) const;   // of the first n positions
  double n_tries(int kind) const { return cells_[static_cast<size_t>(kind)][0].tries; }
  /// The same rates with at most `weight` tries behind each: a start that the request's own tries soon outweigh.
  AcceptanceMeter faded(double weight) const;

 private:
  struct Cell {
    double hits = 0, tries = 0;
  };
  /// Of position `at`, when the one before it has `before`.
  double next_rate(int kind, int at, double before) const;

  std::array<std::array<Cell, kMaxPositions>, kDraftKinds> cells_{};
};

/// A draft that was made but not verified: its acceptance is read off the tokens that the target emits anyway.
class ShadowDraft {
 public:
  bool active() const { return !tokens_.empty(); }
  void start(int kind, std::vector<int32_t> tokens) { kind_ = kind, tokens_ = std::move(tokens), n_right_ = 0; }
  /// `token` was emitted. True when the comparison is over; then kind, length and n_right tell the outcome.
  bool follow(int32_t token);
  void drop() { tokens_.clear(); }
  int kind() const { return kind_; }
  int length() const { return static_cast<int>(tokens_.size()); }
  int n_right() const { return n_right_; }

 private:
  int kind_ = 0, n_right_ = 0;
  std::vector<int32_t> tokens_;
};

}  // namespace conclave
