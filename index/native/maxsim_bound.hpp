// What can the rest of a query add to a document's score? An inner product is at most the product of the norms.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "maxsim_raise.hpp"

namespace lexmax {

class NormBound {
 public:
  /// `norms[q]` is the norm of query token q, its weight included.
  explicit NormBound(const std::vector<double>& norms) : rest_((norms.size() + kQueryBlock - 1) / kQueryBlock + 1) {
    for (std::size_t q = norms.size(); q-- > 0;) {
      const std::size_t block = q / kQueryBlock;
      if (q % kQueryBlock == kQueryBlock - 1 || q + 1 == norms.size()) rest_[block] = rest_[block + 1];
      rest_[block] += norms[q];
    }
  }

  /// At least what the blocks from `block` on add to the score of a document whose tokens have norms to `norm`.
  double rest(std::size_t block, double norm) {
    if (!(norm <= greatest_)) greatest_ = norm;
    return rest_[block] * norm * kRounding;
  }

  /// The same for the greatest norm that was seen so far.
  double guess(std::size_t block) const { return rest_[block] * greatest_; }

 private:
  // Similarities are rounded to float a few times.
  static constexpr double kRounding = 1.0 + 1e-6;

  std::vector<double> rest_;
  double greatest_ = 0.0;
};

}  // namespace lexmax
