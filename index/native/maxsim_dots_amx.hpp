// Dots with AMX tiles: 32 document tokens by 32 query tokens, read where they lie in the store.
#pragma once
#include "amx_tiles.hpp"
#include "cpu_path.hpp"
#include "int8_dots.hpp"
#include "maxsim_dots.hpp"
#if LEXMAX_X86
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lexmax {

namespace tile_detail {

// In assembly because GCC's own do not say that they read memory.
template <int kTile>
LEXMAX_INLINE void load(const void* from, std::size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
LEXMAX_INLINE void store(void* to, std::size_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
LEXMAX_INLINE void clear() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
template <int kSum, int kTokens, int kQuery>
LEXMAX_INLINE void add_dots() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kTokens), "i"(kQuery));
}

}  // namespace tile_detail

class AmxDots {
 public:
  static constexpr std::size_t kRun = 128;
  using Raise = Avx512Raise;
  struct Registers : AmxTiles {
    Registers() : AmxTiles(CpuPath::amx) {}
  };

  AmxDots(const std::int8_t* query, std::size_t n_queries, std::size_t dim)
      : n_queries_(n_queries),
        dim_(dim),
        depth_(padded_depth(dim)),
        query_((n_queries + kQueryBlock - 1) / kQueryBlock * kQueryBlock * depth_),
        staged_(2 * kRows * depth_),
        dots_((kRows + kRun) * kQueryBlock) {
    const Int8Columns columns(query, n_queries, dim);
    if (n_queries > 0) std::memcpy(query_.data(), columns.lanes(0, 0), query_.size());
  }

  LEXMAX_TARGET_AMX const std::int32_t* multiply(const TokenRows& rows, std::size_t block) {
    const bool both = n_queries_ - block * kQueryBlock > kLanes;
    const std::size_t steps = (rows.n + 2 * kRows - 1) / (2 * kRows);
    const std::size_t share = (rows.ahead_bytes / steps + kLine - 1) / kLine * kLine;
    Ahead ahead{static_cast<const char*>(rows.ahead), rows.ahead_bytes, 0};
    for (std::size_t first = 0; first < rows.n; first += 2 * kRows) {
      ahead.stop += share;
      both ? pair<2>(rows, first, block, ahead) : pair<1>(rows, first, block, ahead);
    }
    return dots_.data() + kRows * kQueryBlock;
  }

 private:
  static constexpr std::size_t kRows = 16;   // of a tile
  static constexpr std::size_t kLanes = 16;  // query tokens in a tile
  static constexpr std::size_t kLine = 64;   // bytes
  static constexpr std::size_t kDotBytes = kQueryBlock * sizeof(std::int32_t);

  const std::int8_t* lanes(std::size_t block, std::size_t half) const {
    return query_.data() + (2 * block + half) * kLanes * depth_;
  }

  struct Tile {
    const std::int8_t* codes;
    std::size_t stride;
    std::int32_t* dots;
  };

  struct Ahead {
    const char* place;
    std::size_t left;
    std::size_t stop;
    // A few at a time: a burst would fill the load buffers and stop the tile loads.
    LEXMAX_INLINE void fetch(std::size_t lines) {
      for (; lines > 0 && left > 0 && stop > 0; --lines) {
        _mm_prefetch(place, _MM_HINT_T1);
        place += kLine;
        left -= std::min(left, kLine);
        stop -= kLine;
      }
    }
  };

