// Dots with AVX2: 3 document tokens by 32 query tokens in registers, bytes widened to 16 bits for vpmaddwd.
//
// vpmaddubsw would take bytes as they are, but its sums of two products overflow 16 bits unless signs are moved from
// one factor to the other, which costs what it saves.
#pragma once
#include "cpu_path.hpp"
#include "maxsim_dots.hpp"
#if LEXMAX_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lexmax {

class Avx2Dots {
 public:
  static constexpr std::size_t kRun = 24;
  using Raise = Avx2Raise;
  using Registers = NoRegisters;

  Avx2Dots(const std::int8_t* query, std::size_t n_queries, std::size_t dim)
      : n_queries_(n_queries),
        dim_(dim),
        pairs_((dim + 1) / 2),
        blocks_((n_queries + kQueryBlock - 1) / kQueryBlock),
        query_(blocks_ * pairs_ * kQueryBlock * 2),
        staged_(kRun * (2 * pairs_ + kPadding)),
        dots_(kRun * kQueryBlock) {
    for (std::size_t q = 0; q < n_queries; ++q)
      for (std::size_t k = 0; k < dim; ++k)
        query_.data()[(q / kQueryBlock * pairs_ + k / 2) * kQueryBlock * 2 + q % kQueryBlock * 2 + k % 2] = query[q * dim + k];
  }

  LEXMAX_TARGET_AVX2 const std::int32_t* multiply(const TokenRows& rows, std::size_t block) {
    stage(rows);
    const std::int16_t* query = query_.data() + block * pairs_ * kQueryBlock * 2;
    const bool both = n_queries_ - block * kQueryBlock > kQueryBlock / 2;
    both ? tiles<4>(query, rows.n) : tiles<2>(query, rows.n);
    return dots_.data();
  }

 private:
  static constexpr std::size_t kPadding = 16;

  LEXMAX_TARGET_AVX2 void stage(const TokenRows& rows) {
    const std::size_t stride = 2 * pairs_ + kPadding;
    for (std::size_t t = 0; t < rows.n; ++t) {
      const std::int8_t* from = rows.codes + t * dim_;
      std::int16_t* to = staged_.data() + t * stride;
      for (std::size_t k = 0; k < dim_; ++k) to[k] = from[k];
    }
    const auto* ahead = static_cast<const char*>(rows.ahead);
    for (std::size_t byte = 0; byte < rows.ahead_bytes; byte += 64) _mm_prefetch(ahead + byte, _MM_HINT_T1);
  }

  template <int kVectors>
  LEXMAX_TARGET_AVX2 void tiles(const std::int16_t* query, std::size_t n) {
    std::size_t t = 0;
    for (; t + 3 <= n; t += 3) tile<3, kVectors>(query, t);
    if (n - t == 2) tile<2, kVectors>(query, t);
    if (n - t == 1) tile<1, kVectors>(query, t);
  }

  template <int kTokens, int kVectors>
  LEXMAX_TARGET_AVX2 void tile(const std::int16_t* query, std::size_t first) {
    const std::size_t stride = 2 * pairs_ + kPadding;
    const std::int16_t* tokens = staged_.data() + first * stride;
    __m256i sum[kTokens][kVectors];
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[t][v] = _mm256_setzero_si256();
    for (std::size_t p = 0; p < pairs_; ++p, query += kQueryBlock * 2, tokens += 2)
#pragma GCC unroll 3
      for (int t = 0; t < kTokens; ++t) {
        std::int32_t two;
        std::memcpy(&two, tokens + t * stride, sizeof two);
        const __m256i token = _mm256_set1_epi32(two);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const __m256i columns = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query + 16 * v));
          sum[t][v] = _mm256_add_epi32(sum[t][v], _mm256_madd_epi16(token, columns));
        }
      }
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(dots_.data() + (first + t) * kQueryBlock + 8 * v), sum[t][v]);
  }

  std::size_t n_queries_;
  std::size_t dim_;
  std::size_t pairs_;
  std::size_t blocks_;
  Lines<std::int16_t> query_;  // [block][pair of coordinates][query token][2]
  Lines<std::int16_t> staged_;
  Lines<std::int32_t> dots_;
};

}  // namespace lexmax
#endif
