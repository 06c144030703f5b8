// Inner products of int8 rows with int8 columns, 32 by 32 at a time: exact integers, the same on every path.
//
// Columns are packed once as vpdpbusd and AMX read them, [16 columns][4 coordinates][16 lanes][4]; rows are copied to
// a padded block, which stays in the first-level cache while all columns pass.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "amx_tiles.hpp"
#include "cpu_path.hpp"
#if LEXMAX_X86
#include <immintrin.h>
#endif

namespace lexmax {

constexpr std::size_t kDotRows = 32;
constexpr std::size_t kDotColumns = 32;
constexpr std::size_t kDotLanes = 16;
/// Coordinates are padded to a multiple: one row of an AMX tile.
constexpr std::size_t kDotDepth = 64;

constexpr std::size_t padded_depth(std::size_t dim) { return (dim + kDotDepth - 1) / kDotDepth * kDotDepth; }

/// Rows of `codes` (n, dim), named by `order` if it is not null, as columns of a product.
class Int8Columns {
 public:
  Int8Columns() = default;
  Int8Columns(const std::int8_t* codes, std::size_t n, std::size_t dim, const std::uint32_t* order = nullptr)
      : n_(n), depth_(padded_depth(dim)), blocks_((n + kDotColumns - 1) / kDotColumns) {
    data_.assign(blocks_ * kDotColumns * depth_, 0);
    start_.assign(blocks_ * kDotColumns, 0);
    for (std::size_t c = 0; c < n; ++c) pack(codes + (order ? order[c] : c) * dim, dim, c);
  }

  std::size_t n() const { return n_; }
  std::size_t depth() const { return depth_; }
  /// Groups of kDotColumns, the last one padded with zeros.
  std::size_t blocks() const { return blocks_; }
  /// 16 columns, `half` 0 or 1 of a block.
  const std::int8_t* lanes(std::size_t block, std::size_t half) const {
    return data_.data() + (2 * block + half) * kDotLanes * depth_;
  }
  /// Where sums begin if rows carry +128: -128 times the sum of a column.
  const std::int32_t* start(std::size_t block) const { return start_.data() + block * kDotColumns; }

 private:
  void pack(const std::int8_t* codes, std::size_t dim, std::size_t column) {
    std::int8_t* to = data_.data() + column / kDotLanes * kDotLanes * depth_ + column % kDotLanes * 4;
    for (std::size_t k = 0; k < dim; ++k) {
      to[k / 4 * 64 + k % 4] = codes[k];
      start_[column] -= 128 * codes[k];
    }
  }

  std::size_t n_ = 0;
  std::size_t depth_ = 0;
  std::size_t blocks_ = 0;
  std::vector<std::int8_t> data_;
  std::vector<std::int32_t> start_;
};

namespace dots_detail {

#if LEXMAX_X86
inline __attribute__((target("avx512f,avx512bw,amx-tile,amx-int8"))) void amx(const std::int8_t* rows, std::size_t depth,
                                                                             const Int8Columns& columns,
                                                                             std::size_t block, std::int32_t* out) {
  const std::int8_t* left = columns.lanes(block, 0);
  const std::int8_t* right = columns.lanes(block, 1);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t k = 0; k < depth; k += kDotDepth) {
    _tile_loadd(4, rows + k, depth);
    _tile_loadd(6, left + k * kDotLanes, 64);
    _tile_loadd(7, right + k * kDotLanes, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_loadd(5, rows + 16 * depth + k, depth);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  constexpr std::size_t kStride = kDotColumns * sizeof(std::int32_t);
  _tile_stored(0, out, kStride);
  _tile_stored(1, out + kDotLanes, kStride);
  _tile_stored(2, out + 16 * kDotColumns, kStride);
  _tile_stored(3, out + 16 * kDotColumns + kDotLanes, kStride);
}

// In assembly because GCC 12 keeps an array of sums on the stack otherwise, which takes four times as long.
template <int kRows>
__attribute__((noinline)) LEXMAX_TARGET_AVX512 void vnni_tile(const std::uint8_t* rows, std::size_t depth,
                                                              const Int8Columns& columns, std::size_t block,
                                                              std::int32_t* out) {
  __m512i sum[kRows][2];
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    const __m512i start = _mm512_loadu_si512(columns.start(block) + v * kDotLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) sum[r][v] = start;
  }
  const std::int8_t* left = columns.lanes(block, 0);
  const std::int8_t* right = columns.lanes(block, 1);
  for (std::size_t k = 0; k < depth; k += 4) {
    const __m512i column[2] = {_mm512_loadu_si512(left + k * kDotLanes), _mm512_loadu_si512(right + k * kDotLanes)};
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      std::int32_t four;
      std::memcpy(&four, rows + r * depth + k, sizeof four);
      const __m512i row = _mm512_set1_epi32(four);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) asm("vpdpbusd %2, %1, %0" : "+v"(sum[r][v]) : "v"(row), "v"(column[v]));
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) _mm512_storeu_si512(out + r * kDotColumns + v * kDotLanes, sum[r][v]);
}

inline void vnni(const std::uint8_t* rows, std::size_t depth, const Int8Columns& columns, std::size_t block,
                 std::int32_t* out) {
  for (std::size_t r = 0; r < 24; r += 12) vnni_tile<12>(rows + r * depth, depth, columns, block, out + r * kDotColumns);
  vnni_tile<8>(rows + 24 * depth, depth, columns, block, out + 24 * kDotColumns);
}

// Pairs of coordinates are summed by vpmaddwd; a lane's two pairs meet at the end.
LEXMAX_TARGET_AVX2 inline void avx2_lanes(const std::int8_t* row, std::size_t depth, const std::int8_t* lanes,
                                          std::int32_t* out) {
  __m256i sum[4] = {};
  for (std::size_t k = 0; k < depth; k += 4) {
    std::int32_t four;
    std::memcpy(&four, row + k, sizeof four);
    const __m256i wide = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const auto* from = reinterpret_cast<const __m128i*>(lanes + k * kDotLanes + v * 16);
      sum[v] = _mm256_add_epi32(sum[v], _mm256_madd_epi16(wide, _mm256_cvtepi8_epi16(_mm_loadu_si128(from))));
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    const __m256i pairs = _mm256_hadd_epi32(sum[2 * v], sum[2 * v + 1]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * v), _mm256_permute4x64_epi64(pairs, 0xD8));
  }
}

