// The n documents with the greatest scores of those that are offered, ties by the smaller ordinal.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lexmax {

struct ScoredDocument {
  std::uint32_t score;
  std::uint32_t ordinal;
};

/// Better means a greater score, then a smaller ordinal.
inline bool better(const ScoredDocument& a, const ScoredDocument& b) {
  return a.score != b.score ? a.score > b.score : a.ordinal < b.ordinal;
}

/// Takes documents in ascending order of their ordinals; most are turned away by one comparison.
class TopDocuments {
 public:
  explicit TopDocuments(std::size_t n) : n_(n) { kept_.reserve(2 * n + 1); }

  /// Scores that are not greater than this cannot enter any more.
  std::uint32_t floor() const { return floor_; }

  void offer(std::uint32_t score, std::uint32_t ordinal) {
    if (full_ && score <= floor_) return;
    kept_.push_back({score, ordinal});
    if (kept_.size() > 2 * n_) cut();
  }

  /// The best, best first.
  std::vector<ScoredDocument> best() {
    if (kept_.size() > n_) cut();
    std::sort(kept_.begin(), kept_.end(), better);
    return std::move(kept_);
  }

 private:
  void cut() {
    const auto nth = kept_.begin() + static_cast<std::ptrdiff_t>(n_ - 1);
    std::nth_element(kept_.begin(), nth, kept_.end(), better);
    floor_ = nth->score;
    full_ = true;
    kept_.resize(n_);
  }

  std::size_t n_;
  std::uint32_t floor_ = 0;
  bool full_ = false;
  std::vector<ScoredDocument> kept_;
};

}  // namespace lexmax
