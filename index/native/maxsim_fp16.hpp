// MaxSim over half-precision token vectors: the reference tier, decoded to float32 tile by tile.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu_path.hpp"
#include "maxsim.hpp"
#include "maxsim_bound.hpp"
#include "maxsim_dots.hpp"
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

/// Query tokens (n, dim) as they are.
struct FloatQuery {
  const float* vectors;
  std::size_t n;
};

class Fp16Scorer {
 public:
  static constexpr std::size_t kRun = 12;
  using Registers = NoRegisters;

  Fp16Scorer(const TokenView<std::uint16_t>& store, const FloatQuery& query, CpuPath path)
      : store_(store),
        path_(path),
        weights_(query.n, 1.0F),
        query_((query.n + kQueryBlock - 1) / kQueryBlock * store.dim * kQueryBlock),
        tokens_(kRun * store.dim),
        bound_(norms(query)) {
    for (std::size_t q = 0; q < query.n; ++q)
      for (std::size_t k = 0; k < store.dim; ++k)
        query_[start(q / kQueryBlock) + k * width(q / kQueryBlock) + q % kQueryBlock] =
            query.vectors[q * store.dim + k];
  }

  const std::vector<float>& weights() const { return weights_; }

  void raise_best(const TokenRun& run, std::size_t block, float* best) {
    const auto rows = static_cast<std::size_t>(run.end - run.begin);
    const std::uint16_t* codes = row(run.begin);
    for (std::size_t i = 0; i < rows * store_.dim; ++i) tokens_[i] = half_to_float(codes[i]);
    const std::size_t lanes = width(block);
    project({tokens_.data(), rows, store_.dim, query_.data() + start(block), lanes, products_},
            path_);
    for (std::size_t t = 0; t < rows; ++t)
      for (std::size_t q = 0; q < lanes; ++q) best[q] = std::max(best[q], products_[t * lanes + q]);
  }

  double rest(std::size_t block, const DocumentRange& document) {
    double greatest = 0.0;
    for (std::int64_t token = document.begin; token < document.end; ++token) {
      double square = 0.0;
      for (std::size_t k = 0; k < store_.dim; ++k) {
        const double x = half_to_float(row(token)[k]);
        square += x * x;
      }
      if (!(square <= greatest)) greatest = square;
    }
    return bound_.rest(block, std::sqrt(greatest)) * kSummed;
  }

  double guess(std::size_t block) const { return bound_.guess(block); }
  std::size_t kept_run() const { return kRun; }

 private:
  // Products are summed in float32, one after another: the error of a sum of 65,536 is below this.
  static constexpr double kSummed = 1.01;

  std::size_t width(std::size_t block) const {
    return lanes_for(std::min(kQueryBlock, weights_.size() - block * kQueryBlock));
  }
  std::size_t start(std::size_t block) const { return block * store_.dim * kQueryBlock; }
  const std::uint16_t* row(std::int64_t token) const {
    return store_.codes + static_cast<std::size_t>(token) * store_.dim;
  }
  std::vector<double> norms(const FloatQuery& query) const {
    std::vector<double> norms(query.n);
    for (std::size_t q = 0; q < query.n; ++q) {
      double square = 0.0;
      for (std::size_t k = 0; k < store_.dim; ++k) {
        const double x = query.vectors[q * store_.dim + k];
        square += x * x;
      }
      norms[q] = std::sqrt(square);
    }
    return norms;
  }

  TokenView<std::uint16_t> store_;
  CpuPath path_;
  std::vector<float> weights_;
  std::vector<float> query_;  // [block][coordinate][query token]
  std::vector<float> tokens_;
  float products_[kRun * kQueryBlock];
  NormBound bound_;
};

}  // namespace lexmax
