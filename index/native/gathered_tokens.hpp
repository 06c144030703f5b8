// What do single tokens from all over a store give with all query tokens? 32 of them are gathered at a time.
//
// Similarities are those of MaxSim, to the bit: the same integers, the same operations on floats.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "int8_dots.hpp"
#include "maxsim_fp16.hpp"
#include "maxsim_int8.hpp"
#include "maxsim_raise.hpp"
#include "maxsim_residual.hpp"
#include "project.hpp"

namespace lexmax {

/// `set(r, token, cluster)` takes row r of at most kDotRows; `raise(n, block, best)` lifts best[r] (kQueryBlock,) to the
/// similarities of row r with a block of query tokens.
template <class Tokens>
concept GatheredTokens = requires(Tokens tokens, std::size_t i, std::int64_t token, float* const* best) {
  { tokens.prefetch(token) } -> std::same_as<void>;
  { tokens.set(i, token, i) } -> std::same_as<void>;
  { tokens.raise(i, i, best) } -> std::same_as<void>;
};

namespace gather_detail {

// Unlike raise_detail::raise each token has a best of its own, because its neighbours are of other documents.
template <std::size_t kBytes, class Run>
LEXMAX_INLINE void raise_each(const Run& run, float* const* best) {
  using Floats = raise_detail::Register<float, kBytes>;
  constexpr std::size_t kLanes = kBytes / sizeof(float);
  for (int t = 0; t < run.n; ++t)
    for (std::size_t lane = 0; lane < kQueryBlock; lane += kLanes) {
      Floats top, found;
      raise_detail::load(top, best[t] + lane);
      raise_detail::similarity(found, run, t, lane);
      raise_detail::lift(top, found);
      std::memcpy(best[t] + lane, &top, sizeof top);
    }
}

#if LEXMAX_X86
template <class Run>
LEXMAX_TARGET_AVX2 void raise_each_avx2(const Run& run, float* const* best) {
  raise_each<32>(run, best);
}
template <class Run>
LEXMAX_TARGET_AVX512 void raise_each_avx512(const Run& run, float* const* best) {
  raise_each<64>(run, best);
}
#endif

template <class Run>
void raise_each(const Run& run, float* const* best, CpuPath path) {
#if LEXMAX_X86
  if (path >= CpuPath::avx512) return raise_each_avx512(run, best);
  if (path == CpuPath::avx2) return raise_each_avx2(run, best);
#endif
  (void)path;
  raise_each<16>(run, best);
}

template <class T>
void prefetch(const T* from, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  const auto* byte = reinterpret_cast<const char*>(from);
  for (std::size_t i = 0; i < bytes; i += kLine) __builtin_prefetch(byte + i, 0, 2);
}

}  // namespace gather_detail

class GatheredInt8 {
 public:
  GatheredInt8(const TokenView<std::int8_t>& store, const Int8Columns& query, CpuPath path)
      : store_(store), query_(query), path_(path), dots_(store.dim, path) {}

  void prefetch(std::int64_t token) const {
    gather_detail::prefetch(row(token), store_.dim);
    gather_detail::prefetch(store_.scales + token, sizeof(float));
  }

  void set(std::size_t r, std::int64_t token, std::size_t) {
    dots_.set_row(r, row(token));
    scales_[r] = store_.scales[token];
  }

  void raise(std::size_t n, std::size_t block, float* const* best) {
    dots_.multiply(query_, block, products_);
    gather_detail::raise_each(ScaledRun{products_, scales_, static_cast<int>(n)}, best, path_);
  }

 private:
  const std::int8_t* row(std::int64_t token) const {
    return store_.codes + static_cast<std::size_t>(token) * store_.dim;
  }

  TokenView<std::int8_t> store_;
  const Int8Columns& query_;
  CpuPath path_;
  Int8Dots dots_;
  float scales_[kDotRows];
  alignas(64) std::int32_t products_[kDotRows * kDotColumns];
};

/// What the clusters give, [cluster][stride], in units of the query's scales.
struct ClusterScores {
  std::vector<float> scores;
  std::size_t stride;

