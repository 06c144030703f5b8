// Which centroid has the greatest inner product with a token? All are tried, or those of the nearest groups.
//
// Similarities are exact integers times the centroid's scale, rounded once: the same bits on every path.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "int8_dots.hpp"
#include "parallel.hpp"

namespace lexmax {

using Floats16 [[gnu::vector_size(64)]] = float;
using Integers16 [[gnu::vector_size(64)]] = std::int32_t;

/// Rows of int8 codes; `scales` are null where only the best of a row's products matters.
struct Int8Rows {
  const std::int8_t* codes;
  const float* scales;
  std::size_t n;
  std::size_t dim;
  const std::int8_t* row(std::size_t i) const { return codes + i * dim; }
};

struct Nearest {
  float similarity = -std::numeric_limits<float>::infinity();
  std::uint32_t centroid = 0;
};

namespace assign_detail {

// The best of every lane of every row; a smaller centroid wins a tie because it comes first.
struct LaneBest {
  alignas(64) float similarity[kDotRows * kDotLanes];
  alignas(64) std::uint32_t centroid[kDotRows * kDotLanes];
};

LEXMAX_INLINE void raise_inline(const std::int32_t* dots, const float* scales, std::uint32_t first, std::size_t rows,
                                LaneBest& best) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t half = 0; half < kDotColumns; half += kDotLanes) {
      float* top = best.similarity + r * kDotLanes;
      std::uint32_t* at = best.centroid + r * kDotLanes;
      const std::int32_t* row = dots + r * kDotColumns + half;
#pragma GCC ivdep
      for (std::size_t lane = 0; lane < kDotLanes; ++lane) {
        const float similarity = static_cast<float>(row[lane]) * scales[half + lane];
        const bool better = similarity > top[lane];
        top[lane] = better ? similarity : top[lane];
        at[lane] = better ? first + static_cast<std::uint32_t>(half + lane) : at[lane];
      }
    }
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void raise_avx2(const std::int32_t* dots, const float* scales, std::uint32_t first,
                                          std::size_t rows, LaneBest& best) {
  raise_inline(dots, scales, first, rows, best);
}
LEXMAX_TARGET_AVX512 inline void raise_avx512(const std::int32_t* dots, const float* scales, std::uint32_t first,
                                              std::size_t rows, LaneBest& best) {
  const auto step = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 scale[2] = {_mm512_loadu_ps(scales), _mm512_loadu_ps(scales + kDotLanes)};
  const __m512i place[2] = {_mm512_add_epi32(step, _mm512_set1_epi32(static_cast<int>(first))),
                            _mm512_add_epi32(step, _mm512_set1_epi32(static_cast<int>(first + kDotLanes)))};
  for (std::size_t r = 0; r < rows; ++r) {
    __m512 top = _mm512_load_ps(best.similarity + r * kDotLanes);
    __m512i at = _mm512_load_si512(best.centroid + r * kDotLanes);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const auto row = reinterpret_cast<Integers16>(_mm512_loadu_si512(dots + r * kDotColumns + half * kDotLanes));
      const auto similarity = reinterpret_cast<__m512>(__builtin_convertvector(row, Floats16)) * scale[half];
      const __mmask16 better = _mm512_cmp_ps_mask(similarity, top, _CMP_GT_OQ);
      top = _mm512_mask_mov_ps(top, better, similarity);
      at = _mm512_mask_mov_epi32(at, better, place[half]);
    }
    _mm512_store_ps(best.similarity + r * kDotLanes, top);
    _mm512_store_si512(best.centroid + r * kDotLanes, at);
  }
}
#endif

inline void raise(const std::int32_t* dots, const float* scales, std::uint32_t first, std::size_t rows, LaneBest& best,
                  CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return raise_avx512(dots, scales, first, rows, best);
  if (path == CpuPath::avx2) return raise_avx2(dots, scales, first, rows, best);
#endif
  (void)path;
  raise_inline(dots, scales, first, rows, best);
}

