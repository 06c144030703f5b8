// Which documents of a window reach the threshold? Dense rows are added to the sums of the sparse lists, 128
// documents at a time; a chunk is left as soon as its rows that remain cannot lift it over the threshold.
//
// A dense row has a 4-bit code for every document of its window. In a chunk of 64 bytes, document i (of 128) has the
// low half of byte 2i if i < 32, of byte 2(i - 32) + 1 if i < 64, and the high halves alike from 64 on: so a table
// look-up of 16 contributions (Andre et al., "Cache locality is not enough", VLDB 2015) gives sums in document order.
#pragma once
#include <bit>
#include <cstring>

#include "cpu_path.hpp"
#include "sparse_segment.hpp"

#if LEXMAX_X86
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lexmax::sparse {

struct DenseRow {
  const std::uint8_t* codes;
  /// Contributions of the 16 codes, low and high byte; `wide` says whether a high byte is not 0.
  alignas(16) std::uint8_t low[kCodes];
  alignas(16) std::uint8_t high[kCodes];
  bool wide;
  std::uint32_t largest;
};

/// After the rows before `row`, only sums of at least `least` can reach the threshold.
struct Stop {
  std::size_t row;
  std::uint32_t least;
};

struct Found {
  std::uint16_t sum, offset;
};

struct Scan {
  std::uint16_t* sums;
  std::size_t n_chunks, n_docs;
  const std::uint8_t* alive;
  std::span<const DenseRow> rows;
  std::span<const Stop> stops;
  std::span<Found> found;
  std::size_t n_found;
};

namespace scan_portable {
#define LEXMAX_SCAN_BYTES 16
#define LEXMAX_SCAN_TARGET
#include "sparse_scan_body.hpp"
#undef LEXMAX_SCAN_BYTES
#undef LEXMAX_SCAN_TARGET
}  // namespace scan_portable

#if LEXMAX_X86
namespace scan_avx2 {
#define LEXMAX_SCAN_BYTES 32
#define LEXMAX_SCAN_TARGET LEXMAX_TARGET_AVX2
#include "sparse_scan_body.hpp"
#undef LEXMAX_SCAN_BYTES
#undef LEXMAX_SCAN_TARGET
}  // namespace scan_avx2

namespace scan_avx512 {
#define LEXMAX_SCAN_BYTES 64
#define LEXMAX_SCAN_TARGET LEXMAX_TARGET_AVX512
#include "sparse_scan_body.hpp"
#undef LEXMAX_SCAN_BYTES
#undef LEXMAX_SCAN_TARGET
}  // namespace scan_avx512
#endif

using ScanKernel = std::size_t (*)(Scan&, std::size_t);

inline ScanKernel scan_kernel(CpuPath path) {
#if LEXMAX_X86
  if (path == CpuPath::avx512) return scan_avx512::run;
  if (path == CpuPath::avx2) return scan_avx2::run;
#endif
  (void)path;
  return scan_portable::run;
}

}  // namespace lexmax::sparse
