// Which n of many scores are the greatest? Collected while they come, ties by the smaller ordinal.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace lexmax {

struct Scored {
  float score;
  std::int64_t ordinal;
};

/// A strict order of scores that are numbers: `a` stands before `b` in a ranking.
inline bool ranks_before(const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.ordinal < b.ordinal;
}

/// Keeps the best `n`. Scores that are NaN or -inf are never kept.
class BestN {
 public:
  explicit BestN(std::size_t n) : n_(n) {}

  /// Scores below this are never kept.
  float threshold() const { return threshold_; }

  void offer(float score, std::int64_t ordinal) {
    // Not strict, because ordinals need not come in order.
    if (!(score >= threshold_) || score == -std::numeric_limits<float>::infinity() || n_ == 0)
      return;
    kept_.push_back({score, ordinal});
    if (kept_.size() >= 2 * n_ + kSlack) shrink();
  }

  void offer(const std::vector<Scored>& several) {
    for (const Scored& one : several) offer(one.score, one.ordinal);
  }

  /// The best, in order; nothing is kept after it.
  std::vector<Scored> take() {
    if (kept_.size() > n_) shrink();
    std::sort(kept_.begin(), kept_.end(), ranks_before);
    return std::move(kept_);
  }

 private:
  // So much is kept beyond n that a selection pays.
  static constexpr std::size_t kSlack = 1024;

  void shrink() {
    const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(n_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), ranks_before);
    threshold_ = last->score;
    kept_.resize(n_);
  }

  std::size_t n_;
  float threshold_ = -std::numeric_limits<float>::infinity();
  std::vector<Scored> kept_;
};

}  // namespace lexmax