// lanes (16,): the greatest of every sixteenth value; `n` is a multiple of 16. What is not greater may be NaN.
LEXMAX_INLINE void lane_maxima_inline(const float* values, std::size_t n, float* lanes) {
  Floats16 top = Floats16{} - std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < n; i += kDotLanes) {
    Floats16 next;
    std::memcpy(&next, values + i, sizeof next);
    top = next > top ? next : top;
  }
  std::memcpy(lanes, &top, sizeof top);
}

#if LEXMAX_X86
LEXMAX_TARGET_AVX2 inline void lane_maxima_avx2(const float* values, std::size_t n, float* lanes) {
  lane_maxima_inline(values, n, lanes);
}
LEXMAX_TARGET_AVX512 inline void lane_maxima_avx512(const float* values, std::size_t n, float* lanes) {
  lane_maxima_inline(values, n, lanes);
}
LEXMAX_TARGET_AVX512 inline std::size_t reaching_avx512(const float* values, float least, std::uint32_t* places) {
  const __mmask16 mask = _mm512_cmp_ps_mask(_mm512_loadu_ps(values), _mm512_set1_ps(least), _CMP_GE_OQ);
  const __m512i step = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  if (mask) _mm512_mask_compressstoreu_epi32(places, mask, step);
  return static_cast<std::size_t>(__builtin_popcount(mask));
}
#endif

inline void lane_maxima(const float* values, std::size_t n, float* lanes, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return lane_maxima_avx512(values, n, lanes);
  if (path == CpuPath::avx2) return lane_maxima_avx2(values, n, lanes);
#endif
  (void)path;
  lane_maxima_inline(values, n, lanes);
}

/// Which of 16 values reach `least`: their places, ascending, and how many.
inline std::size_t reaching(const float* values, float least, std::uint32_t* places, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return reaching_avx512(values, least, places);
#endif
  (void)path;
  std::size_t n = 0;
  for (std::uint32_t i = 0; i < kDotLanes; ++i)
    if (values[i] >= least) places[n++] = i;
  return n;
}

inline Nearest reduced(const LaneBest& best, std::size_t r) {
  Nearest found;
  for (std::size_t lane = r * kDotLanes; lane < (r + 1) * kDotLanes; ++lane) {
    const float similarity = best.similarity[lane];
    const std::uint32_t centroid = best.centroid[lane];
    if (similarity > found.similarity || (similarity == found.similarity && centroid < found.centroid))
      found = {similarity, centroid};
  }
  return found;
}

}  // namespace assign_detail

/// Centroids as columns, with scales padded so that no padding ever wins: its products are NaN.
class CentroidColumns {
 public:
  CentroidColumns() = default;
  CentroidColumns(const Int8Rows& centroids, std::size_t first, std::size_t last)
      : first_(static_cast<std::uint32_t>(first)),
        columns_(centroids.codes + first * centroids.dim, last - first, centroids.dim),
        scales_(columns_.blocks() * kDotColumns, std::numeric_limits<float>::quiet_NaN()) {
    std::copy(centroids.scales + first, centroids.scales + last, scales_.begin());
  }

  const Int8Columns& columns() const { return columns_; }

  /// The nearest centroid of each of the first `rows` rows that `dots` holds.
  void nearest(const Int8Dots& dots, std::size_t rows, CpuPath path, Nearest* out) const {
    alignas(64) std::int32_t products[kDotRows * kDotColumns];
    assign_detail::LaneBest best;
    std::fill_n(best.similarity, rows * kDotLanes, -std::numeric_limits<float>::infinity());
    std::fill_n(best.centroid, rows * kDotLanes, 0);
    for (std::size_t block = 0; block < columns_.blocks(); ++block) {
      dots.multiply(columns_, block, products);
      assign_detail::raise(products, scales_.data() + block * kDotColumns,
                           first_ + static_cast<std::uint32_t>(block * kDotColumns), rows, best, path);
    }
    for (std::size_t r = 0; r < rows; ++r) out[r] = assign_detail::reduced(best, r);
  }

