// int8 MaxSim in plain C++: bytes are widened to 16 bits, whose products every compiler can
// multiply and add pairwise. The AVX2 path is the same source with wider registers.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu_path.hpp"
#include "maxsim.hpp"

namespace lexmax {

class Int8PortableScorer {
 public:
  using Code = std::int8_t;
  static constexpr int kTile = 4;

  Int8PortableScorer(const std::int8_t* query, std::size_t n_queries, std::size_t dim)
      : dim_(dim),
        stride_((dim + kPadding - 1) / kPadding * kPadding),
        n_queries_(n_queries),
        query_(n_queries * stride_),
        staged_(kTile * stride_) {
    for (std::size_t q = 0; q < n_queries; ++q)
      std::copy_n(query + q * dim, dim, query_.data() + q * stride_);
  }

  std::size_t n_lanes() const { return n_queries_; }

  void raise_best(const TokenTile<Code>& tile, float* best) { raise(tile, best); }

 protected:
  LEXMAX_INLINE void raise(const TokenTile<Code>& tile, float* best) {
    for (int t = 0; t < tile.n; ++t)
      std::copy_n(tile.codes + t * dim_, dim_, staged_.data() + t * stride_);
    for (std::size_t q = 0; q < n_queries_; ++q) {
      std::int32_t dots[kTile];
      multiply(query_.data() + q * stride_, dots);
      for (int t = 0; t < tile.n; ++t)
        best[q] = std::max(best[q], static_cast<float>(dots[t]) * tile.scales[t]);
    }
  }

 private:
  static constexpr std::size_t kPadding = 32;  // coordinates; zeros past dim, so no loop has a tail

  // Rows past a short tile are left from the one before: their products are computed and not used.
  LEXMAX_INLINE void multiply(const std::int16_t* query, std::int32_t* dots) const {
    std::int32_t a = 0, b = 0, c = 0, d = 0;
    const std::int16_t* tokens = staged_.data();
    for (std::size_t k = 0; k < stride_; ++k) {
      a += query[k] * tokens[k];
      b += query[k] * tokens[k + stride_];
      c += query[k] * tokens[k + 2 * stride_];
      d += query[k] * tokens[k + 3 * stride_];
    }
    dots[0] = a, dots[1] = b, dots[2] = c, dots[3] = d;
  }

  std::size_t dim_;
  std::size_t stride_;
  std::size_t n_queries_;
  std::vector<std::int16_t> query_;
  std::vector<std::int16_t> staged_;
};

#if LEXMAX_X86
class Int8Avx2Scorer : public Int8PortableScorer {
 public:
  using Int8PortableScorer::Int8PortableScorer;
  LEXMAX_TARGET_AVX2 void raise_best(const TokenTile<Code>& tile, float* best) {
    raise(tile, best);
  }
};
#endif

}  // namespace lexmax
