// Dots with AVX-512 VNNI: 12 document tokens by 32 query tokens at a time, in registers.
#pragma once
#include "cpu_path.hpp"
#include "int8_dots.hpp"
#include "maxsim_dots.hpp"
#if LEXMAX_X86
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace lexmax {

class Avx512Dots {
 public:
  static constexpr std::size_t kRun = 48;
  using Raise = Avx512Raise;
  using Registers = NoRegisters;

  Avx512Dots(const std::int8_t* query, std::size_t n_queries, std::size_t dim)
      : n_queries_(n_queries),
        dim_(dim),
        groups_((dim + kGroup - 1) / kGroup),
        depth_(padded_depth(dim)),
        query_((n_queries + kQueryBlock - 1) / kQueryBlock * kQueryBlock * depth_),
        start_((n_queries + kQueryBlock - 1) / kQueryBlock * kQueryBlock),
        staged_(kTile * depth_),
        dots_(kRun * kQueryBlock) {
    const Int8Columns columns(query, n_queries, dim);
    if (n_queries == 0) return;
    std::memcpy(query_.data(), columns.lanes(0, 0), query_.size());
    std::memcpy(start_.data(), columns.start(0), start_.size() * sizeof(std::int32_t));
  }

  LEXMAX_TARGET_AVX512 const std::int32_t* multiply(const TokenRows& rows, std::size_t block) {
    const bool both = n_queries_ - block * kQueryBlock > kLanes;
    const std::size_t tiles = (rows.n + kTile - 1) / kTile;
    const std::size_t share = rows.ahead_bytes / (tiles * groups_) + 1;
    ahead_ = static_cast<const char*>(rows.ahead);
    for (std::size_t t = 0; t < rows.n; t += kTile) {
      const std::size_t n = std::min(kTile, rows.n - t);
      stage(rows.codes + t * dim_, n);
      std::int32_t* to = dots_.data() + t * kQueryBlock;
      (both ? kTiles2 : kTiles1)[n](*this, block, share, to);
    }
    return dots_.data();
  }

 private:
  static constexpr std::size_t kTile = 12;
  static constexpr std::size_t kLanes = 16;  // query tokens in a register
  static constexpr std::size_t kGroup = 4;   // coordinates that one vpdpbusd multiplies

  // vpdpbusd multiplies unsigned by signed bytes, so documents carry +128 and every sum starts at -128 times the
  // sum of the query's codes.
  LEXMAX_TARGET_AVX512 void stage(const std::int8_t* codes, std::size_t n) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(-128));
    for (std::size_t t = 0; t < n; ++t) {
      const std::int8_t* from = codes + t * dim_;
      std::uint8_t* to = staged_.data() + t * depth_;
      std::size_t k = 0;
      for (; k + 64 <= dim_; k += 64)
        _mm512_storeu_si512(to + k, _mm512_xor_si512(_mm512_loadu_si512(from + k), flip));
      if (k < dim_) {
        const __mmask64 mask = (std::uint64_t{1} << (dim_ - k)) - 1;
        _mm512_storeu_si512(to + k, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + k), flip));
      }
    }
  }

  // Out of line and in assembly because GCC 12 keeps the array of sums on the stack otherwise, which takes four
  // times as long.
  template <int kTokens, int kVectors>
  __attribute__((noinline)) LEXMAX_TARGET_AVX512 static void tile(Avx512Dots& self, std::size_t block,
                                                                  std::size_t share, std::int32_t* dots) {
    __m512i sum[kTokens][kVectors];
    const std::int32_t* start = self.start_.data() + block * kQueryBlock;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
#pragma GCC unroll 12
      for (int t = 0; t < kTokens; ++t) sum[t][v] = _mm512_loadu_si512(start + v * kLanes);
    const std::int8_t* left = self.query_.data() + block * kQueryBlock * self.depth_;
    const std::int8_t* right = left + kLanes * self.depth_;
    const std::uint8_t* tokens = self.staged_.data();
    const std::size_t stride = self.depth_;
    const char* ahead = self.ahead_;
    for (std::size_t g = 0; g < self.groups_; ++g, left += 64, right += 64, tokens += kGroup) {
      // One at a time: a burst would fill the load buffers and stop the multiplications.
      _mm_prefetch(ahead, _MM_HINT_T1);
      ahead += share;
      __m512i q[kVectors];
      q[0] = _mm512_loadu_si512(left);
      if constexpr (kVectors > 1) q[1] = _mm512_loadu_si512(right);
#pragma GCC unroll 12
      for (int t = 0; t < kTokens; ++t) {
        std::int32_t four;
        std::memcpy(&four, tokens + t * stride, sizeof four);
        const __m512i token = _mm512_set1_epi32(four);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v)
          asm("vpdpbusd %2, %1, %0" : "+v"(sum[t][v]) : "v"(token), "v"(q[v]));
      }
    }
    self.ahead_ = ahead;
#pragma GCC unroll 12
    for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v)
        _mm512_storeu_si512(dots + t * kQueryBlock + v * kLanes, sum[t][v]);
  }

  using Tile = void (*)(Avx512Dots&, std::size_t, std::size_t, std::int32_t*);
  struct Tiles {
    Tile by_tokens[kTile + 1];
    Tile operator[](std::size_t n) const { return by_tokens[n]; }
  };
  template <int kVectors, int... kBefore>
  static constexpr Tiles tiles(std::integer_sequence<int, kBefore...>) {
    return {{nullptr, &tile<kBefore + 1, kVectors>...}};
  }
  static const Tiles kTiles1;
  static const Tiles kTiles2;

  std::size_t n_queries_;
  std::size_t dim_;
  std::size_t groups_;
  std::size_t depth_;
  Lines<std::int8_t> query_;    // [16 query tokens][4 coordinates][16][4]
  Lines<std::int32_t> start_;   // [query token]
  Lines<std::uint8_t> staged_;
  Lines<std::int32_t> dots_;
  const char* ahead_ = nullptr;
};

inline constexpr Avx512Dots::Tiles Avx512Dots::kTiles1 =
    Avx512Dots::tiles<1>(std::make_integer_sequence<int, Avx512Dots::kTile>{});
inline constexpr Avx512Dots::Tiles Avx512Dots::kTiles2 =
    Avx512Dots::tiles<2>(std::make_integer_sequence<int, Avx512Dots::kTile>{});

}  // namespace lexmax
#endif
