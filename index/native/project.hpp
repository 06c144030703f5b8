// Rows times a matrix, in float32, with the same bits for a row whatever its neighbours, the number
// of threads and the instructions: every sum runs over the depth in order, one product at a time
// (built without contraction). A library's matrix product promises none of that.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "cpu_path.hpp"

namespace lexmax {

using Lanes4 [[gnu::vector_size(16)]] = float;
using Lanes8 [[gnu::vector_size(32)]] = float;
using Lanes16 [[gnu::vector_size(64)]] = float;

/// Columns come in multiples of the widest register.
constexpr std::size_t kLanes = 16;
constexpr std::size_t lanes_for(std::size_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

/// rows (n, depth) and out (n, columns); weights (depth, columns), columns a multiple of kLanes.
struct Projection {
  const float* rows;
  std::size_t n;
  std::size_t depth;
  const float* weights;
  std::size_t columns;
  float* out;
};

namespace project_detail {

// Weights of one block of the depth stay in the second-level cache while all rows pass.
constexpr std::size_t kDepthBlock = 512;

template <class Lanes, int kRows, int kVectors>
LEXMAX_INLINE void tile(const Projection& p, std::size_t row, std::size_t column, std::size_t begin,
                        std::size_t end) {
  constexpr std::size_t kWidth = sizeof(Lanes) / sizeof(float);
  Lanes sum[kRows][kVectors];
  float* out = p.out + row * p.columns + column;
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      std::memcpy(&sum[r][v], out + r * p.columns + v * kWidth, sizeof(Lanes));
  const float* x = p.rows + row * p.depth;
  for (std::size_t k = begin; k < end; ++k) {
    // Encodings of queries are mostly zeros; adding 0 * w changes no bit of a finite sum.
    if (kRows == 1 && x[k] == 0.0F) continue;
    Lanes weight[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      std::memcpy(&weight[v], p.weights + k * p.columns + column + v * kWidth, sizeof(Lanes));
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] += x[r * p.depth + k] * weight[v];
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      std::memcpy(out + r * p.columns + v * kWidth, &sum[r][v], sizeof(Lanes));
}

template <class Lanes, int kRows, int kVectors>
LEXMAX_INLINE void column_group(const Projection& p, std::size_t column, std::size_t begin,
                                std::size_t end) {
  std::size_t row = 0;
  for (; row + kRows <= p.n; row += kRows) tile<Lanes, kRows, kVectors>(p, row, column, begin, end);
  const std::size_t left = p.n - row;
  if (kRows > 4 && left == 5) return tile<Lanes, 5, kVectors>(p, row, column, begin, end);
  if (kRows > 3 && left == 4) return tile<Lanes, 4, kVectors>(p, row, column, begin, end);
  if (kRows > 2 && left == 3) return tile<Lanes, 3, kVectors>(p, row, column, begin, end);
  if (kRows > 1 && left == 2) return tile<Lanes, 2, kVectors>(p, row, column, begin, end);
  if (left == 1) tile<Lanes, 1, kVectors>(p, row, column, begin, end);
}

template <class Lanes, int kRows, int kVectors>
LEXMAX_INLINE void run(const Projection& p) {
  constexpr std::size_t kWidth = sizeof(Lanes) / sizeof(float);
  std::fill(p.out, p.out + p.n * p.columns, 0.0F);
  for (std::size_t begin = 0; begin < p.depth; begin += kDepthBlock) {
    const std::size_t end = std::min(p.depth, begin + kDepthBlock);
    std::size_t column = 0;
    if (p.n == 1)  // long runs of one row of weights, for the prefetcher
      for (; column + 8 * kWidth <= p.columns; column += 8 * kWidth)
        tile<Lanes, 1, 8>(p, 0, column, begin, end);
    for (; column + kVectors * kWidth <= p.columns; column += kVectors * kWidth)
      column_group<Lanes, kRows, kVectors>(p, column, begin, end);
    const std::size_t left = (p.columns - column) / kWidth;
    if (kVectors > 3 && left == 3) column_group<Lanes, kRows, 3>(p, column, begin, end);
    if (kVectors > 2 && left == 2) column_group<Lanes, kRows, 2>(p, column, begin, end);
    if (kVectors > 1 && left == 1) column_group<Lanes, kRows, 1>(p, column, begin, end);
  }
}

}  // namespace project_detail

// Rows and vectors of a tile fill the registers of each instruction set.
inline void project_portable(const Projection& p) { project_detail::run<Lanes4, 4, 2>(p); }
#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void project_avx2(const Projection& p) {
  project_detail::run<Lanes8, 6, 2>(p);
}
LEXMAX_TARGET_AVX512 inline void project_avx512(const Projection& p) {
  project_detail::run<Lanes16, 6, 4>(p);
}
#endif

inline void project(const Projection& p, CpuPath path) {
#if LEXMAX_X86
  if (path == CpuPath::avx512) return project_avx512(p);
  if (path == CpuPath::avx2) return project_avx2(p);
#endif
  (void)path;
  project_portable(p);
}

}  // namespace lexmax
