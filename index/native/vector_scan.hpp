// Inner products of one coded vector with many: bytes (each vector with a scale), or signs alone
// (Charikar 2002), whose product is dim - 2 * the number of bits that differ.
// Numpy twin: lexmax.index.oracle_vector_scan. Sums are of integers, so every path gives one result.
#pragma once
#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "best_n.hpp"
#include "cpu_path.hpp"
#include "parallel.hpp"
#if LEXMAX_X86
#include <immintrin.h>
#endif

#if LEXMAX_X86
#define LEXMAX_TARGET_POPCNT __attribute__((target("popcnt")))
#define LEXMAX_TARGET_VPOPCNT __attribute__((target("avx512f,avx512bw,avx512vpopcntdq")))
#endif

namespace lexmax {

/// Codes (n, width) one vector after another, and a scale for each.
template <class Code>
struct CodedVectors {
  const Code* codes;
  const float* scales;
  std::size_t n;
  std::size_t width;
};

/// `n` ordinals: a list of them, or, where that is null, those from `first` on.
struct SomeOrdinals {
  const std::int64_t* list;
  std::int64_t first;
  std::size_t n;
  std::int64_t operator[](std::size_t i) const {
    return list ? list[i] : first + static_cast<std::int64_t>(i);
  }
  /// Those from place `begin` to `end`.
  SomeOrdinals part(std::size_t begin, std::size_t end) const {
    return {list ? list + begin : nullptr, first + static_cast<std::int64_t>(begin), end - begin};
  }
};

#if LEXMAX_X86
namespace scan_detail {

/// The sums of each of four registers.
__attribute__((target("avx512f"))) LEXMAX_INLINE __m128i four_sums(__m512i a, __m512i b, __m512i c,
                                                                   __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

}  // namespace scan_detail
#endif

/// Knows one query and the vectors. Ordinals must be below n().
template <class Scorer>
concept VectorScorer = requires(const Scorer& scorer, const SomeOrdinals& some, float* out) {
  { scorer.n() } -> std::same_as<std::size_t>;
  { scorer.score(some, out) } -> std::same_as<void>;
};

/// Products of bytes. The sums of 127 * 127 a coordinate must fit 32 bits.
class ByteScorer {
 public:
  ByteScorer(const CodedVectors<std::int8_t>& vectors, const std::int8_t* query, CpuPath path)
      : vectors_(vectors), path_(path), query_((vectors.width + 63) / 64 * 64), wide_(query_.size()) {
    std::copy_n(query, vectors.width, query_.begin());
    std::copy_n(query, vectors.width, wide_.begin());
    for (std::size_t k = 0; k < vectors.width; ++k) start_ -= 128 * query[k];
  }

  std::size_t n() const { return vectors_.n; }

  void score(const SomeOrdinals& some, float* out) const {
    constexpr std::size_t kAtOnce = 256;
    std::int32_t each[kAtOnce];
    for (std::size_t begin = 0; begin < some.n; begin += kAtOnce) {
      const SomeOrdinals part = some.part(begin, std::min(some.n, begin + kAtOnce));
      dots(part, each);
      for (std::size_t i = 0; i < part.n; ++i)
        out[begin + i] = static_cast<float>(each[i]) * vectors_.scales[part[i]];
    }
  }

  /// The sums alone, which no scale multiplies.
  void dots(const SomeOrdinals& some, std::int32_t* out) const {
#if LEXMAX_X86
    if (path_ >= CpuPath::avx512) return dots_avx512(some, out);
    if (path_ == CpuPath::avx2) return dots_avx2(some, out);
#endif
    dots_widened(some, out);
  }

 private:
  // Vectors that are gathered lie anywhere: their first lines are asked for while others multiply.
  LEXMAX_INLINE void prefetch(const SomeOrdinals& some, std::size_t i) const {
    constexpr std::size_t kAhead = 4, kLines = 8;
    if (!some.list || i + kAhead >= some.n) return;
    const std::int8_t* row = vectors_.codes + some[i + kAhead] * vectors_.width;
    for (std::size_t k = 0; k < std::min(vectors_.width, kLines * 64); k += 64)
      __builtin_prefetch(row + k);
    __builtin_prefetch(vectors_.scales + some[i + kAhead]);
  }

  LEXMAX_INLINE void dots_widened(const SomeOrdinals& some, std::int32_t* out) const {
    for (std::size_t i = 0; i < some.n; ++i) {
      prefetch(some, i);
      const std::int8_t* row = vectors_.codes + some[i] * vectors_.width;
      std::int32_t dot = 0;
      for (std::size_t k = 0; k < vectors_.width; ++k) dot += wide_[k] * row[k];
      out[i] = dot;
    }
  }

#if LEXMAX_X86
  LEXMAX_TARGET_AVX2 void dots_avx2(const SomeOrdinals& some, std::int32_t* out) const {
    dots_widened(some, out);
  }

