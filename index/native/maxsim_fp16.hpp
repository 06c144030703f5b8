// MaxSim over half-precision token vectors: the reference tier, decoded to float32 tile by tile.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu_path.hpp"
#include "maxsim.hpp"
#include "project.hpp"

namespace lexmax {

/// IEEE half to float32, exact for every value; without branches, so compilers vectorise it.
LEXMAX_INLINE float half_to_float(std::uint16_t half) {
  // Shifting the exponent into place leaves it 112 too small; the product mends it, subnormals too.
  const auto magnitude = std::bit_cast<float>(static_cast<std::uint32_t>(half & 0x7FFF) << 13) * 0x1p112F;
  const std::uint32_t infinite = (half & 0x7C00) == 0x7C00 ? 0x7F800000U : 0U;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | infinite | sign);
}

class Fp16Scorer {
 public:
  using Code = std::uint16_t;
  static constexpr int kTile = 12;

  Fp16Scorer(const float* query, std::size_t n_queries, std::size_t dim, CpuPath path)
      : dim_(dim),
        lanes_(lanes_for(n_queries)),
        path_(path),
        query_(dim * lanes_),
        tokens_(kTile * dim),
        products_(kTile * lanes_) {
    for (std::size_t q = 0; q < n_queries; ++q)
      for (std::size_t k = 0; k < dim; ++k) query_[k * lanes_ + q] = query[q * dim + k];
  }

  std::size_t n_lanes() const { return lanes_; }

  void raise_best(const TokenTile<Code>& tile, float* best) {
    const auto rows = static_cast<std::size_t>(tile.n);
    for (std::size_t i = 0; i < rows * dim_; ++i) tokens_[i] = half_to_float(tile.codes[i]);
    project({tokens_.data(), rows, dim_, query_.data(), lanes_, products_.data()}, path_);
    for (std::size_t t = 0; t < rows; ++t)
      for (std::size_t q = 0; q < lanes_; ++q)
        best[q] = std::max(best[q], products_[t * lanes_ + q]);
  }

 private:
  std::size_t dim_;
  std::size_t lanes_;
  CpuPath path_;
  std::vector<float> query_;  // [coordinate][query token]
  std::vector<float> tokens_;
  std::vector<float> products_;
};

}  // namespace lexmax
