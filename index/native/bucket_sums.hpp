// Sums of the rows that share a slot, each added in order, so that a slot's bits depend on its own rows only.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu_path.hpp"

namespace lexmax {

/// rows (n, dim); slot_of_row (n,) below n_slots; sums (n_slots, dim).
struct Buckets {
  const float* rows;
  std::size_t n;
  std::size_t dim;
  const std::uint32_t* slot_of_row;
  std::size_t n_slots;
  float* sums;
};

namespace bucket_detail {

LEXMAX_INLINE void sum_buckets(const Buckets& b) {
  std::fill(b.sums, b.sums + b.n_slots * b.dim, 0.0F);
  const std::size_t dim = b.dim;
  for (std::size_t i = 0; i < b.n; ++i) {
    float* __restrict sum = b.sums + b.slot_of_row[i] * dim;
    const float* __restrict row = b.rows + i * dim;
    for (std::size_t k = 0; k < dim; ++k) sum[k] += row[k];
  }
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void avx2(const Buckets& b) { sum_buckets(b); }
LEXMAX_TARGET_AVX512 inline void avx512(const Buckets& b) { sum_buckets(b); }
#endif

}  // namespace bucket_detail

inline void sum_buckets(const Buckets& b, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return bucket_detail::avx512(b);
  if (path == CpuPath::avx2) return bucket_detail::avx2(b);
#endif
  (void)path;
  bucket_detail::sum_buckets(b);
}

}  // namespace lexmax
