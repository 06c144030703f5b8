// Lifts the best similarities of up to 32 query tokens by what one run of document tokens gives.
//
// Dots are integers, [token][32 query tokens]. Every float operation stands alone and in one order, so all
// instruction sets give the same bits.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu_path.hpp"

namespace lexmax {

/// Query tokens that are scored together; `best` and each token's dots have room for as many.
constexpr std::size_t kQueryBlock = 32;

/// Similarity of a token: dot * scale.
struct ScaledRun {
  const std::int32_t* dots;
  const float* scales;
  int n;
};

/// Similarity of a token: (its centroid's score + dot * ratio of the query token) * scale.
struct ResidualRun {
  const std::int32_t* dots;
  const float* scales;
  const std::uint16_t* centroids;
  const float* table;   // [centroid][table_stride]
  std::size_t table_stride;
  std::size_t n_centroids;
  const float* ratios;  // [32]
  int n;
};

namespace raise_detail {

template <class T, std::size_t kBytes>
using Register [[gnu::vector_size(kBytes)]] = T;

// Registers are passed by reference: returned by value they would warn of an ABI that no call here has.
template <class Vector>
LEXMAX_INLINE void load(Vector& value, const void* from) {
  std::memcpy(&value, from, sizeof value);
}

template <class Floats>
LEXMAX_INLINE void lift(Floats& best, const Floats& similarity) {
  best = similarity > best ? similarity : best;
}

template <class Floats>
LEXMAX_INLINE void dots_of(Floats& found, const std::int32_t* dots, int t, std::size_t lane) {
  Register<std::int32_t, sizeof(Floats)> integers;
  load(integers, dots + static_cast<std::size_t>(t) * kQueryBlock + lane);
  found = __builtin_convertvector(integers, Floats);
}

template <class Floats>
LEXMAX_INLINE void similarity(Floats& found, const ScaledRun& run, int t, std::size_t lane) {
  dots_of(found, run.dots, t, lane);
  found *= run.scales[t];
}

template <class Floats>
LEXMAX_INLINE void similarity(Floats& found, const ResidualRun& run, int t, std::size_t lane) {
  Floats ratios, centroid;
  // A damaged code names no centroid: the last one stands for it, and nothing is read outside the table.
  const std::size_t code = std::min<std::size_t>(run.centroids[t], run.n_centroids - 1);
  load(ratios, run.ratios + lane);
  load(centroid, run.table + code * run.table_stride + lane);
  dots_of(found, run.dots, t, lane);
  found = (centroid + found * ratios) * run.scales[t];
}

LEXMAX_INLINE std::int64_t square_inline(const std::int8_t* codes, std::size_t dim) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < dim; ++k) sum += codes[k] * codes[k];
  return sum;
}

// Two chains of maxima: one alone would wait for itself.
template <std::size_t kBytes, class Run>
LEXMAX_INLINE void raise(const Run& run, float* best) {
  using Floats = Register<float, kBytes>;
  constexpr std::size_t kLanes = kBytes / sizeof(float);
  for (std::size_t lane = 0; lane < kQueryBlock; lane += 2 * kLanes) {
    Floats even[2], odd[2], found;
#pragma GCC unroll 2
    for (std::size_t v = 0; v < 2; ++v) {
      load(even[v], best + lane + v * kLanes);
      odd[v] = even[v];
    }
    int t = 0;
    for (; t + 2 <= run.n; t += 2)
#pragma GCC unroll 2
      for (std::size_t v = 0; v < 2; ++v) {
        similarity(found, run, t, lane + v * kLanes);
        lift(even[v], found);
        similarity(found, run, t + 1, lane + v * kLanes);
        lift(odd[v], found);
      }
#pragma GCC unroll 2
    for (std::size_t v = 0; v < 2; ++v) {
      if (t < run.n) {
        similarity(found, run, t, lane + v * kLanes);
        lift(even[v], found);
      }
      lift(even[v], odd[v]);
      std::memcpy(best + lane + v * kLanes, &even[v], sizeof even[v]);
    }
  }
}

}  // namespace raise_detail

// One set of functions for each instruction set, because a function takes the instructions that it is declared with.
struct PortableRaise {
  template <class Run>
  static void raise(const Run& run, float* best) {
    raise_detail::raise<16>(run, best);
  }
  static std::int64_t square(const std::int8_t* codes, std::size_t dim) {
    return raise_detail::square_inline(codes, dim);
  }
};
#if LEXMAX_X86
struct Avx2Raise {
  template <class Run>
  LEXMAX_TARGET_AVX2 static void raise(const Run& run, float* best) {
    raise_detail::raise<32>(run, best);
  }
  LEXMAX_TARGET_AVX2 static std::int64_t square(const std::int8_t* codes, std::size_t dim) {
    return raise_detail::square_inline(codes, dim);
  }
};
struct Avx512Raise {
  template <class Run>
  LEXMAX_TARGET_AVX512 static void raise(const Run& run, float* best) {
    raise_detail::raise<64>(run, best);
  }
  LEXMAX_TARGET_AVX512 static std::int64_t square(const std::int8_t* codes, std::size_t dim) {
    return raise_detail::square_inline(codes, dim);
  }
};
#endif

}  // namespace lexmax