  ClusterScores(const Int8Rows& centroids, const std::vector<std::uint32_t>& clusters, const Int8Columns& query,
                CpuPath path)
      : scores(clusters.size() * query.blocks() * kQueryBlock), stride(query.blocks() * kQueryBlock) {
    Int8Dots dots(centroids.dim, path);
    alignas(64) std::int32_t products[kDotRows * kDotColumns];
    for (std::size_t first = 0; first < clusters.size(); first += kDotRows) {
      const std::size_t rows = std::min(kDotRows, clusters.size() - first);
      for (std::size_t r = 0; r < rows; ++r) dots.set_row(r, centroids.row(clusters[first + r]));
      for (std::size_t block = 0; block < query.blocks(); ++block) {
        dots.multiply(query, block, products);
        for (std::size_t r = 0; r < rows; ++r)
          for (std::size_t q = 0; q < kQueryBlock; ++q)
            scores[(first + r) * stride + block * kQueryBlock + q] =
                static_cast<float>(products[r * kQueryBlock + q]) * centroids.scales[clusters[first + r]];
      }
    }
  }
};

/// Implicit decompression (Scheerer et al. 2025, section 4.4): what the cluster gives, and the product with the codes.
class GatheredResiduals {
 public:
  /// `widened` are the columns of the widened query, `ratios` (query tokens,); clusters are numbered as `scores` are.
  GatheredResiduals(const ResidualView& store, const ClusterScores& scores, const Int8Columns& widened,
                    const float* ratios, CpuPath path)
      : store_(store),
        n_bytes_(store.levels.bytes(store.dim)),
        clusters_(scores),
        widened_(widened),
        ratios_(widened.blocks() * kQueryBlock),
        path_(path),
        dots_(store.dim, path),
        levels_(store.dim + 2 * kDecodeSlack) {
    std::copy_n(ratios, widened.n(), ratios_.data());
  }

  void prefetch(std::int64_t token) const {
    gather_detail::prefetch(row(token), n_bytes_);
    gather_detail::prefetch(store_.scales + token, sizeof(std::uint16_t));
  }

  void set(std::size_t r, std::int64_t token, std::size_t cluster) {
    decode(token);
    dots_.set_row(r, levels_.data());
    scales_[r] = half_to_float(store_.scales[token]);
    numbers_[r] = static_cast<std::uint16_t>(cluster);
  }

  void raise(std::size_t n, std::size_t block, float* const* best) {
    dots_.multiply(widened_, block, products_);
    const std::size_t first = block * kQueryBlock;
    gather_detail::raise_each(
        ResidualRun{products_, scales_, numbers_, clusters_.scores.data() + first, clusters_.stride,
                    clusters_.scores.size() / clusters_.stride, ratios_.data() + first, static_cast<int>(n)},
        best, path_);
  }

 private:
  const std::uint8_t* row(std::int64_t token) const { return store_.codes + static_cast<std::size_t>(token) * n_bytes_; }

  void decode(std::int64_t token) {
    const CodeRows one{row(token), 1, n_bytes_};
    // Near the store's end rows are read byte by byte: registers would reach past it.
    const bool far = (store_.documents.n_tokens - static_cast<std::size_t>(token) - 1) * n_bytes_ >= kDecodeSlack;
#if LEXMAX_X86
    if (far && path_ >= CpuPath::avx512) return decode_rows(Avx512Raise{}, store_.levels, one, store_.dim, levels_.data());
    if (far && path_ == CpuPath::avx2) return decode_rows(Avx2Raise{}, store_.levels, one, store_.dim, levels_.data());
#endif
    (void)far;
    decode_rows(PortableRaise{}, store_.levels, one, store_.dim, levels_.data());
  }

  ResidualView store_;
  std::size_t n_bytes_;
  const ClusterScores& clusters_;
  const Int8Columns& widened_;
  std::vector<float> ratios_;
  CpuPath path_;
  Int8Dots dots_;
  std::vector<std::int8_t> levels_;
  float scales_[kDotRows];
  std::uint16_t numbers_[kDotRows];
  alignas(64) std::int32_t products_[kDotRows * kDotColumns];
};

/// Halves, decoded to float32.
class GatheredHalves {
 public:
  GatheredHalves(const TokenView<std::uint16_t>& store, const FloatQuery& query, CpuPath path)
      : store_(store),
        path_(path),
        query_((query.n + kQueryBlock - 1) / kQueryBlock * store.dim * kQueryBlock),
        rows_(kDotRows * store.dim) {
    for (std::size_t q = 0; q < query.n; ++q)
      for (std::size_t k = 0; k < store.dim; ++k)
        query_[(q / kQueryBlock * store.dim + k) * kQueryBlock + q % kQueryBlock] = query.vectors[q * store.dim + k];
  }

  void prefetch(std::int64_t token) const { gather_detail::prefetch(row(token), store_.dim * sizeof(std::uint16_t)); }

  void set(std::size_t r, std::int64_t token, std::size_t) {
    for (std::size_t k = 0; k < store_.dim; ++k) rows_[r * store_.dim + k] = half_to_float(row(token)[k]);
  }

  void raise(std::size_t n, std::size_t block, float* const* best) {
    const float* weights = query_.data() + block * store_.dim * kQueryBlock;
    project({rows_.data(), n, store_.dim, weights, kQueryBlock, products_}, path_);
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t q = 0; q < kQueryBlock; ++q) best[r][q] = std::max(best[r][q], products_[r * kQueryBlock + q]);
  }

 private:
  const std::uint16_t* row(std::int64_t token) const {
    return store_.codes + static_cast<std::size_t>(token) * store_.dim;
  }

  TokenView<std::uint16_t> store_;
  CpuPath path_;
  std::vector<float> query_;  // [block][coordinate][query token]
  std::vector<float> rows_;
  alignas(64) float products_[kDotRows * kQueryBlock];
};

}  // namespace lexmax
