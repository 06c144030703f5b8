// Rows times a matrix, in float32, with the same bits for a row whatever its neighbours and the number of threads:
// every sum runs over the depth in order. A library's matrix product promises neither.
//
// Processors that multiply and add in one instruction round once, others (x86 before AVX2) twice: they alone give
// other last bits.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cpu_path.hpp"

#if LEXMAX_X86
#include <immintrin.h>
#define LEXMAX_TARGET_FMA __attribute__((target("avx2,fma,f16c")))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lexmax {

/// Columns come in multiples of the widest register.
constexpr std::size_t kLanes = 16;
constexpr std::size_t lanes_for(std::size_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

/// rows (n, depth) and out (n, columns); weights (depth, columns), float or the bits of halves,
/// columns a multiple of kLanes.
template <class Weight>
struct ProjectionOf {
  const float* rows;
  std::size_t n;
  std::size_t depth;
  const Weight* weights;
  std::size_t columns;
  float* out;
};
using Projection = ProjectionOf<float>;
using HalfProjection = ProjectionOf<std::uint16_t>;

namespace project_detail {

// One panel of weights, a block of the depth, stays in the second-level cache while all rows pass.
constexpr std::size_t kDepthBlock = 512;
// Fewer rows pass one by one, which skips their zeros: encodings of queries are mostly zeros.
constexpr std::size_t kFewRows = 4;
// Coordinates whose weights are fetched ahead, and those that pass before the next columns: a row of weights is long.
constexpr std::size_t kAhead = 16;
constexpr std::size_t kPlaces = 64;

inline float to_float(std::uint16_t half) {
  // Shifting the exponent into place leaves it 112 too small; the product mends it, subnormals too.
  const auto magnitude = std::bit_cast<float>(static_cast<std::uint32_t>(half & 0x7FFF) << 13) * 0x1p112F;
  const std::uint32_t infinite = (half & 0x7C00) == 0x7C00 ? 0x7F800000U : 0U;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | infinite | sign);
}

/// Writes the places of the numbers that are not zero; returns how many there are.
inline std::size_t find_not_zero(const float* row, std::size_t depth, std::uint32_t* places) {
  std::size_t n = 0;
  for (std::size_t k = 0; k < depth; ++k) {
    places[n] = static_cast<std::uint32_t>(k);
    n += row[k] != 0.0F;
  }
  return n;
}

namespace portable {
#define LEXMAX_PROJECT_BYTES 16
#define LEXMAX_PROJECT_TARGET
#include "project_body.hpp"
#undef LEXMAX_PROJECT_BYTES
#undef LEXMAX_PROJECT_TARGET
}  // namespace portable

#if LEXMAX_X86
namespace avx2 {
#define LEXMAX_PROJECT_BYTES 32
#define LEXMAX_PROJECT_TARGET LEXMAX_TARGET_FMA
#include "project_body.hpp"
#undef LEXMAX_PROJECT_BYTES
#undef LEXMAX_PROJECT_TARGET
}  // namespace avx2

namespace avx512 {
#define LEXMAX_PROJECT_BYTES 64
#define LEXMAX_PROJECT_TARGET LEXMAX_TARGET_AVX512
#include "project_body.hpp"
#undef LEXMAX_PROJECT_BYTES
#undef LEXMAX_PROJECT_TARGET
}  // namespace avx512
#endif

template <class Weight>
void project(const ProjectionOf<Weight>& p, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return avx512::run(p);
  if (path == CpuPath::avx2 && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) return avx2::run(p);
#endif
  (void)path;
  portable::run(p);
}

}  // namespace project_detail

inline void project(const Projection& p, CpuPath path) { project_detail::project(p, path); }

inline void project_halves(const HalfProjection& p, CpuPath path) { project_detail::project(p, path); }

}  // namespace lexmax