  /// 16 rows that hold those from `first` on. A tile that would end past the run begins earlier instead, in tokens of
  /// the same document that are multiplied twice; where there are none, whatever follows in the store fills it.
  LEXMAX_INLINE Tile place(const TokenRows& rows, std::size_t first) {
    auto row = static_cast<std::ptrdiff_t>(first);
    if (rows.n - first < kRows && rows.n + rows.before >= kRows)
      row = static_cast<std::ptrdiff_t>(rows.n) - static_cast<std::ptrdiff_t>(kRows);
    const auto stride = static_cast<std::ptrdiff_t>(dim_);
    std::int32_t* dots = dots_.data() + (row + static_cast<std::ptrdiff_t>(kRows)) * kQueryBlock;
    const std::ptrdiff_t end = (row + 15) * stride + static_cast<std::ptrdiff_t>(depth_);
    if (end <= static_cast<std::ptrdiff_t>(rows.readable)) return {rows.codes + row * stride, dim_, dots};
    // Also where the last row's padding would be read past the store; the query has zeros there.
    const std::size_t n = std::min<std::size_t>(kRows, rows.n - static_cast<std::size_t>(row));
    std::int8_t* staged = staged_.data() + first / kRows % 2 * kRows * depth_;
    const std::int8_t* from = rows.codes + row * stride;
    for (std::size_t r = 0; r < n; ++r) std::memcpy(staged + r * depth_, from + r * dim_, dim_);
    return {staged, depth_, dots};
  }

  template <int kVectors>
  LEXMAX_INLINE void pair(const TokenRows& rows, std::size_t first, std::size_t block, Ahead& ahead) {
    const Tile upper = place(rows, first);
    if (rows.n - first <= kRows) return one<kVectors>(upper, block, ahead);
    two<kVectors>(upper, place(rows, first + kRows), block, ahead);
  }

  template <int kVectors>
  LEXMAX_INLINE void one(const Tile& tile, std::size_t block, Ahead& ahead) {
    using namespace tile_detail;
    clear<0>();
    if (kVectors > 1) clear<1>();
    const std::int8_t* left = lanes(block, 0);
    const std::int8_t* right = lanes(block, 1);
    for (std::size_t k = 0; k < depth_; k += kDotDepth) {
      load<4>(tile.codes + k, tile.stride);
      load<6>(left + k * kLanes, kLine);
      add_dots<0, 4, 6>();
      ahead.fetch(4);
      if (kVectors > 1) {
        load<7>(right + k * kLanes, kLine);
        add_dots<1, 4, 7>();
      }
      ahead.fetch(4);
    }
    store<0>(tile.dots, kDotBytes);
    if (kVectors > 1) store<1>(tile.dots + kLanes, kDotBytes);
  }

  template <int kVectors>
  LEXMAX_INLINE void two(const Tile& upper, const Tile& lower, std::size_t block, Ahead& ahead) {
    using namespace tile_detail;
    clear<0>();
    clear<2>();
    if (kVectors > 1) clear<1>();
    if (kVectors > 1) clear<3>();
    const std::int8_t* left = lanes(block, 0);
    const std::int8_t* right = lanes(block, 1);
    for (std::size_t k = 0; k < depth_; k += kDotDepth) {
      load<4>(upper.codes + k, upper.stride);
      load<6>(left + k * kLanes, kLine);
      add_dots<0, 4, 6>();
      ahead.fetch(4);
      load<5>(lower.codes + k, lower.stride);
      add_dots<2, 5, 6>();
      ahead.fetch(4);
      if (kVectors > 1) {
        load<7>(right + k * kLanes, kLine);
        add_dots<1, 4, 7>();
        ahead.fetch(4);
        add_dots<3, 5, 7>();
      }
      ahead.fetch(4);
    }
    store<0>(upper.dots, kDotBytes);
    store<2>(lower.dots, kDotBytes);
    if (kVectors > 1) store<1>(upper.dots + kLanes, kDotBytes);
    if (kVectors > 1) store<3>(lower.dots + kLanes, kDotBytes);
  }

  std::size_t n_queries_;
  std::size_t dim_;
  std::size_t depth_;
  Lines<std::int8_t> query_;  // [16 query tokens][4 coordinates][16][4]
  Lines<std::int8_t> staged_;
  Lines<std::int32_t> dots_;  // 16 rows of slack, then those of a run
};

}  // namespace lexmax
#endif
