// From 4- or 2-bit codes of residuals to int8 levels, in the first-level cache.
//
// A row of codes is a sequence of bytes, each of which holds one coordinate of every plane: with 4 bits byte j holds
// coordinates j (low) and j + n_bytes (high), with 2 bits coordinates j, j + n_bytes, j + 2 n_bytes, j + 3 n_bytes.
// So a register of bytes gives a register of levels for each plane by one shift, one mask and one look-up.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu_path.hpp"
#include "maxsim_raise.hpp"
#if LEXMAX_X86
#include <immintrin.h>
#endif

namespace lexmax {

/// What a code stands for: `levels` (16,), of which 2-bit codes repeat four.
struct ResidualLevels {
  std::int8_t levels[16];
  int bits;

  std::size_t planes() const { return bits == 4 ? 2 : 4; }
  std::size_t bytes(std::size_t dim) const { return (dim + planes() - 1) / planes(); }
};

/// Bytes that a decoder may read past a row of codes, and write past a row of levels.
constexpr std::size_t kDecodeSlack = 64;

namespace decode_detail {

template <int kBits>
inline void row_portable(const ResidualLevels& levels, const std::uint8_t* codes, std::size_t n_bytes,
                         std::int8_t* to) {
  for (int shift = 0; shift < 8; shift += kBits, to += n_bytes)
    for (std::size_t j = 0; j < n_bytes; ++j) to[j] = levels.levels[(codes[j] >> shift) & ((1 << kBits) - 1)];
}

#if LEXMAX_X86
// Planes are written in order: what one writes too much, the next one overwrites.
template <int kBits>
LEXMAX_TARGET_AVX2 inline void row_avx2(const ResidualLevels& levels, const std::uint8_t* codes, std::size_t n_bytes,
                                        std::int8_t* to) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(levels.levels)));
  const __m256i mask = _mm256_set1_epi8((1 << kBits) - 1);
#pragma GCC unroll 4
  for (int shift = 0; shift < 8; shift += kBits, to += n_bytes)
    for (std::size_t j = 0; j < n_bytes; j += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + j));
      const __m256i indices = _mm256_and_si256(_mm256_srli_epi16(bytes, shift), mask);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + j), _mm256_shuffle_epi8(table, indices));
    }
}

template <int kBits>
LEXMAX_TARGET_AVX512 inline void row_avx512(const ResidualLevels& levels, const std::uint8_t* codes,
                                            std::size_t n_bytes, std::int8_t* to) {
  const __m512i table =
      _mm512_maskz_broadcast_i32x4(0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(levels.levels)));
  const __m512i mask = _mm512_set1_epi8((1 << kBits) - 1);
#pragma GCC unroll 4
  for (int shift = 0; shift < 8; shift += kBits, to += n_bytes)
    for (std::size_t j = 0; j < n_bytes; j += 64) {
      const __m512i bytes = _mm512_loadu_si512(codes + j);
      const __m512i indices = _mm512_and_si512(_mm512_srli_epi16(bytes, static_cast<unsigned>(shift)), mask);
      _mm512_storeu_si512(to + j, _mm512_shuffle_epi8(table, indices));
    }
}
#endif

}  // namespace decode_detail

/// Rows of n_bytes codes, one after another.
struct CodeRows {
  const std::uint8_t* codes;
  std::size_t n;
  std::size_t n_bytes;
};

/// Writes levels (n, stride), stride above planes * (n_bytes - 1), in the order of the rows: what one row writes past its
/// end, the next one overwrites. Both sides have kDecodeSlack bytes after the last row.
inline void decode_rows(PortableRaise, const ResidualLevels& levels, const CodeRows& rows, std::size_t stride,
                        std::int8_t* to) {
  for (std::size_t r = 0; r < rows.n; ++r) {
    const std::uint8_t* codes = rows.codes + r * rows.n_bytes;
    if (levels.bits == 4) decode_detail::row_portable<4>(levels, codes, rows.n_bytes, to + r * stride);
    if (levels.bits == 2) decode_detail::row_portable<2>(levels, codes, rows.n_bytes, to + r * stride);
  }
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void decode_rows(Avx2Raise, const ResidualLevels& levels, const CodeRows& rows,
                                           std::size_t stride, std::int8_t* to) {
  for (std::size_t r = 0; r < rows.n; ++r) {
    const std::uint8_t* codes = rows.codes + r * rows.n_bytes;
    if (levels.bits == 4) decode_detail::row_avx2<4>(levels, codes, rows.n_bytes, to + r * stride);
    if (levels.bits == 2) decode_detail::row_avx2<2>(levels, codes, rows.n_bytes, to + r * stride);
  }
}

LEXMAX_TARGET_AVX512 inline void decode_rows(Avx512Raise, const ResidualLevels& levels, const CodeRows& rows,
                                             std::size_t stride, std::int8_t* to) {
  for (std::size_t r = 0; r < rows.n; ++r) {
    const std::uint8_t* codes = rows.codes + r * rows.n_bytes;
    if (levels.bits == 4) decode_detail::row_avx512<4>(levels, codes, rows.n_bytes, to + r * stride);
    if (levels.bits == 2) decode_detail::row_avx512<2>(levels, codes, rows.n_bytes, to + r * stride);
  }
}
#endif

}  // namespace lexmax
