// Which numbers exceed 0? A bit for each.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu_path.hpp"

#if LEXMAX_X86
#include <immintrin.h>
#endif

namespace lexmax {

namespace sign_detail {

#if LEXMAX_X86
LEXMAX_TARGET_AVX512 inline void avx512(const float* values, std::size_t n, std::uint16_t* bits) {
  for (std::size_t i = 0; i < n; i += 16)
    bits[i / 16] = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + i), _mm512_setzero_ps(), _CMP_GT_OQ);
}

LEXMAX_TARGET_AVX2 inline void avx2(const float* values, std::size_t n, std::uint16_t* bits) {
  const auto eight = [](const float* from) LEXMAX_TARGET_AVX2 {
    return _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(from), _mm256_setzero_ps(), _CMP_GT_OQ));
  };
  for (std::size_t i = 0; i < n; i += 16)
    bits[i / 16] = static_cast<std::uint16_t>(eight(values + i) | eight(values + i + 8) << 8);
}
#endif

inline void portable(const float* values, std::size_t n, std::uint16_t* bits) {
  for (std::size_t i = 0; i < n; i += 16) {
    unsigned word = 0;
    for (unsigned b = 0; b < 16; ++b) word |= static_cast<unsigned>(values[i + b] > 0.0F) << b;
    bits[i / 16] = static_cast<std::uint16_t>(word);
  }
}

}  // namespace sign_detail

/// bits (n / 16,): bit b of word w says whether values[16 w + b] exceeds 0; n a multiple of 16.
inline void find_sign_bits(const float* values, std::size_t n, std::uint16_t* bits, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return sign_detail::avx512(values, n, bits);
  if (path == CpuPath::avx2) return sign_detail::avx2(values, n, bits);
#endif
  (void)path;
  sign_detail::portable(values, n, bits);
}

}  // namespace lexmax
