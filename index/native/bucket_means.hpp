// Sums or means of the rows that share a slot, each added in order, so that a slot's bits depend on
// its own rows only.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu_path.hpp"

namespace lexmax {

/// rows (n, dim); slot_of_row (n,) below n_slots; sums (n_slots, dim).
/// counts (n_slots,), each at least 1, divide the sums; null leaves them undivided.
struct Buckets {
  const float* rows;
  std::size_t n;
  std::size_t dim;
  const std::uint32_t* slot_of_row;
  const std::uint32_t* counts;
  std::size_t n_slots;
  float* sums;
};

LEXMAX_INLINE void fill_buckets_inline(const Buckets& b) {
  std::fill(b.sums, b.sums + b.n_slots * b.dim, 0.0F);
  for (std::size_t i = 0; i < b.n; ++i) {
    float* sum = b.sums + b.slot_of_row[i] * b.dim;
    const float* row = b.rows + i * b.dim;
    for (std::size_t k = 0; k < b.dim; ++k) sum[k] += row[k];
  }
  if (!b.counts) return;
  for (std::size_t slot = 0; slot < b.n_slots; ++slot) {
    float* sum = b.sums + slot * b.dim;
    const auto count = static_cast<float>(b.counts[slot]);
    for (std::size_t k = 0; k < b.dim; ++k) sum[k] /= count;
  }
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void fill_buckets_avx2(const Buckets& b) { fill_buckets_inline(b); }
LEXMAX_TARGET_AVX512 inline void fill_buckets_avx512(const Buckets& b) { fill_buckets_inline(b); }
#endif

inline void fill_buckets(const Buckets& b, CpuPath path) {
#if LEXMAX_X86
  if (path == CpuPath::avx512) return fill_buckets_avx512(b);
  if (path == CpuPath::avx2) return fill_buckets_avx2(b);
#endif
  (void)path;
  fill_buckets_inline(b);
}

}  // namespace lexmax
