// Which clusters are near a query, and what is imputed to a document that has no token in them?
//
// Probing and WARPSELECT (Scheerer et al. 2025, sections 4.2 and 4.3). Similarities are in units of the query token's
// scale: an exact integer times the centroid's scale, rounded once.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "centroid_assign.hpp"
#include "int8_dots.hpp"
#include "maxsim_raise.hpp"
#include "token_clusters.hpp"

namespace lexmax {

struct Probing {
  std::size_t n_probes;  // clusters to read for each query token
  std::size_t bound;     // tokens that the nearest clusters hold together before the imputed similarity is read off
};

/// Clusters of which the bound is counted off: half as many again as hold it at their mean size, at most 128 as in the
/// public engine. Choosing more takes longer than all products.
inline std::size_t n_inspected(const TokenClusters& clusters, std::size_t bound) {
  constexpr std::size_t kMost = 128;
  if (clusters.n_tokens() == 0) return 1;
  const double at_mean_size =
      static_cast<double>(bound) * static_cast<double>(clusters.n_filled()) / static_cast<double>(clusters.n_tokens());
  return 1 + static_cast<std::size_t>(std::min(1.5 * at_mean_size, static_cast<double>(kMost - 1)));
}

/// Centroids that stand for tokens and are near any of `n_queries` query tokens, which come in `blocks` of kQueryBlock.
struct NearClusters {
  std::size_t n_queries;
  std::size_t blocks;
  std::vector<std::uint32_t> centroids;  // ascending
  std::vector<std::uint32_t> masks;      // [cluster][block]: the query tokens that are near
  std::vector<float> imputed;            // [query token]
};

/// Keeps the n nearest, ties by the smaller centroid; they are offered in ascending order.
class NearestCentroids {
 public:
  explicit NearestCentroids(std::size_t n) : n_(n) {}

  /// Similarities that are not greater than this cannot enter.
  float floor() const { return floor_; }

  void offer(float similarity, std::uint32_t centroid) {
    kept_.push_back({similarity, centroid});
    if (kept_.size() >= 2 * n_ + kSlack) cut();
  }

  std::vector<Nearest> take() {
    if (kept_.size() > n_) cut();
    std::sort(kept_.begin(), kept_.end(), nearer);
    return std::move(kept_);
  }

 private:
  static constexpr std::size_t kSlack = 64;

  static bool nearer(const Nearest& a, const Nearest& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.centroid < b.centroid;
  }
  void cut() {
    const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(n_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), nearer);
    floor_ = last->similarity;
    kept_.resize(n_);
  }

  std::size_t n_;
  float floor_ = -std::numeric_limits<float>::infinity();
  std::vector<Nearest> kept_;
};

namespace near_detail {

/// Writes the similarities (32,) of a centroid; returns which are above their floors (32,).
LEXMAX_INLINE std::uint32_t above_inline(const std::int32_t* dots, float scale, const float* floors,
                                         float* similarities) {
  std::uint32_t mask = 0;
  for (std::size_t q = 0; q < kQueryBlock; ++q) {
    similarities[q] = static_cast<float>(dots[q]) * scale;
    mask |= static_cast<std::uint32_t>(similarities[q] > floors[q]) << q;
  }
  return mask;
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline std::uint32_t above_avx2(const std::int32_t* dots, float scale, const float* floors,
                                                   float* similarities) {
  const __m256 scales = _mm256_set1_ps(scale);
  std::uint32_t mask = 0;
#pragma GCC unroll 4
  for (std::size_t q = 0; q < kQueryBlock; q += 8) {
    const __m256i whole = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(dots + q));
    const __m256 found = _mm256_mul_ps(_mm256_cvtepi32_ps(whole), scales);
    _mm256_storeu_ps(similarities + q, found);
    const __m256 greater = _mm256_cmp_ps(found, _mm256_loadu_ps(floors + q), _CMP_GT_OQ);
    mask |= static_cast<std::uint32_t>(_mm256_movemask_ps(greater)) << q;
  }
  return mask;
}
#endif

inline std::uint32_t above(const std::int32_t* dots, float scale, const float* floors, float* similarities,
                           CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx2) return above_avx2(dots, scale, floors, similarities);
#endif
  (void)path;
  return above_inline(dots, scale, floors, similarities);
}

