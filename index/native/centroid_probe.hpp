// Which documents have tokens near those of the query? Only the lists of the nearest centroids are read.
//
// A document gets, for each query token, the byte of its best probed centroid; where it has none, the byte of the last
// centroid probed, which no other exceeds (imputation as in WARP, Scheerer et al. 2025, section 4.2). What all get is
// left out of the sum.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "centroid_lists.hpp"
#include "top_documents.hpp"

namespace lexmax {

/// Centroids to read for one query token, nearest first, with what each adds above the last one.
struct Probe {
  std::uint32_t centroid;
  std::uint32_t gain;
};

namespace probe_detail {

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline std::uint32_t above_avx2(const std::uint8_t* row, const std::uint8_t* floors) {
  const auto load = [](const std::uint8_t* p) __attribute__((target("avx2"), always_inline)) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  };
  const __m256i over = _mm256_subs_epu8(load(row), load(floors));
  return ~static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(over, _mm256_setzero_si256())));
}
#endif

inline std::uint32_t above(const std::uint8_t* row, const std::uint8_t* floors, CpuPath path) {
#if LEXMAX_X86
  if (path != CpuPath::portable) return above_avx2(row, floors);
#endif
  (void)path;
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < kTableLanes; ++i) mask |= static_cast<std::uint32_t>(row[i] > floors[i]) << i;
  return mask;
}

}  // namespace probe_detail

/// The `n` centroids with the greatest bytes, for each of `n_queries` query tokens; those of byte 0 add nothing.
inline std::vector<std::vector<Probe>> nearest_centroids(const CentroidTable& table, std::size_t n_queries,
                                                         std::size_t n, CpuPath path) {
  std::vector<TopDocuments> tops(n_queries, TopDocuments(n));
  for (std::size_t lane = 0; lane < n_queries; lane += kTableLanes) {
    std::uint8_t floors[kTableLanes] = {};
    for (std::size_t c = 0; c < table.n_centroids; ++c) {
      const std::uint8_t* row = table.bytes + c * table.width + lane;
      for (std::uint32_t left = probe_detail::above(row, floors, path); left; left &= left - 1) {
        const auto i = static_cast<std::size_t>(__builtin_ctz(left));
        if (lane + i >= n_queries) break;
        tops[lane + i].offer(row[i], static_cast<std::uint32_t>(c));
        floors[i] = static_cast<std::uint8_t>(tops[lane + i].floor());
      }
    }
  }
  std::vector<std::vector<Probe>> probes(n_queries);
  for (std::size_t q = 0; q < n_queries; ++q) {
    const auto best = tops[q].best();
    // One below, so that a document in any list has gained something.
    const std::uint32_t last = best.size() < n || best.empty() ? 0 : best.back().score - 1;
    for (const ScoredDocument& found : best) probes[q].push_back({found.ordinal, found.score - last});
  }
  return probes;
}

/// Adds up gains window by window and keeps the best documents.
class ProbeSearch {
 public:
  ProbeSearch(const CentroidLists& lists, std::size_t n_docs, const std::uint8_t* alive)
      : lists_(lists), n_docs_(n_docs), alive_(alive), cells_(kListWindow) {}

  std::vector<ScoredDocument> best(const std::vector<std::vector<Probe>>& probes, std::size_t n) {
    TopDocuments top(n);
    const unsigned shift = shift_for(probes.size());
    for (std::size_t w = 0; w < lists_.n_windows; ++w) {
      std::fill(cells_.begin(), cells_.end(), 0);
      for (std::size_t q = 0; q < probes.size(); ++q) add(probes[q], w, static_cast<std::uint32_t>(q + 1), shift);
      take(w, top);
    }
    return top.best();
  }

 private:
  // A cell holds the last query token that met the document, above, and the sum so far, below.
  static constexpr unsigned kSumBits = 16;

  // Sums of 256 bytes fit; more query tokens are added in coarser steps.
  static unsigned shift_for(std::size_t n_queries) {
    unsigned shift = 0;
    while ((n_queries * 255) >> shift > 0xFFFF) ++shift;
    return shift;
  }

  void add(const std::vector<Probe>& probes, std::size_t w, std::uint32_t stamp, unsigned shift) {
    for (std::size_t p = 0; p < probes.size(); ++p) {
      if (p + kAhead < probes.size()) prefetch(probes[p + kAhead].centroid, w);
      const std::uint32_t gain = probes[p].gain >> shift;
      const auto [begin, end] = range(probes[p].centroid, w);
      for (std::int64_t i = begin; i < end; ++i) {
        std::uint32_t& cell = cells_[lists_.docs[i]];
        const std::uint32_t fresh = (cell >> kSumBits) != stamp ? gain : 0;
        cell = (stamp << kSumBits) | ((cell & 0xFFFF) + fresh);
      }
    }
  }

  static constexpr std::size_t kAhead = 3;
  void prefetch(std::size_t centroid, std::size_t w) const {
    const std::int64_t begin = range(centroid, w).first;
    __builtin_prefetch(lists_.docs + begin);
  }

  // No start is trusted as an address.
  std::pair<std::int64_t, std::int64_t> range(std::size_t centroid, std::size_t w) const {
    const std::int64_t* at = lists_.starts + centroid * lists_.n_windows + w;
    const auto last = static_cast<std::int64_t>(lists_.n_postings);
    const std::int64_t begin = std::clamp<std::int64_t>(at[0], 0, last);
    return {begin, std::clamp<std::int64_t>(at[1], begin, last)};
  }

  void take(std::size_t w, TopDocuments& top) const {
    const std::size_t base = w * kListWindow;
    const std::size_t n = std::min(kListWindow, n_docs_ - base);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t sum = cells_[i] & 0xFFFF;
      if (sum <= top.floor()) continue;
      if (!alive_ || alive_[base + i]) top.offer(sum, static_cast<std::uint32_t>(base + i));
    }
  }

  CentroidLists lists_;
  std::size_t n_docs_;
  const std::uint8_t* alive_;
  std::vector<std::uint32_t> cells_;
};

}  // namespace lexmax