  /// Similarities (rows, padded n) of the rows that `dots` holds; NaN past the last centroid.
  void similarities(const Int8Dots& dots, std::size_t rows, float* out) const {
    alignas(64) std::int32_t products[kDotRows * kDotColumns];
    const std::size_t width = scales_.size();
    for (std::size_t block = 0; block < columns_.blocks(); ++block) {
      dots.multiply(columns_, block, products);
      const float* __restrict scale = scales_.data() + block * kDotColumns;
      for (std::size_t r = 0; r < rows; ++r) {
        float* __restrict to = out + r * width + block * kDotColumns;
        for (std::size_t c = 0; c < kDotColumns; ++c)
          to[c] = static_cast<float>(products[r * kDotColumns + c]) * scale[c];
      }
    }
  }

  std::size_t width() const { return scales_.size(); }

 private:
  std::uint32_t first_ = 0;
  Int8Columns columns_;
  std::vector<float> scales_;
};

/// Finds the nearest centroid: with groups, among those of the `probes` groups whose head is nearest.
class CentroidAssigner {
 public:
  /// `heads` (n_groups, dim) and `starts` (n_groups + 1,): group g holds centroids starts[g] to starts[g + 1].
  CentroidAssigner(const Int8Rows& centroids, const Int8Rows& heads, const std::int64_t* starts, std::size_t probes,
                   CpuPath path)
      : dim_(centroids.dim), path_(path), probes_(std::min({probes, heads.n, kDotLanes})) {
    if (probes_ == 0) {
      all_ = CentroidColumns(centroids, 0, centroids.n);
      return;
    }
    heads_ = CentroidColumns(heads, 0, heads.n);
    groups_.reserve(heads.n);
    for (std::size_t g = 0; g < heads.n; ++g)
      groups_.emplace_back(centroids, static_cast<std::size_t>(starts[g]), static_cast<std::size_t>(starts[g + 1]));
  }

  /// nearest (tokens.n,), in pieces on `threads` threads.
  void run(const Int8Rows& tokens, std::size_t threads, std::uint16_t* nearest) const {
    in_parallel((tokens.n + kPiece - 1) / kPiece, threads, [&](std::size_t piece) {
      const std::size_t begin = piece * kPiece;
      const std::size_t n = std::min(kPiece, tokens.n - begin);
      const Int8Rows part{tokens.row(begin), nullptr, n, tokens.dim};
      std::vector<Nearest> found(n);
      if (probes_ == 0)
        flat(part, found.data());
      else
        grouped(part, found.data());
      for (std::size_t i = 0; i < n; ++i) nearest[begin + i] = static_cast<std::uint16_t>(found[i].centroid);
    });
  }

 private:
  // Tokens whose similarities with all heads are held at a time.
  static constexpr std::size_t kPiece = 8192;

  void flat(const Int8Rows& tokens, Nearest* found) const {
    Int8Dots dots(dim_, path_);
    for (std::size_t begin = 0; begin < tokens.n; begin += kDotRows) {
      const std::size_t rows = std::min(kDotRows, tokens.n - begin);
      for (std::size_t r = 0; r < rows; ++r) dots.set_row(r, tokens.row(begin + r));
      all_.nearest(dots, rows, path_, found + begin);
    }
  }

  void grouped(const Int8Rows& tokens, Nearest* found) const {
    Int8Dots dots(dim_, path_);
    const std::vector<std::uint32_t> chosen = chosen_groups(tokens, dots);
    const auto [starts, order] = by_group(chosen);
    Nearest of_block[kDotRows];
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (std::size_t begin = starts[g]; begin < starts[g + 1]; begin += kDotRows) {
        const std::size_t rows = std::min(kDotRows, starts[g + 1] - begin);
        for (std::size_t r = 0; r < rows; ++r) dots.set_row(r, tokens.row(order[begin + r]));
        groups_[g].nearest(dots, rows, path_, of_block);
        for (std::size_t r = 0; r < rows; ++r) keep_better(of_block[r], found[order[begin + r]]);
      }
  }

  static void keep_better(const Nearest& other, Nearest& best) {
    if (other.similarity > best.similarity ||
        (other.similarity == best.similarity && other.centroid < best.centroid))
      best = other;
  }

