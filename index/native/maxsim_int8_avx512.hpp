// int8 MaxSim with AVX-512 VNNI: 12 document tokens by 32 query tokens at a time, in registers.
#pragma once
#include "cpu_path.hpp"
#include "maxsim.hpp"
#if LEXMAX_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace lexmax {

class Int8Avx512Scorer {
 public:
  using Code = std::int8_t;
  static constexpr int kTile = 12;

  Int8Avx512Scorer(const std::int8_t* query, std::size_t n_queries, std::size_t dim)
      : dim_(dim),
        groups_((dim + kGroup - 1) / kGroup),
        stride_((dim + 63) / 64 * 64),
        vectors_((n_queries + kLanes - 1) / kLanes),
        query_(groups_ * vectors_ * 64),
        start_(vectors_ * kLanes),
        staged_(kTile * stride_) {
    for (std::size_t q = 0; q < n_queries; ++q) pack(query + q * dim, q);
  }

  std::size_t n_lanes() const { return vectors_ * kLanes; }

  LEXMAX_TARGET_AVX512 void raise_best(const TokenTile<Code>& tile, float* best) {
    stage(tile.codes, tile.n);
    std::size_t vector = 0;
    for (; vector + 2 <= vectors_; vector += 2) kTiles2[tile.n](*this, vector, tile, best);
    if (vector < vectors_) kTiles1[tile.n](*this, vector, tile, best);
  }

 private:
  // GCC 12 warns of uninitialised values inside its own _mm512_max_ps and _mm512_cvtepi32_ps.
  using Floats [[gnu::vector_size(64)]] = float;
  using Integers [[gnu::vector_size(64)]] = std::int32_t;

  static constexpr std::size_t kLanes = 16;  // query tokens in a register
  static constexpr std::size_t kGroup = 4;   // coordinates that one vpdpbusd multiplies

  // vpdpbusd multiplies unsigned by signed bytes, so documents carry +128 and every sum starts at
  // -128 times the sum of the query's codes.
  void pack(const std::int8_t* codes, std::size_t q) {
    const std::size_t vector = q / kLanes;
    const std::size_t lane = q % kLanes;
    for (std::size_t k = 0; k < dim_; ++k) {
      const std::size_t group = vector * groups_ + k / kGroup;
      query_[group * 64 + lane * kGroup + k % kGroup] = codes[k];
      start_[q] -= 128 * codes[k];
    }
  }

  LEXMAX_TARGET_AVX512 void stage(const std::int8_t* codes, int n) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(-128));
    for (int t = 0; t < n; ++t) {
      const std::int8_t* from = codes + t * dim_;
      std::uint8_t* to = staged_.data() + t * stride_;
      std::size_t k = 0;
      for (; k + 64 <= dim_; k += 64)
        _mm512_storeu_si512(to + k, _mm512_xor_si512(_mm512_loadu_si512(from + k), flip));
      if (k < dim_) {
        const __mmask64 mask = (std::uint64_t{1} << (dim_ - k)) - 1;
        _mm512_storeu_si512(to + k, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + k), flip));
      }
    }
  }

  // Out of line and in assembly because GCC 12 keeps the array of sums on the stack otherwise,
  // which takes four times as long.
  template <int kTokens, int kVectors>
  __attribute__((noinline)) LEXMAX_TARGET_AVX512 static void tile(const Int8Avx512Scorer& self,
                                                                  std::size_t vector,
                                                                  const TokenTile<Code>& all,
                                                                  float* best) {
    __m512i sum[kTokens][kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m512i start = _mm512_loadu_si512(self.start_.data() + (vector + v) * kLanes);
#pragma GCC unroll 12
      for (int t = 0; t < kTokens; ++t) sum[t][v] = start;
    }
    const std::int8_t* query = self.query_.data() + vector * self.groups_ * 64;
    const std::uint8_t* tokens = self.staged_.data();
    const std::size_t stride = self.stride_;
    const std::size_t next_vector = self.groups_ * 64;
    for (std::size_t g = 0; g < self.groups_; ++g, query += 64, tokens += kGroup) {
      // One at a time: a burst would fill the load buffers and stop the multiplications.
      _mm_prefetch(reinterpret_cast<const char*>(all.ahead) + g * kGroup * kTokens, _MM_HINT_T1);
      __m512i q[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) q[v] = _mm512_loadu_si512(query + v * next_vector);
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
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      float* place = best + (vector + v) * kLanes;
      Floats top;
      std::memcpy(&top, place, sizeof top);
#pragma GCC unroll 12
      for (int t = 0; t < kTokens; ++t) {
        const auto dots = reinterpret_cast<Integers>(sum[t][v]);
        const Floats similarity = __builtin_convertvector(dots, Floats) * all.scales[t];
        top = similarity > top ? similarity : top;
      }
      std::memcpy(place, &top, sizeof top);
    }
  }

  using Tile = void (*)(const Int8Avx512Scorer&, std::size_t, const TokenTile<Code>&, float*);
  struct Tiles {
    Tile by_tokens[kTile + 1];
    Tile operator[](int n) const { return by_tokens[n]; }
  };
  template <int kVectors, int... kBefore>
  static constexpr Tiles tiles(std::integer_sequence<int, kBefore...>) {
    return {{nullptr, &tile<kBefore + 1, kVectors>...}};
  }
  static const Tiles kTiles1;
  static const Tiles kTiles2;

  std::size_t dim_;
  std::size_t groups_;
  std::size_t stride_;
  std::size_t vectors_;
  std::vector<std::int8_t> query_;   // [vector][group][lane][4]
  std::vector<std::int32_t> start_;  // [vector][lane]
  std::vector<std::uint8_t> staged_;
};

inline constexpr Int8Avx512Scorer::Tiles Int8Avx512Scorer::kTiles1 =
    Int8Avx512Scorer::tiles<1>(std::make_integer_sequence<int, kTile>{});
inline constexpr Int8Avx512Scorer::Tiles Int8Avx512Scorer::kTiles2 =
    Int8Avx512Scorer::tiles<2>(std::make_integer_sequence<int, kTile>{});

}  // namespace lexmax
#endif
