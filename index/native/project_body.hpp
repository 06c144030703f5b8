// The body of a projection for one path: included by project.hpp in a namespace of each path, with
// LEXMAX_PROJECT_BYTES, the width of a vector, and LEXMAX_PROJECT_TARGET, the attribute of its functions.

using Lanes = float __attribute__((vector_size(LEXMAX_PROJECT_BYTES), may_alias, aligned(4)));
inline constexpr std::size_t kWidth = LEXMAX_PROJECT_BYTES / sizeof(float);

LEXMAX_PROJECT_TARGET LEXMAX_INLINE Lanes loaded(const float* from) { return *reinterpret_cast<const Lanes*>(from); }

LEXMAX_PROJECT_TARGET LEXMAX_INLINE Lanes loaded(const std::uint16_t* from) {
#if LEXMAX_PROJECT_BYTES == 64
  // Not _mm512_cvtph_ps, whose header GCC warns of.
  return (Lanes)_mm512_maskz_cvtph_ps(static_cast<__mmask16>(-1), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif LEXMAX_PROJECT_BYTES == 32
  return (Lanes)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__aarch64__)
  return (Lanes)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
#else
  return Lanes{to_float(from[0]), to_float(from[1]), to_float(from[2]), to_float(from[3])};
#endif
}

LEXMAX_PROJECT_TARGET LEXMAX_INLINE void store(float* to, Lanes lanes) { *reinterpret_cast<Lanes*>(to) = lanes; }

/// sum + x * weight, rounded once where the processor can.
LEXMAX_PROJECT_TARGET LEXMAX_INLINE Lanes added(Lanes sum, float x, Lanes weight) {
#if LEXMAX_PROJECT_BYTES == 64
  return (Lanes)_mm512_fmadd_ps((__m512)weight, _mm512_set1_ps(x), (__m512)sum);
#elif LEXMAX_PROJECT_BYTES == 32
  return (Lanes)_mm256_fmadd_ps((__m256)weight, _mm256_set1_ps(x), (__m256)sum);
#elif defined(__aarch64__)
  return (Lanes)vfmaq_n_f32((float32x4_t)sum, (float32x4_t)weight, x);
#else
  return sum + x * weight;
#endif
}

/// Rows (n, depth) from one coordinate on, `n_depth` of them; weights (n_depth, stride) and sums `out` (n, columns)
/// from one column on.
struct Panel {
  const float* rows;
  std::size_t n, depth, n_depth;
  const float* weights;
  std::size_t stride;
  float* out;
  std::size_t columns;
};

