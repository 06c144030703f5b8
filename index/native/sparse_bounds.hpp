// Integer weights of one query, and what an accumulator proves about a document's exact score.
//
// Notation, for a term t that the query (weight q) and a document (weight w) share: s is the term's step and
// i its impact in the document. The build makes 255 s >= w and i = max(1, rint(w / s)), therefore
//     (1)  s (i - 1) <= w <= s (i + 1/2).
// Let c = q s (exact in float64: 24 + 24 bits), `scale` any positive double and m = ceil(c scale), therefore
//     (2)  (m - 1) / scale < c <= m / scale.
// A document's accumulator is A = sum of m i over the shared terms; its score is S = sum of q w. With M = sum of m
// over all n terms of the query:
//     S <= sum of c (i + 1/2)  <= (A + M / 2) / scale                                          `under` = M / 2
//     S >= sum of c (i - 1)     > sum of (m - 1)(i - 1) / scale >= (A - M - 254 n) / scale      `over` = M + 254 n
// No overflow: scale = (kBudget - n) / sum of c makes M <= kBudget - n + n, plus less than 1 for rounding, and
// 255 (2^24 + 1) < 2^32, so a u32 holds every A.
// Rounding: (1) and (2), the sum of c, and the float64 sum of at most 2^23 products that the score is, each err by
// less than 2^-29 relative; `kSlack` = 1e-8 covers all of them together.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

namespace lexmax::sparse {

/// Values inside the index's arrays that no build writes.
struct Corrupt : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class IntegerQuery {
 public:
  static constexpr std::size_t kMaxTerms = std::size_t{1} << 23;

  /// `terms` are local term numbers into `steps`; `weights` are finite and above zero.
  IntegerQuery(std::span<const std::uint32_t> terms, std::span<const float> weights, std::span<const float> steps) {
    if (terms.size() > kMaxTerms) throw std::invalid_argument("more than 8,388,608 terms in a query");
    std::vector<double> contributions(terms.size());
    double total = 0;
    for (std::size_t j = 0; j < terms.size(); ++j) {
      contributions[j] = static_cast<double>(weights[j]) * step(terms[j], steps);
      total += contributions[j];
    }
    const auto n = static_cast<double>(terms.size());
    scale_ = total > 0 ? (kBudget - n) / total : 1;
    double sum = 0;
    for (const double contribution : contributions) {
      multipliers_.push_back(static_cast<std::uint32_t>(std::ceil(contribution * scale_)));
      sum += multipliers_.back();
    }
    under_ = sum / 2;
    over_ = sum + 254 * n;
  }

  std::uint32_t multiplier(std::size_t j) const { return multipliers_[j]; }

  /// A float32 score that every document with this accumulator reaches.
  float least_score(std::uint32_t accumulator) const {
    return static_cast<float>(std::max(0.0, (accumulator - over_) / scale_ * (1 - kSlack)));
  }

  /// The threshold for a float32 score: a document whose accumulator is below it scores strictly less, even after
  /// its score is rounded to float32, so it can neither enter the top k nor tie with the k-th.
  std::uint32_t least_accumulator(float score) const {
    const double below = std::nextafter(score, 0.0f);
    const double bound = std::floor(below * scale_ * (1 - 2 * kSlack) - under_);
    return static_cast<std::uint32_t>(std::clamp(bound, 1.0, kLargest));
  }

 private:
  static constexpr double kBudget = 1 << 24;
  static constexpr double kSlack = 1e-8;
  static constexpr double kLargest = std::numeric_limits<std::uint32_t>::max();

  static double step(std::uint32_t term, std::span<const float> steps) {
    if (term >= steps.size()) throw std::invalid_argument("a local term number beyond the dictionary");
    const float value = steps[term];
    if (!(value > 0) || !std::isfinite(value)) throw Corrupt("sparse.steps holds a step that is not above 0 and finite");
    return value;
  }

  std::vector<std::uint32_t> multipliers_;
  double scale_;
  double under_;
  double over_;
};

}  // namespace lexmax::sparse