  // vpdpbusd multiplies unsigned by signed bytes, so vectors carry +128 and every sum starts at
  // -128 times the sum of the query's codes. Four rows at a time share the loads of the query and
  // the additions across a register.
  LEXMAX_TARGET_AVX512 void dots_avx512(const SomeOrdinals& some, std::int32_t* out) const {
    std::size_t i = 0;
    for (; i + 4 <= some.n; i += 4) {
      for (std::size_t r = 0; r < 4; ++r) prefetch(some, i + r);
      const __m128i dots = dots_of(row(some[i]), row(some[i + 1]), row(some[i + 2]), row(some[i + 3]));
      write(dots, 4, out + i);
    }
    if (i == some.n) return;
    const std::int8_t* last = row(some[some.n - 1]);
    const __m128i dots = dots_of(row(some[i]), i + 1 < some.n ? row(some[i + 1]) : last,
                                 i + 2 < some.n ? row(some[i + 2]) : last, last);
    write(dots, some.n - i, out + i);
  }

  const std::int8_t* row(std::int64_t ordinal) const {
    return vectors_.codes + static_cast<std::size_t>(ordinal) * vectors_.width;
  }

  LEXMAX_TARGET_AVX512 LEXMAX_INLINE void write(__m128i dots, std::size_t n, std::int32_t* out) const {
    alignas(16) std::int32_t each[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(each), dots);
    for (std::size_t r = 0; r < n; ++r) out[r] = each[r] + start_;
  }

  LEXMAX_TARGET_AVX512 LEXMAX_INLINE __m128i dots_of(const std::int8_t* a, const std::int8_t* b,
                                                     const std::int8_t* c,
                                                     const std::int8_t* d) const {
    __m512i sa = _mm512_setzero_si512(), sb = sa, sc = sa, sd = sa;
    const std::size_t whole = vectors_.width / 64 * 64;
    for (std::size_t k = 0; k < whole; k += 64) {
      const __m512i query = _mm512_loadu_si512(query_.data() + k);
      sa = multiplied(sa, _mm512_loadu_si512(a + k), query);
      sb = multiplied(sb, _mm512_loadu_si512(b + k), query);
      sc = multiplied(sc, _mm512_loadu_si512(c + k), query);
      sd = multiplied(sd, _mm512_loadu_si512(d + k), query);
    }
    if (whole < vectors_.width) {
      const __mmask64 held = (std::uint64_t{1} << (vectors_.width - whole)) - 1;
      const __m512i query = _mm512_loadu_si512(query_.data() + whole);
      sa = multiplied(sa, _mm512_maskz_loadu_epi8(held, a + whole), query);
      sb = multiplied(sb, _mm512_maskz_loadu_epi8(held, b + whole), query);
      sc = multiplied(sc, _mm512_maskz_loadu_epi8(held, c + whole), query);
      sd = multiplied(sd, _mm512_maskz_loadu_epi8(held, d + whole), query);
    }
    return scan_detail::four_sums(sa, sb, sc, sd);
  }

  LEXMAX_TARGET_AVX512 static LEXMAX_INLINE __m512i multiplied(__m512i sum, __m512i codes,
                                                               __m512i query) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(-128));
    return _mm512_dpbusd_epi32(sum, _mm512_xor_si512(codes, flip), query);
  }
#endif

  CodedVectors<std::int8_t> vectors_;
  CpuPath path_;
  std::vector<std::int8_t> query_;  // zeros past the width
  std::vector<std::int16_t> wide_;
  std::int32_t start_ = 0;
};

/// Products of signs. Eight a byte; bits past `dim` are equal in all.
class SignScorer {
 public:
  SignScorer(const CodedVectors<std::uint8_t>& vectors, const std::uint8_t* query, std::size_t dim,
            CpuPath path)
      : vectors_(vectors), dim_(static_cast<std::int32_t>(dim)), path_(path),
        query_((vectors.width + 63) / 64 * 64) {
    std::copy_n(query, vectors.width, query_.begin());
#if LEXMAX_X86
    if (path >= CpuPath::avx512 && !__builtin_cpu_supports("avx512vpopcntdq")) path_ = CpuPath::avx2;
    if (path_ == CpuPath::avx2 && !__builtin_cpu_supports("popcnt")) path_ = CpuPath::portable;
#endif
  }

  std::size_t n() const { return vectors_.n; }

  void score(const SomeOrdinals& some, float* out) const {
#if LEXMAX_X86
    if (path_ >= CpuPath::avx512) return score_avx512(some, out);
    if (path_ == CpuPath::avx2) return score_popcnt(some, out);
#endif
    score_words(some, out);
  }

