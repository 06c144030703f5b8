// What does a document's accumulator prove about its exact score? That it is no larger.
//
// Notation, for a term t that the query (weight q) and a document (weight w) share: s is the term's step, l the
// level of the document's posting. The build makes s l >= w, with l <= 255. Let c = q s (exact in float64: 24 + 24
// bits), `scale` any positive double and m = ceil(c scale 2^16). A posting adds ceil(m l / 2^16) to the accumulator:
//     ceil(m l / 2^16) >= c scale l >= scale q w,      therefore      A >= scale S
// for a document's accumulator A and score S. A document whose A is below scale * theta scores below theta.
// No overflow: scale <= (65000 - n) / sum of 255 c, so A <= 65000 - n + n (1 + 255 / 2^16) < 2^16 for n terms, n <=
// kMaxTerms; and m l + 2^16 - 1 < 2^32.
// Rounding: products, the sum of c, and the float64 sum that the score is, err by less than 2^-29 relative;
// `kSlack` covers all of them together.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "sparse_segment.hpp"

namespace lexmax::sparse {

class UpperBounds {
 public:
  /// Queries of more terms are answered from the forward index alone.
  static constexpr std::size_t kMaxTerms = std::size_t{1} << 15;

  UpperBounds(const Query& query, const Segment& segment) {
    const std::size_t n = query.terms.size();
    std::vector<double> largest(n);
    double total = 0, frequent = 0;
    for (std::size_t j = 0; j < n; ++j) {
      largest[j] = static_cast<double>(query.weights[j]) * step(query.terms[j], segment) * 255;
      total += largest[j];
      // Such a term may have dense rows, which are cheaper while its contributions fit 8 bits.
      const double n_docs = static_cast<double>(segment.n_docs());
      if (segment.doc_freqs[query.terms[j]] * kRare > n_docs) frequent = std::max(frequent, largest[j]);
    }
    scale_ = (kBudget - static_cast<double>(n)) / total;
    if (frequent > 0) scale_ = std::min(scale_, std::max(600 / frequent, kLeastUnits / total));
    for (const double value : largest)
      multipliers_.push_back(static_cast<std::uint32_t>(std::ceil(value / 255 * scale_ * 65536)));
  }

  std::uint32_t multiplier(std::size_t j) const { return multipliers_[j]; }

  /// The threshold for a float32 score: a document whose accumulator is below it scores strictly less, even after
  /// its score is rounded to float32, so it can neither enter the top k nor tie with the k-th.
  std::uint32_t least_sum(float score) const {
    const double below = std::nextafter(score, 0.0f);
    return static_cast<std::uint32_t>(std::clamp(std::floor(below * scale_ * (1 - kSlack)), 1.0, 65535.0));
  }

 private:
  static constexpr double kBudget = 65000;
  static constexpr double kLeastUnits = 6000;
  static constexpr double kRare = 16;
  static constexpr double kSlack = 1e-7;

  static double step(std::uint32_t term, const Segment& segment) {
    if (term >= segment.steps.size()) throw std::invalid_argument("a local term number beyond the dictionary");
    const float value = segment.steps[term];
    if (!(value > 0) || !std::isfinite(value)) throw Corrupt("sparse.steps holds a step that is not above 0 and finite");
    return value;
  }

  std::vector<std::uint32_t> multipliers_;
  double scale_ = 1;
};

}  // namespace lexmax::sparse
