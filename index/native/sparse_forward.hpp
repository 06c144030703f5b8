// What does a document score exactly? Its row of the forward index against the query, in float64.
//
// The score is defined by adding products in ascending term order (oracle_sparse.py), rounded to float32 at the end.
// Kernels add in another order. All products are positive, so two orders of n additions differ by less than n 2^-52
// relative; where no float32 boundary lies that near, both round to the same float32, else the row is added again in
// order.
#pragma once
#include <cmath>
#include <vector>

#include "cpu_path.hpp"
#include "sparse_segment.hpp"

#if LEXMAX_X86
#include <immintrin.h>
#endif

namespace lexmax::sparse {

class ForwardScorer {
 public:
  ForwardScorer(const Segment& segment, CpuPath path) : segment_(segment), path_(path), table_(table()) {
    // 16-bit terms of a damaged file may lie beyond the dictionary.
    const std::size_t n_terms = std::max(segment.terms.size(), std::size_t{1} << 16);
    if (table_.size() < n_terms) table_.resize(n_terms);
  }
  ForwardScorer(const ForwardScorer&) = delete;
  ~ForwardScorer() { take({}); }

  /// Takes the query that `score` is about; it must outlive that.
  void take(const Query& query) {
    if (query.terms.data() == query_.terms.data() && query.terms.size() == query_.terms.size()) return;
    for (const std::uint32_t term : query_.terms) table_[term] = 0;
    query_ = query;
    for (std::size_t j = 0; j < query_.terms.size(); ++j) table_[query_.terms[j]] = query_.weights[j];
  }

  /// The exact score of a document.
  float score(std::size_t doc) const {
    const ForwardRow row = row_of(doc);
    const double sum = summed(row);
    // NaN would break the order that sorting relies on.
    if (!(sum >= 0)) throw Corrupt("forward.rows holds NaN or a negative");
    const double error = static_cast<double>(row.size + 8) * 0x1p-52;
    const auto low = static_cast<float>(sum * (1 - error)), high = static_cast<float>(sum * (1 + error));
    return low == high ? low : in_order(row);
  }

  /// Whether the document shares a term with the query.
  bool shares(std::size_t doc) const {
    const ForwardRow row = row_of(doc);
    for (std::size_t i = 0; i < row.size; ++i)
      if (weight_of(row.term(i)) != 0) return true;
    return false;
  }

  /// Asks for the place of the row; to be called some time before `prefetch`, which reads it.
  void prefetch_place(std::size_t doc) const { __builtin_prefetch(segment_.indptr.data() + doc); }

  /// Asks for the row's bytes, which are seldom in a cache.
  void prefetch(std::size_t doc) const {
    const auto units = segment_.row_of(doc);
    const char* const end = reinterpret_cast<const char*>(units.data() + units.size());
    for (const char* at = reinterpret_cast<const char*>(units.data()); at < end; at += 64) __builtin_prefetch(at);
  }

 private:
  /// All zero between scorers; kept by the thread, because clearing it costs more than many queries.
  static std::vector<float>& table() {
    static thread_local std::vector<float> weights;
    return weights;
  }

  ForwardRow row_of(std::size_t doc) const { return {segment_.row_of(doc), segment_.short_terms()}; }

  float weight_of(std::uint32_t term) const { return term < table_.size() ? table_[term] : 0; }

  float in_order(const ForwardRow& row) const {
    double sum = 0;
    for (std::size_t i = 0; i < row.size; ++i)
      if (const float weight = weight_of(row.term(i)); weight != 0)
        sum += static_cast<double>(weight) * row.weights[i];
    return static_cast<float>(sum);
  }

  double summed(const ForwardRow& row) const {
#if LEXMAX_X86
    if (path_ == CpuPath::avx512 && row.short_terms) return gathered(row);
#endif
    double sums[4] = {0, 0, 0, 0};
    for (std::size_t i = 0; i < row.size; ++i)
      sums[i % 4] += static_cast<double>(weight_of(row.term(i))) * row.weights[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

#if LEXMAX_X86
  LEXMAX_TARGET_AVX512 double gathered(const ForwardRow& row) const {
    __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
    const std::uint16_t* terms = row.narrow();
    const float* weights = row.weights;
    for (std::size_t p = 0; p < row.size; p += 16) {
      const std::size_t left = row.size - p;
      const auto lanes = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1u << left) - 1);
      const __m512i term = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, terms + p));
      const __m512 query = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, term, table_.data(), 4);
      const __m512 weight = _mm512_maskz_loadu_ps(lanes, weights + p);
      low = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(query)),
                            _mm512_cvtps_pd(_mm512_castps512_ps256(weight)), low);
      high = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(query, 1)),
                             _mm512_cvtps_pd(_mm512_extractf32x8_ps(weight, 1)), high);
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
  }
#endif

  const Segment& segment_;
  CpuPath path_;
  std::vector<float>& table_;
  Query query_;
};

}  // namespace lexmax::sparse