/// Offers the similarities of a block of query tokens, which begin at `first`.
class BlockOffer {
 public:
  BlockOffer(std::vector<NearestCentroids>& nearest, std::size_t first, CpuPath path)
      : nearest_(nearest), first_(first), path_(path) {
    // Lanes past the last query token take nothing.
    std::fill_n(floors_, kQueryBlock, std::numeric_limits<float>::infinity());
    for (std::size_t q = first; q < std::min(first + kQueryBlock, nearest.size()); ++q)
      floors_[q - first] = nearest[q].floor();
  }

  void offer(const std::int32_t* dots, float scale, std::uint32_t centroid) {
    float similarities[kQueryBlock];
    for (std::uint32_t left = above(dots, scale, floors_, similarities, path_); left; left &= left - 1) {
      const auto lane = static_cast<std::size_t>(__builtin_ctz(left));
      nearest_[first_ + lane].offer(similarities[lane], centroid);
      floors_[lane] = nearest_[first_ + lane].floor();
    }
  }

 private:
  std::vector<NearestCentroids>& nearest_;
  std::size_t first_;
  CpuPath path_;
  float floors_[kQueryBlock];
};

/// The similarity of the first centroid at which the sizes of the nearest add up to more than the bound; of the last
/// one where they never do.
inline float imputed(const std::vector<Nearest>& nearest, const TokenClusters& clusters, std::size_t bound) {
  std::size_t held = 0;
  for (const Nearest& one : nearest)
    if ((held += clusters.size(one.centroid)) > bound) return one.similarity;
  return nearest.empty() ? 0.0F : nearest.back().similarity;
}

}  // namespace near_detail

/// The nearest centroids that stand for tokens, of each query token, nearest first. `query` are its columns.
inline std::vector<std::vector<Nearest>> nearest_clusters(const Int8Rows& centroids, const TokenClusters& clusters,
                                                          const Int8Columns& query, std::size_t n, CpuPath path) {
  std::vector<NearestCentroids> nearest(query.n(), NearestCentroids(n));
  Int8Dots dots(centroids.dim, path);
  alignas(64) std::int32_t products[kDotRows * kDotColumns];
  std::uint32_t rows[kDotRows];
  for (std::size_t c = 0; c < centroids.n;) {
    std::size_t filled = 0;
    for (; c < centroids.n && filled < kDotRows; ++c)
      if (clusters.size(c) > 0) {
        dots.set_row(filled, centroids.row(c));
        rows[filled++] = static_cast<std::uint32_t>(c);
      }
    for (std::size_t block = 0; block < query.blocks(); ++block) {
      dots.multiply(query, block, products);
      near_detail::BlockOffer to(nearest, block * kQueryBlock, path);
      for (std::size_t r = 0; r < filled; ++r)
        to.offer(products + r * kDotColumns, centroids.scales[rows[r]], rows[r]);
    }
  }
  std::vector<std::vector<Nearest>> found;
  for (NearestCentroids& one : nearest) found.push_back(one.take());
  return found;
}

/// What a search probes. `query` are its columns.
inline NearClusters near_clusters(const Int8Rows& centroids, const TokenClusters& clusters, const Int8Columns& query,
                                  const Probing& probing, CpuPath path) {
  const std::size_t n = std::min(std::max(probing.n_probes, n_inspected(clusters, probing.bound)), centroids.n);
  const auto nearest = nearest_clusters(centroids, clusters, query, n, path);
  NearClusters near{query.n(), query.blocks(), {}, {}, {}};
  std::vector<std::uint32_t> masks(centroids.n * near.blocks, 0);
  for (std::size_t q = 0; q < query.n(); ++q) {
    near.imputed.push_back(near_detail::imputed(nearest[q], clusters, probing.bound));
    for (std::size_t p = 0; p < std::min(probing.n_probes, nearest[q].size()); ++p)
      masks[nearest[q][p].centroid * near.blocks + q / kQueryBlock] |= 1U << q % kQueryBlock;
  }
  for (std::size_t c = 0; c < centroids.n; ++c) {
    const auto mask = masks.begin() + static_cast<std::ptrdiff_t>(c * near.blocks);
    const auto end = mask + static_cast<std::ptrdiff_t>(near.blocks);
    if (std::all_of(mask, end, [](std::uint32_t bits) { return bits == 0; })) continue;
    near.centroids.push_back(static_cast<std::uint32_t>(c));
    near.masks.insert(near.masks.end(), mask, end);
  }
  return near;
}

}  // namespace lexmax
