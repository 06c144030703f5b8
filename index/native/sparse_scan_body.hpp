// The body of a window's scan for one path: included by sparse_scan.hpp in a namespace of each path, with
// LEXMAX_SCAN_BYTES, the width of a vector, and LEXMAX_SCAN_TARGET, the attribute of its functions.

using Codes = std::uint8_t __attribute__((vector_size(LEXMAX_SCAN_BYTES), may_alias, aligned(1)));
using Sums = std::uint16_t __attribute__((vector_size(LEXMAX_SCAN_BYTES), may_alias, aligned(1)));
inline constexpr std::size_t kLanes = LEXMAX_SCAN_BYTES / 2;
/// A dozen rows are more streams than the processor follows by itself.
inline constexpr std::size_t kAhead = 384;

/// Sums of one vector's documents: 4-bit codes 2 to a byte, bytes 2 to a 16-bit lane.
struct Four {
  Sums sums[4];
};

struct Partial {
  Sums even[2], odd[2];
};

LEXMAX_SCAN_TARGET inline Codes looked_up(const std::uint8_t* table, Codes codes) {
#if LEXMAX_SCAN_BYTES == 64
  const __m512i values = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
  return (Codes)_mm512_shuffle_epi8(values, (__m512i)codes);
#elif LEXMAX_SCAN_BYTES == 32
  const __m256i values = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
  return (Codes)_mm256_shuffle_epi8(values, (__m256i)codes);
#elif defined(__aarch64__)
  return (Codes)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)codes);
#else
  Codes values;
  for (std::size_t i = 0; i < LEXMAX_SCAN_BYTES; ++i) values[i] = table[codes[i]];
  return values;
#endif
}

/// Bit i says whether lane i is at least `least`.
LEXMAX_SCAN_TARGET inline std::uint32_t at_least(Sums sums, std::uint16_t least) {
#if LEXMAX_SCAN_BYTES == 64
  return _mm512_cmpge_epu16_mask((__m512i)sums, _mm512_set1_epi16(static_cast<short>(least)));
#elif LEXMAX_SCAN_BYTES == 32
  const __m256i bound = _mm256_set1_epi16(static_cast<short>(least));
  const __m256i passed = _mm256_cmpeq_epi16(_mm256_max_epu16((__m256i)sums, bound), (__m256i)sums);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(passed), _mm256_extracti128_si256(passed, 1));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(bytes));
#else
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kLanes; ++i) bits |= static_cast<std::uint32_t>(sums[i] >= least) << i;
  return bits;
#endif
}

/// Whether any of the four vectors has a lane of at least `least`.
LEXMAX_SCAN_TARGET inline bool any_at_least(const Four& four, std::uint16_t least) {
#if LEXMAX_SCAN_BYTES == 64
  const __m512i largest =
      _mm512_max_epu16(_mm512_max_epu16((__m512i)four.sums[0], (__m512i)four.sums[1]),
                       _mm512_max_epu16((__m512i)four.sums[2], (__m512i)four.sums[3]));
  return _mm512_cmpge_epu16_mask(largest, _mm512_set1_epi16(static_cast<short>(least))) != 0;
#elif LEXMAX_SCAN_BYTES == 32
  const __m256i largest =
      _mm256_max_epu16(_mm256_max_epu16((__m256i)four.sums[0], (__m256i)four.sums[1]),
                       _mm256_max_epu16((__m256i)four.sums[2], (__m256i)four.sums[3]));
  const __m256i bound = _mm256_set1_epi16(static_cast<short>(least));
  return _mm256_movemask_epi8(_mm256_cmpeq_epi16(_mm256_max_epu16(largest, bound), largest)) != 0;
#else
  Sums passed = (Sums)(four.sums[0] >= least) | (Sums)(four.sums[1] >= least) | (Sums)(four.sums[2] >= least) |
                (Sums)(four.sums[3] >= least);
  std::uint64_t words[LEXMAX_SCAN_BYTES / 8];
  std::memcpy(words, &passed, sizeof words);
  std::uint64_t all = 0;
  for (const std::uint64_t word : words) all |= word;
  return all != 0;
#endif
}

LEXMAX_SCAN_TARGET inline void add_half(Partial& partial, int half, const DenseRow& row, Codes codes) {
  const Sums low = (Sums)looked_up(row.low, codes);
  partial.even[half] += low;
  partial.odd[half] += low >> 8;
  if (!row.wide) return;
  const Sums high = (Sums)looked_up(row.high, codes);
  partial.even[half] += high << 8;
  partial.odd[half] += high & 0xFF00;
}

/// Adds the rows from `first` to `last` at these bytes of each row.
LEXMAX_SCAN_TARGET inline void add_rows(Four& four, const DenseRow* first, const DenseRow* last, std::size_t byte) {
  Partial partial = {};
  for (const DenseRow* row = first; row != last; ++row) {
    __builtin_prefetch(row->codes + byte + kAhead);
    const Codes both = *reinterpret_cast<const Codes*>(row->codes + byte);
    add_half(partial, 0, *row, both & 0x0F);
    add_half(partial, 1, *row, (Codes)((Sums)both >> 4) & 0x0F);
  }
  for (int half = 0; half < 2; ++half) {
    // An even byte was added together with 256 times its odd neighbour.
    four.sums[2 * half] += partial.even[half] - (partial.odd[half] << 8);
    four.sums[2 * half + 1] += partial.odd[half];
  }
}

LEXMAX_SCAN_TARGET inline void note(const Four& four, std::size_t doc, Scan& scan) {
  for (std::size_t quarter = 0; quarter < 4; ++quarter) {
    std::uint32_t bits = at_least(four.sums[quarter], static_cast<std::uint16_t>(scan.stops.back().least));
    for (; bits != 0; bits &= bits - 1) {
      const auto lane = static_cast<std::size_t>(std::countr_zero(bits));
      const std::size_t offset = doc + quarter * (kChunkDocs / 4) + lane;
      if (offset >= scan.n_docs || (scan.alive != nullptr && scan.alive[offset] == 0)) continue;
      scan.found[scan.n_found++] = {four.sums[quarter][lane], static_cast<std::uint16_t>(offset)};
    }
  }
}

/// Adds the dense rows to the sums, notes who reaches the threshold, and zeroes the sums; returns the chunk to go on
/// at, which is not the last where `found` has no room for another chunk.
LEXMAX_SCAN_TARGET inline std::size_t run(Scan& scan, std::size_t chunk) {
  for (; chunk < scan.n_chunks && scan.n_found + kChunkDocs <= scan.found.size(); ++chunk) {
    for (std::size_t part = 0; part < kChunkBytes; part += LEXMAX_SCAN_BYTES) {
      const std::size_t doc = chunk * kChunkDocs + part / 2;
      Four four;
      for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        auto* sums = reinterpret_cast<Sums*>(scan.sums + doc + quarter * (kChunkDocs / 4));
        four.sums[quarter] = *sums;
        *sums = Sums{};
      }
      const DenseRow* row = scan.rows.data();
      bool reached = true;
      for (const Stop& stop : scan.stops) {
        const DenseRow* last = scan.rows.data() + stop.row;
        if (row != last) add_rows(four, row, last, chunk * kChunkBytes + part);
        row = last;
        if (!(reached = any_at_least(four, static_cast<std::uint16_t>(stop.least)))) break;
      }
      if (reached) note(four, doc, scan);
    }
  }
  return chunk;
}