 private:
  LEXMAX_INLINE float product(std::int32_t differing, std::int64_t ordinal) const {
    return static_cast<float>(dim_ - 2 * differing) * vectors_.scales[ordinal];
  }

  LEXMAX_INLINE void score_words(const SomeOrdinals& some, float* out) const {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    for (std::size_t i = 0; i < some.n; ++i) {
      const std::uint8_t* row = vectors_.codes + some[i] * vectors_.width;
      std::int32_t differing = 0;
      std::size_t k = 0;
      for (; k + kWord <= vectors_.width; k += kWord) {
        std::uint64_t a, b;
        std::memcpy(&a, row + k, kWord);
        std::memcpy(&b, query_.data() + k, kWord);
        differing += std::popcount(a ^ b);
      }
      for (; k < vectors_.width; ++k)
        differing += std::popcount(static_cast<unsigned>(row[k] ^ query_[k]));
      out[i] = product(differing, some[i]);
    }
  }

#if LEXMAX_X86
  LEXMAX_TARGET_POPCNT void score_popcnt(const SomeOrdinals& some, float* out) const {
    score_words(some, out);
  }

  LEXMAX_TARGET_VPOPCNT void score_avx512(const SomeOrdinals& some, float* out) const {
    for (std::size_t i = 0; i < some.n; i += 4) {
      const std::size_t n = std::min<std::size_t>(4, some.n - i);
      alignas(16) std::int32_t each[4];
      const __m128i counts = scan_detail::four_sums(
          differing(some[i]), differing(some[i + std::min<std::size_t>(1, n - 1)]),
          differing(some[i + std::min<std::size_t>(2, n - 1)]), differing(some[i + n - 1]));
      _mm_store_si128(reinterpret_cast<__m128i*>(each), counts);
      for (std::size_t r = 0; r < n; ++r) out[i + r] = product(each[r], some[i + r]);
    }
  }

  // Counts are below 2^31, so that those of 64 bits are two of 32, of which one is 0.
  LEXMAX_TARGET_VPOPCNT LEXMAX_INLINE __m512i differing(std::int64_t ordinal) const {
    const std::size_t width = vectors_.width;
    const std::uint8_t* row = vectors_.codes + static_cast<std::size_t>(ordinal) * width;
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t k = 0; k < width; k += 64) {
      const __mmask64 held = width - k >= 64 ? ~__mmask64{0} : (std::uint64_t{1} << (width - k)) - 1;
      const __m512i bits = _mm512_maskz_loadu_epi8(held, row + k);
      const __m512i query = _mm512_loadu_si512(query_.data() + k);
      sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(bits, query)));
    }
    return sum;
  }
#endif

  CodedVectors<std::uint8_t> vectors_;
  std::int32_t dim_;
  CpuPath path_;
  std::vector<std::uint8_t> query_;
};

namespace scan_detail {

// Scores of one block stay in the first-level cache until they are offered.
constexpr std::size_t kBlock = 1024;

template <VectorScorer Scorer>
std::vector<Scored> best_of(const Scorer& scorer, const std::uint8_t* alive, std::size_t begin,
                            std::size_t end, std::size_t n) {
  BestN best(n);
  std::vector<std::int64_t> living(alive ? kBlock : 0);
  std::vector<float> scores(kBlock);
  for (std::size_t first = begin; first < end; first += kBlock) {
    const std::size_t stop = std::min(end, first + kBlock);
    SomeOrdinals some{nullptr, static_cast<std::int64_t>(first), stop - first};
    if (alive) {
      std::size_t count = 0;
      for (std::size_t i = first; i < stop; ++i) {
        living[count] = static_cast<std::int64_t>(i);
        count += alive[i] != 0;
      }
      if (count < some.n) some = {living.data(), 0, count};
    }
    scorer.score(some, scores.data());
    for (std::size_t i = 0; i < some.n; ++i) best.offer(scores[i], some[i]);
  }
  return best.take();
}

}  // namespace scan_detail

/// The best `n` of the vectors whose `alive` is not 0; null for all. In order, on any number of
/// threads.
template <VectorScorer Scorer>
std::vector<Scored> scan(const Scorer& scorer, const std::uint8_t* alive, std::size_t n,
                         std::size_t threads) {
  const std::size_t pieces = std::max<std::size_t>(1, std::min(threads, scorer.n() / scan_detail::kBlock));
  std::vector<std::vector<Scored>> found(pieces);
  in_parallel(pieces, pieces, [&](std::size_t piece) {
    found[piece] = scan_detail::best_of(scorer, alive, piece * scorer.n() / pieces,
                                        (piece + 1) * scorer.n() / pieces, n);
  });
  if (pieces == 1) return std::move(found[0]);
  BestN best(n);
  for (const auto& several : found) best.offer(several);
  return best.take();
}

}  // namespace lexmax