LEXMAX_TARGET_AVX2 inline void avx2(const std::int8_t* rows, std::size_t depth, const Int8Columns& columns,
                                    std::size_t block, std::int32_t* out) {
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t r = 0; r < kDotRows; ++r)
      avx2_lanes(rows + r * depth, depth, columns.lanes(block, half), out + r * kDotColumns + half * kDotLanes);
}
#endif

// Sums of four coordinates a lane stay apart until the end: a loop that every compiler turns into vectors.
inline void portable_lanes(const std::int8_t* row, std::size_t depth, const std::int8_t* lanes, std::int32_t* out) {
  constexpr std::size_t kFours = 4 * kDotLanes;
  std::int32_t sum[kFours] = {};
  std::int16_t repeated[kFours];
  for (std::size_t k = 0; k < depth; k += 4) {
    for (std::size_t i = 0; i < kFours; ++i) repeated[i] = row[k + i % 4];
    for (std::size_t i = 0; i < kFours; ++i) sum[i] += static_cast<std::int16_t>(repeated[i] * lanes[k * kDotLanes + i]);
  }
  for (std::size_t lane = 0; lane < kDotLanes; ++lane)
    out[lane] = sum[4 * lane] + sum[4 * lane + 1] + sum[4 * lane + 2] + sum[4 * lane + 3];
}

inline void portable(const std::int8_t* rows, std::size_t depth, const Int8Columns& columns, std::size_t block,
                     std::int32_t* out) {
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t r = 0; r < kDotRows; ++r)
      portable_lanes(rows + r * depth, depth, columns.lanes(block, half), out + r * kDotColumns + half * kDotLanes);
}

}  // namespace dots_detail

/// Multiplies a block of at most 32 rows with packed columns. One a thread: it holds the thread's tiles.
class Int8Dots {
 public:
  Int8Dots(std::size_t dim, CpuPath path)
      : dim_(dim), depth_(padded_depth(dim)), path_(path), tiles_(path), rows_(kDotRows * depth_) {}

  /// Takes row `r` of the block; those that are not given keep what they had.
  void set_row(std::size_t r, const std::int8_t* codes) {
    std::uint8_t* to = rows_.data() + r * depth_;
    const std::size_t dim = dim_;
    std::memcpy(to, codes, dim);
    if (offset())
      for (std::size_t k = 0; k < dim; ++k) to[k] ^= 0x80;
  }

  /// out (32, 32): products of the rows with the columns of a block.
  void multiply(const Int8Columns& columns, std::size_t block, std::int32_t* out) const {
    const auto* rows = reinterpret_cast<const std::int8_t*>(rows_.data());
#if LEXMAX_X86
    if (path_ == CpuPath::amx) return dots_detail::amx(rows, depth_, columns, block, out);
    if (path_ == CpuPath::avx512) return dots_detail::vnni(rows_.data(), depth_, columns, block, out);
    if (path_ == CpuPath::avx2) return dots_detail::avx2(rows, depth_, columns, block, out);
#endif
    dots_detail::portable(rows, depth_, columns, block, out);
  }

 private:
  // vpdpbusd multiplies unsigned by signed bytes.
  bool offset() const { return path_ == CpuPath::avx512; }

  std::size_t dim_;
  std::size_t depth_;
  CpuPath path_;
  AmxTiles tiles_;
  std::vector<std::uint8_t> rows_;
};

}  // namespace lexmax
