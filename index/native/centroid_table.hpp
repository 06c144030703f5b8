// How near is each centroid to each query token? A table of bytes, small enough for the second-level cache.
//
// A byte counts steps above what the mean centroid gives: (similarity - low[q]) / step, from 0 to 255. The step is the
// same for all query tokens, so bytes can be added and compared.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "centroid_assign.hpp"

namespace lexmax {

/// Query tokens in a row of the table come in multiples.
constexpr std::size_t kTableLanes = 32;
constexpr std::size_t table_width(std::size_t n_queries) {
  return (n_queries + kTableLanes - 1) / kTableLanes * kTableLanes;
}

namespace table_detail {

struct Block {
  const std::int32_t* dots;   // [row][32]
  const float* row_scales;    // of the centroids
  const float* column_scale;  // of the query tokens, over the step
  const float* low;           // of the query tokens, over the step
  std::size_t rows;
  std::uint8_t* out;
  std::size_t stride;
};

LEXMAX_INLINE void quantise_inline(const Block& b) {
  for (std::size_t r = 0; r < b.rows; ++r) {
    const std::int32_t* __restrict dots = b.dots + r * kDotColumns;
    std::uint8_t* __restrict out = b.out + r * b.stride;
    const float scale = b.row_scales[r];
    for (std::size_t c = 0; c < kDotColumns; ++c) {
      float steps = static_cast<float>(dots[c]) * scale * b.column_scale[c] - b.low[c] + 0.5F;
      steps = steps > 0.0F ? steps : 0.0F;
      steps = steps < 255.0F ? steps : 255.0F;
      out[c] = static_cast<std::uint8_t>(static_cast<std::int32_t>(steps));
    }
  }
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void quantise_avx2(const Block& b) { quantise_inline(b); }
LEXMAX_TARGET_AVX512 inline void quantise_avx512(const Block& b) {
  for (std::size_t r = 0; r < b.rows; ++r)
#pragma GCC unroll 2
    for (std::size_t half = 0; half < kDotColumns; half += kDotLanes) {
      const auto dots = reinterpret_cast<Integers16>(_mm512_loadu_si512(b.dots + r * kDotColumns + half));
      const Floats16 similarity = __builtin_convertvector(dots, Floats16) * b.row_scales[r];
      Floats16 scale, low;
      std::memcpy(&scale, b.column_scale + half, sizeof scale);
      std::memcpy(&low, b.low + half, sizeof low);
      Floats16 steps = similarity * scale - low + 0.5F;
      steps = steps > 0.0F ? steps : Floats16{};
      // Saturates at 255 while it narrows.
      const auto whole = reinterpret_cast<__m512i>(__builtin_convertvector(steps, Integers16));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(b.out + r * b.stride + half),
                       _mm512_mask_cvtusepi32_epi8(_mm_setzero_si128(), 0xFFFF, whole));
    }
}
#endif

inline void quantise(const Block& b, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return quantise_avx512(b);
  if (path == CpuPath::avx2) return quantise_avx2(b);
#endif
  (void)path;
  quantise_inline(b);
}

}  // namespace table_detail

/// Writes out (n_centroids, table_width(queries.n)); lanes past the last query token are 0.
/// `low` (queries.n,) and `step` say what a byte stands for.
inline void centroid_table(const Int8Rows& centroids, const Int8Rows& queries, const float* low, float step,
                           CpuPath path, std::uint8_t* out) {
  const std::size_t width = table_width(queries.n);
  const Int8Columns columns(queries.codes, queries.n, queries.dim);
  std::vector<float> scale(width, 0.0F);
  std::vector<float> floor(width, 0.5F);
  for (std::size_t q = 0; q < queries.n; ++q) {
    scale[q] = queries.scales[q] / step;
    floor[q] = low[q] / step;
  }
  Int8Dots dots(centroids.dim, path);
  alignas(64) std::int32_t products[kDotRows * kDotColumns];
  for (std::size_t begin = 0; begin < centroids.n; begin += kDotRows) {
    const std::size_t rows = std::min(kDotRows, centroids.n - begin);
    for (std::size_t r = 0; r < rows; ++r) dots.set_row(r, centroids.row(begin + r));
    for (std::size_t block = 0; block < columns.blocks(); ++block) {
      dots.multiply(columns, block, products);
      const std::size_t first = block * kDotColumns;
      table_detail::quantise({products, centroids.scales + begin, scale.data() + first, floor.data() + first, rows,
                              out + begin * width + first, width},
                             path);
    }
  }
}

}  // namespace lexmax