  // (tokens.n, probes): groups whose heads are nearest, in no order.
  std::vector<std::uint32_t> chosen_groups(const Int8Rows& tokens, Int8Dots& dots) const {
    const std::size_t width = heads_.width();
    std::vector<float> similarity(kDotRows * width);
    std::vector<std::uint32_t> chosen(tokens.n * probes_);
    for (std::size_t begin = 0; begin < tokens.n; begin += kDotRows) {
      const std::size_t rows = std::min(kDotRows, tokens.n - begin);
      for (std::size_t r = 0; r < rows; ++r) dots.set_row(r, tokens.row(begin + r));
      heads_.similarities(dots, rows, similarity.data());
      for (std::size_t r = 0; r < rows; ++r)
        choose(similarity.data() + r * width, chosen.data() + (begin + r) * probes_);
    }
    return chosen;
  }

  // The best of 16 interleaved parts are some of the groups, so the p-th of them is not above the p-th group: few pass.
  void choose(const float* similarity, std::uint32_t* chosen) const {
    const float least = pth_of_lanes(similarity);
    Nearest passed[kMostPassing + kDotLanes];
    std::uint32_t places[kDotLanes];
    std::size_t n = 0;
    for (std::size_t g = 0; g < heads_.width(); g += kDotLanes) {
      const std::size_t found = assign_detail::reaching(similarity + g, least, places, path_);
      for (std::size_t i = 0; i < found; ++i)
        passed[n++] = {similarity[g + places[i]], static_cast<std::uint32_t>(g + places[i])};
      if (n >= kMostPassing) n = keep_best(passed, n);
    }
    keep_best(passed, n);
    for (std::size_t p = 0; p < probes_; ++p) chosen[p] = passed[p].centroid;
  }

  static constexpr std::size_t kMostPassing = 64;

  // Puts the probes_ nearest first, ties by number; how many there are then.
  std::size_t keep_best(Nearest* passed, std::size_t n) const {
    const auto nearer = [](const Nearest& a, const Nearest& b) {
      return a.similarity != b.similarity ? a.similarity > b.similarity : a.centroid < b.centroid;
    };
    const std::size_t kept = std::min(probes_, n);
    std::partial_sort(passed, passed + kept, passed + n, nearer);
    return kept;
  }

  float pth_of_lanes(const float* similarity) const {
    float lanes[kDotLanes];
    assign_detail::lane_maxima(similarity, heads_.width(), lanes, path_);
    std::nth_element(lanes, lanes + (probes_ - 1), lanes + kDotLanes, std::greater<float>());
    return lanes[probes_ - 1];
  }

  struct ByGroup {
    std::vector<std::size_t> starts;
    std::vector<std::uint32_t> order;
  };
  ByGroup by_group(const std::vector<std::uint32_t>& chosen) const {
    ByGroup sorted{std::vector<std::size_t>(groups_.size() + 1), std::vector<std::uint32_t>(chosen.size())};
    for (const std::uint32_t g : chosen) ++sorted.starts[g + 1];
    for (std::size_t g = 0; g < groups_.size(); ++g) sorted.starts[g + 1] += sorted.starts[g];
    std::vector<std::size_t> next(sorted.starts.begin(), sorted.starts.end() - 1);
    for (std::size_t i = 0; i < chosen.size(); ++i)
      sorted.order[next[chosen[i]]++] = static_cast<std::uint32_t>(i / probes_);
    return sorted;
  }

  std::size_t dim_;
  CpuPath path_;
  std::size_t probes_;
  CentroidColumns all_;
  CentroidColumns heads_;
  std::vector<CentroidColumns> groups_;
};

/// sums (n_centroids, dim): decoded tokens of each centroid, added in order.
inline void centroid_sums(const Int8Rows& tokens, const std::uint16_t* assigned, std::size_t n_centroids, float* sums) {
  std::fill_n(sums, n_centroids * tokens.dim, 0.0F);
  for (std::size_t i = 0; i < tokens.n; ++i) {
    if (assigned[i] >= n_centroids) throw std::out_of_range("a token is assigned to a centroid that is not there");
    float* sum = sums + assigned[i] * tokens.dim;
    const std::int8_t* row = tokens.row(i);
    const float scale = tokens.scales[i];
    for (std::size_t k = 0; k < tokens.dim; ++k) sum[k] += scale * static_cast<float>(row[k]);
  }
}

}  // namespace lexmax
