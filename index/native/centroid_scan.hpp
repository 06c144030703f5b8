// MaxSim of a query with documents whose tokens are replaced by their centroids (PLAID, Santhanam et al. 2022,
// section 4.3), read from the table of bytes: a load and a maximum a token.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "centroid_table.hpp"
#include "maxsim.hpp"
#include "top_documents.hpp"

namespace lexmax {

/// table (n_centroids, width): what centroid_table wrote.
struct CentroidTable {
  const std::uint8_t* bytes;
  std::size_t n_centroids;
  std::size_t width;
};

/// codes (n_tokens,): centroid of every token; offsets as in a token store.
struct CentroidCodes {
  const std::uint16_t* codes;
  const std::int64_t* offsets;
  std::size_t n_docs;
  std::size_t n_tokens;
};

namespace scan_detail {

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline std::uint32_t score_avx2(const CentroidTable& table, const std::uint16_t* codes,
                                                   std::size_t n) {
  __m256i total = _mm256_setzero_si256();
  const std::size_t last = table.n_centroids - 1;
  for (std::size_t lane = 0; lane < table.width; lane += kTableLanes) {
    const std::uint8_t* column = table.bytes + lane;
    __m256i best[4] = {};
    const auto row = [&](std::size_t t) __attribute__((target("avx2"), always_inline)) {
      const std::size_t code = codes[t] <= last ? codes[t] : last;
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(column + code * table.width));
    };
    std::size_t t = 0;
    for (; t + 4 <= n; t += 4)
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; ++i) best[i] = _mm256_max_epu8(best[i], row(t + i));
    for (; t < n; ++t) best[0] = _mm256_max_epu8(best[0], row(t));
    best[0] = _mm256_max_epu8(_mm256_max_epu8(best[0], best[1]), _mm256_max_epu8(best[2], best[3]));
    total = _mm256_add_epi64(total, _mm256_sad_epu8(best[0], _mm256_setzero_si256()));
  }
  alignas(32) std::uint64_t sums[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), total);
  return static_cast<std::uint32_t>(sums[0] + sums[1] + sums[2] + sums[3]);
}
#endif

inline std::uint32_t score_portable(const CentroidTable& table, const std::uint16_t* codes, std::size_t n) {
  const std::size_t last = table.n_centroids - 1;
  std::uint32_t total = 0;
  for (std::size_t lane = 0; lane < table.width; lane += kTableLanes) {
    std::uint8_t best[kTableLanes] = {};
    for (std::size_t t = 0; t < n; ++t) {
      const std::uint8_t* row = table.bytes + std::min<std::size_t>(codes[t], last) * table.width + lane;
      for (std::size_t i = 0; i < kTableLanes; ++i) best[i] = std::max(best[i], row[i]);
    }
    for (const std::uint8_t value : best) total += value;
  }
  return total;
}

}  // namespace scan_detail

class CentroidScan {
 public:
  CentroidScan(const CentroidTable& table, const CentroidCodes& codes, CpuPath path)
      : table_(table), codes_(codes), path_(path) {
    if (table.n_centroids == 0) throw std::invalid_argument("a table has at least one centroid");
  }

  std::uint32_t score(std::int64_t ordinal) const {
    const TokenView<std::uint16_t> view{codes_.codes, nullptr, codes_.offsets, codes_.n_docs, codes_.n_tokens, 1};
    const DocumentRange range = document_range(view, ordinal);
    const auto n = static_cast<std::size_t>(range.end - range.begin);
#if LEXMAX_X86
    if (path_ != CpuPath::portable) return scan_detail::score_avx2(table_, codes_.codes + range.begin, n);
#endif
    return scan_detail::score_portable(table_, codes_.codes + range.begin, n);
  }

  /// The best `n` of all documents that live and have tokens; `alive` may be null.
  std::vector<ScoredDocument> all(const std::uint8_t* alive, std::size_t n) const {
    TopDocuments top(n);
    for (std::size_t i = 0; i < codes_.n_docs; ++i)
      if ((!alive || alive[i]) && has_tokens(i))
        top.offer(score(static_cast<std::int64_t>(i)), static_cast<std::uint32_t>(i));
    return top.best();
  }

  /// The best `n` of these documents, which ascend.
  std::vector<ScoredDocument> of(const std::int64_t* ordinals, std::size_t n_ordinals, std::size_t n) const {
    TopDocuments top(n);
    for (std::size_t i = 0; i < n_ordinals; ++i) {
      if (i + kAhead < n_ordinals) prefetch(ordinals[i + kAhead]);
      top.offer(score(ordinals[i]), static_cast<std::uint32_t>(ordinals[i]));
    }
    return top.best();
  }

 private:
  static constexpr std::size_t kAhead = 4;

  bool has_tokens(std::size_t i) const { return codes_.offsets[i + 1] > codes_.offsets[i]; }

  // Only a hint: a wrong address costs nothing, but it must not be computed from a wrong ordinal.
  void prefetch(std::int64_t ordinal) const {
    if (ordinal < 0 || ordinal >= static_cast<std::int64_t>(codes_.n_docs)) return;
    const std::int64_t begin = codes_.offsets[ordinal];
    if (begin < 0 || begin + 128 > static_cast<std::int64_t>(codes_.n_tokens)) return;
    for (int line = 0; line < 3; ++line) __builtin_prefetch(codes_.codes + begin + 32 * line);
  }

  CentroidTable table_;
  CentroidCodes codes_;
  CpuPath path_;
};

}  // namespace lexmax
