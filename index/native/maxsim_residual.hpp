// MaxSim over residual codes: a token is its centroid plus a small vector of 4- or 2-bit codes, times a scale.
//
// The query is quantised twice. As it is, it gives the centroids' scores, once a query; each coordinate times the
// width of the residuals there, it is multiplied with the levels, which are the same for all coordinates.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "maxsim.hpp"
#include "maxsim_dots.hpp"
#include "maxsim_fp16.hpp"
#include "maxsim_int8.hpp"
#include "residual_decode.hpp"

namespace lexmax {

/// Tokens of all documents: codes (n_tokens, n_bytes), halves for scales (n_tokens,), centroids (n_tokens,).
struct ResidualView {
  const std::uint8_t* codes;
  const std::uint16_t* scales;
  const std::uint16_t* centroids;
  Documents documents;
  std::size_t dim;
  ResidualLevels levels;
};

/// `whole` for the centroids and `widened` for the residuals, each (n, dim); `ratios` (n,) are what a unit of
/// `widened` is in units of `whole`, whose scales are those of the query.
struct ResidualQuery {
  Int8Query whole;
  const std::int8_t* widened;
  const float* ratios;
};

/// Quantised centroids: codes (n, dim), scales (n,).
struct CentroidView {
  const std::int8_t* codes;
  const float* scales;
  std::size_t n;
};

/// Scores of centroids, [centroid][stride], in units of the query's scales.
struct CentroidScores {
  Lines<float> scores;
  std::size_t stride;
  std::size_t n;

  template <DotProducts Dots>
  static std::shared_ptr<const CentroidScores> of(const CentroidView& centroids, const Int8Query& query,
                                                  std::size_t dim) {
    const std::size_t blocks = (query.n + kQueryBlock - 1) / kQueryBlock;
    auto table = std::make_shared<CentroidScores>();
    table->stride = blocks * kQueryBlock;
    table->n = centroids.n;
    table->scores = Lines<float>(table->stride * centroids.n);
    [[maybe_unused]] const typename Dots::Registers registers;
    Dots dots(query.codes, query.n, dim);
    for (std::size_t first = 0; first < centroids.n; first += Dots::kRun) {
      const std::int8_t* codes = centroids.codes + first * dim;
      const std::size_t n = std::min(Dots::kRun, centroids.n - first);
      for (std::size_t block = 0; block < blocks; ++block) {
        const std::int32_t* found = dots.multiply({codes, n, first, (centroids.n - first) * dim, codes, 0}, block);
        for (std::size_t c = 0; c < n; ++c)
          for (std::size_t q = 0; q < kQueryBlock; ++q)
            table->scores.data()[(first + c) * table->stride + block * kQueryBlock + q] =
                static_cast<float>(found[c * kQueryBlock + q]) * centroids.scales[first + c];
      }
    }
    return table;
  }
};

template <DotProducts Dots>
class ResidualScorer {
 public:
  static constexpr std::size_t kRun = Dots::kRun;
  using Registers = typename Dots::Registers;

  ResidualScorer(const ResidualView& store, const CentroidView& centroids, const ResidualQuery& query)
      : store_(store),
        n_bytes_(store.levels.bytes(store.dim)),
        weights_(query.whole.scales, query.whole.scales + query.whole.n),
        ratios_((query.whole.n + kQueryBlock - 1) / kQueryBlock * kQueryBlock),
        table_(CentroidScores::of<Dots>(centroids, query.whole, store.dim)),
        dots_(query.widened, query.whole.n, store.dim),
        levels_((kRun + kRowSlack) * store.dim + kDecodeSlack * kRowSlack) {
    std::copy_n(query.ratios, query.whole.n, ratios_.data());
  }

  const std::vector<float>& weights() const { return weights_; }

  void raise_best(const TokenRun& run, std::size_t block, float* best) {
    const auto n = static_cast<std::size_t>(run.end - run.begin);
    decode(run.begin, n);
    const std::int32_t* dots = dots_.multiply(
        {levels_.data(), n, 0, levels_.size(), row(run.ahead.begin),
         static_cast<std::size_t>(run.ahead.end - run.ahead.begin) * n_bytes_},
        block);
    for (std::size_t t = 0; t < n; ++t) scales_[t] = half_to_float(store_.scales[run.begin + static_cast<std::int64_t>(t)]);
    Dots::Raise::raise(ResidualRun{dots, scales_, store_.centroids + run.begin,
                                   table_->scores.data() + block * kQueryBlock, table_->stride, table_->n,
                                   ratios_.data() + block * kQueryBlock, static_cast<int>(n)},
                       best);
  }

  // Two norms instead of one make so loose a bound that no document would be dropped.
  double rest(std::size_t, const DocumentRange&) const { return std::numeric_limits<double>::infinity(); }
  double guess(std::size_t) const { return std::numeric_limits<double>::infinity(); }

 private:
  // A multiplier may read some rows past the last one.
  static constexpr std::size_t kRowSlack = 16;

  const std::uint8_t* row(std::int64_t token) const { return store_.codes + static_cast<std::size_t>(token) * n_bytes_; }

  void decode(std::int64_t first, std::size_t n) {
    // Rows near the store's end are read byte by byte: registers would reach past it.
    const std::size_t near = (kDecodeSlack + n_bytes_ - 1) / n_bytes_;
    const std::size_t left = store_.documents.n_tokens - static_cast<std::size_t>(first);
    const std::size_t far = std::min(n, left - std::min(left, near));
    const std::uint8_t* codes = row(first);
    decode_rows(typename Dots::Raise{}, store_.levels, {codes, far, n_bytes_}, store_.dim, levels_.data());
    decode_rows(PortableRaise{}, store_.levels, {codes + far * n_bytes_, n - far, n_bytes_}, store_.dim,
                levels_.data() + far * store_.dim);
  }

  ResidualView store_;
  std::size_t n_bytes_;
  std::vector<float> weights_;
  Lines<float> ratios_;
  std::shared_ptr<const CentroidScores> table_;
  Dots dots_;
  Lines<std::int8_t> levels_;
  float scales_[kRun];
};

}  // namespace lexmax