/// Adds to kRows rows of the sums what the coordinates of a panel contribute.
template <int kRows, int kVectors>
LEXMAX_PROJECT_TARGET void tile(const Panel& p, std::size_t row) {
  Lanes sum[kRows][kVectors];
  float* out = p.out + row * p.columns;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[r][v] = loaded(out + r * p.columns + v * kWidth);
  const float* x = p.rows + row * p.depth;
  const float* weights = p.weights;
  const std::size_t depth = p.depth, stride = p.stride;
  for (const float* end = x + p.n_depth; x != end; ++x, weights += stride) {
    Lanes weight[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) weight[v] = loaded(weights + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = added(sum[r][v], x[r * depth], weight[v]);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) store(out + r * p.columns + v * kWidth, sum[r][v]);
}

template <int kRows, int kVectors>
LEXMAX_PROJECT_TARGET void last_rows(const Panel& p, std::size_t row) {
  if (p.n - row == kRows) return tile<kRows, kVectors>(p, row);
  if constexpr (kRows > 1) last_rows<kRows - 1, kVectors>(p, row);
}

/// All rows times one panel of kVectors registers; rows and vectors of a tile fill the registers.
template <int kVectors, class Weight>
LEXMAX_PROJECT_TARGET void column_group(const ProjectionOf<Weight>& p, std::size_t column, std::size_t begin,
                                        std::size_t end, float* scratch) {
  constexpr int kRows = LEXMAX_PROJECT_BYTES == 64 ? (kVectors > 2 ? 24 / kVectors : 12)
                                                   : (kVectors > 1 ? LEXMAX_PROJECT_BYTES / 8 + 2 : 8);
  const Weight* weights = p.weights + begin * p.columns + column;
  Panel panel{p.rows + begin, p.n, p.depth, end - begin, scratch, kVectors * kWidth, p.out + column, p.columns};
  if constexpr (sizeof(Weight) == sizeof(float)) {
    panel.weights = weights;
    panel.stride = p.columns;
  } else {
    for (std::size_t k = 0; k < end - begin; ++k)
      for (int v = 0; v < kVectors; ++v)
        store(scratch + (k * kVectors + v) * kWidth, loaded(weights + k * p.columns + v * kWidth));
  }
  std::size_t row = 0;
  for (; row + kRows <= p.n; row += kRows) tile<kRows, kVectors>(panel, row);
  last_rows<kRows - 1, kVectors>(panel, row);
}

template <class Weight>
LEXMAX_PROJECT_TARGET void many_rows(const ProjectionOf<Weight>& p) {
  constexpr int kVectors = LEXMAX_PROJECT_BYTES == 64 ? 4 : 2;
  std::vector<float> scratch(sizeof(Weight) == sizeof(float) ? 0 : kDepthBlock * kVectors * kWidth);
  for (std::size_t begin = 0; begin < p.depth; begin += kDepthBlock) {
    const std::size_t end = std::min(p.depth, begin + kDepthBlock);
    std::size_t column = 0;
    for (; column + kVectors * kWidth <= p.columns; column += kVectors * kWidth)
      column_group<kVectors>(p, column, begin, end, scratch.data());
    const std::size_t left = (p.columns - column) / kWidth;
    if (kVectors > 3 && left == 3) column_group<3>(p, column, begin, end, scratch.data());
    if (kVectors > 2 && left == 2) column_group<2>(p, column, begin, end, scratch.data());
    if (kVectors > 1 && left == 1) column_group<1>(p, column, begin, end, scratch.data());
  }
}

/// One row and those of its coordinates that are not zero.
template <class Weight>
struct SparseRow {
  const float* x;
  const std::uint32_t* places;
  std::size_t n;
  const Weight* weights;
  std::size_t columns;
  float* out;
};

/// Adds the contributions of the places `begin` to `end` to kVectors * kWidth columns from `column`.
template <int kVectors, class Weight>
LEXMAX_PROJECT_TARGET void add_places(const SparseRow<Weight>& row, std::size_t begin, std::size_t end,
                                      std::size_t column) {
  Lanes sum[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) sum[v] = loaded(row.out + column + v * kWidth);
  const Weight* from = row.weights + column;
  const std::size_t columns = row.columns, last = row.n - 1;
  for (std::size_t i = begin; i < end; ++i) {
    const Weight* ahead = from + row.places[std::min(i + kAhead, last)] * columns;
#pragma GCC unroll 16
    for (std::size_t byte = 0; byte < kVectors * kWidth * sizeof(Weight); byte += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(ahead) + byte);
    const Weight* weights = from + row.places[i] * columns;
    const float value = row.x[row.places[i]];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[v] = added(sum[v], value, loaded(weights + v * kWidth));
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) store(row.out + column + v * kWidth, sum[v]);
}

template <class Weight>
LEXMAX_PROJECT_TARGET void few_rows(const ProjectionOf<Weight>& p) {
  constexpr int kVectors = LEXMAX_PROJECT_BYTES == 64 ? 16 : 8;
  const auto places = std::make_unique_for_overwrite<std::uint32_t[]>(p.depth);
  for (std::size_t r = 0; r < p.n; ++r) {
    const float* x = p.rows + r * p.depth;
    const std::size_t n = find_not_zero(x, p.depth, places.get());
    const SparseRow<Weight> row{x, places.get(), n, p.weights, p.columns, p.out + r * p.columns};
    for (std::size_t begin = 0; begin < n; begin += kPlaces) {
      const std::size_t end = std::min(n, begin + kPlaces);
      std::size_t column = 0;
      for (; column + kVectors * kWidth <= p.columns; column += kVectors * kWidth)
        add_places<kVectors>(row, begin, end, column);
      for (; column < p.columns; column += kLanes) add_places<kLanes / kWidth>(row, begin, end, column);
    }
  }
}

template <class Weight>
LEXMAX_PROJECT_TARGET void run(const ProjectionOf<Weight>& p) {
  std::fill(p.out, p.out + p.n * p.columns, 0.0F);
  if (p.n < kFewRows) return few_rows(p);
  many_rows(p);
}
