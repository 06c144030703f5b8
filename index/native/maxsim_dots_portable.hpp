// Dots in plain C++ and with AVX2: bytes are widened to 16 bits, whose products are added pairwise.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu_path.hpp"
#include "maxsim_dots.hpp"
#if LEXMAX_X86
#include <immintrin.h>
#endif

namespace lexmax {

class PortableDots {
 public:
  static constexpr std::size_t kRun = 4;
  using Raise = PortableRaise;
  using Registers = NoRegisters;

  PortableDots(const std::int8_t* query, std::size_t n_queries, std::size_t dim)
      : dim_(dim),
        stride_((dim + kPadding - 1) / kPadding * kPadding),
        n_queries_(n_queries),
        query_(n_queries * stride_),
        staged_(kRun * stride_) {
    for (std::size_t q = 0; q < n_queries; ++q) std::copy_n(query + q * dim, dim, query_.data() + q * stride_);
  }

  const std::int32_t* multiply(const TokenRows& rows, std::size_t block) {
    for (std::size_t t = 0; t < rows.n; ++t) std::copy_n(rows.codes + t * dim_, dim_, staged_.data() + t * stride_);
    const std::size_t first = block * kQueryBlock;
    for (std::size_t q = 0; q < std::min(kQueryBlock, n_queries_ - first); ++q)
      column(query_.data() + (first + q) * stride_, dots_ + q);
    return dots_;
  }

 private:
  static constexpr std::size_t kPadding = 32;  // coordinates; zeros past dim, so no loop has a tail

  // Rows past a short run are left from the one before: their products are computed and not used.
  void column(const std::int16_t* query, std::int32_t* dots) const {
    std::int32_t a = 0, b = 0, c = 0, d = 0;
    const std::int16_t* tokens = staged_.data();
    for (std::size_t k = 0; k < stride_; ++k) {
      a += query[k] * tokens[k];
      b += query[k] * tokens[k + stride_];
      c += query[k] * tokens[k + 2 * stride_];
      d += query[k] * tokens[k + 3 * stride_];
    }
    dots[0] = a, dots[kQueryBlock] = b, dots[2 * kQueryBlock] = c, dots[3 * kQueryBlock] = d;
  }

  std::size_t dim_;
  std::size_t stride_;
  std::size_t n_queries_;
  std::vector<std::int16_t> query_;
  std::vector<std::int16_t> staged_;
  std::int32_t dots_[kRun * kQueryBlock] = {};
};

}  // namespace lexmax
