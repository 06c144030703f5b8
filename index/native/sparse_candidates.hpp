// The documents that may still be among a query's k best, while windows are scanned.
//
// A buffer cut by nth_element instead of a heap: an addition costs O(1) amortised whatever k is. A cut only drops
// documents that IntegerQuery proves to score strictly below k others, so neither the order of additions nor the
// moment of a cut shows in the result.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparse_bounds.hpp"

namespace lexmax::sparse {

struct Candidate {
  std::uint32_t accumulator;
  std::uint32_t ordinal;
};

class Candidates {
 public:
  Candidates(const IntegerQuery& query, std::size_t k) : query_(query), k_(k), limit_(std::max(2 * k, kSmallest)) {}

  /// Accumulators below this cannot belong to one of the k best; at least 1, so untouched documents never pass.
  std::uint32_t threshold() const { return threshold_; }

  void add(std::uint32_t accumulator, std::uint32_t ordinal) {
    kept_.push_back({accumulator, ordinal});
    if (kept_.size() < limit_) return;
    cut();
    // Where bounds are too wide to cut, the buffer grows: the cost stays linear in what is added.
    limit_ = std::max(limit_, 2 * kept_.size());
  }

  /// What is left: the k with the largest accumulators first, each part in no order.
  std::vector<Candidate>& finish() {
    cut();
    return kept_;
  }

 private:
  static constexpr std::size_t kSmallest = 1024;

  void cut() {
    if (kept_.size() <= k_) return;
    const auto kth = kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(kept_.begin(), kth, kept_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.accumulator > b.accumulator; });
    threshold_ = std::max(threshold_, query_.least_accumulator(query_.least_score(kth->accumulator)));
    const auto losers = std::remove_if(kth + 1, kept_.end(),
                                       [this](const Candidate& c) { return c.accumulator < threshold_; });
    kept_.erase(losers, kept_.end());
  }

  const IntegerQuery& query_;
  std::size_t k_;
  std::size_t limit_;
  std::uint32_t threshold_ = 1;
  std::vector<Candidate> kept_;
};

}  // namespace lexmax::sparse
