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
#include <utility>
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

/// Which centroids a search can meet, so that a few candidates do not pay for the query's products with all of them.
///
/// `ids` ascend; places[id] is where an id stands among them. Both are empty where all are met, or nearly all.
struct AskedCentroids {
  std::vector<std::uint16_t> ids;
  std::vector<std::uint16_t> places;

  static AskedCentroids of(const ResidualView& store, const std::int64_t* ordinals, std::size_t n_ordinals,
                           std::size_t n_centroids) {
    // With half as many tokens as centroids, gathering some costs what all of them do.
    std::size_t n_tokens = 0;
    for (std::size_t i = 0; i < n_ordinals; ++i) {
      const DocumentRange range = document_range(store.documents, ordinals[i]);
      n_tokens += static_cast<std::size_t>(range.end - range.begin);
      if (2 * n_tokens > n_centroids) return {};
    }
    AskedCentroids asked;
    asked.places.resize(n_centroids);
    for (std::size_t i = 0; i < n_ordinals; ++i) {
      const DocumentRange range = document_range(store.documents, ordinals[i]);
      for (std::int64_t token = range.begin; token < range.end; ++token)
        asked.places[std::min<std::size_t>(store.centroids[token], n_centroids - 1)] = 1;
    }
    for (std::size_t c = 0; c < n_centroids; ++c) {
      if (!asked.places[c]) continue;
      asked.places[c] = static_cast<std::uint16_t>(asked.ids.size());
      asked.ids.push_back(static_cast<std::uint16_t>(c));
    }
    return asked;
  }
};

/// Scores of centroids, [place][stride], in units of the query's scales; a place is the centroid's number where
/// `places` is empty.
struct CentroidScores {
  Lines<float> scores;
  std::size_t stride;
  std::size_t n;
  std::vector<std::uint16_t> places;

  template <DotProducts Dots>
  static std::shared_ptr<const CentroidScores> of(const CentroidView& centroids, AskedCentroids asked,
                                                  const Int8Query& query, std::size_t dim) {
    const bool some = !asked.places.empty();
    auto table = std::make_shared<CentroidScores>();
    table->stride = (query.n + kQueryBlock - 1) / kQueryBlock * kQueryBlock;
    table->n = some ? asked.ids.size() : centroids.n;
    table->scores = Lines<float>(table->stride * table->n);
    [[maybe_unused]] const typename Dots::Registers registers;
    Dots dots(query.codes, query.n, dim);
    Lines<std::int8_t> gathered(some ? Dots::kRun * dim : 0);
    for (std::size_t first = 0; first < table->n; first += Dots::kRun) {
      const std::size_t n = std::min(Dots::kRun, table->n - first);
      TokenRows rows{centroids.codes + first * dim, n, first, (centroids.n - first) * dim, centroids.codes, 0};
      if (some) {
        for (std::size_t c = 0; c < n; ++c)
          std::memcpy(gathered.data() + c * dim, centroids.codes + asked.ids[first + c] * dim, dim);
        rows = {gathered.data(), n, 0, gathered.size(), gathered.data(), 0};
      }
      const auto scale = [&](std::size_t c) { return centroids.scales[some ? asked.ids[first + c] : first + c]; };
      for (std::size_t block = 0; block * kQueryBlock < table->stride; ++block) {
        const std::int32_t* found = dots.multiply(rows, block);
        for (std::size_t c = 0; c < n; ++c)
          for (std::size_t q = 0; q < kQueryBlock; ++q)
            table->scores.data()[(first + c) * table->stride + block * kQueryBlock + q] =
                static_cast<float>(found[c * kQueryBlock + q]) * scale(c);
      }
    }
    table->places = std::move(asked.places);
    return table;
  }
};

template <DotProducts Dots>
class ResidualScorer {
 public:
  static constexpr std::size_t kRun = Dots::kRun;
  using Registers = typename Dots::Registers;

  /// Scores documents whose centroids are among those asked for.
  ResidualScorer(const ResidualView& store, const CentroidView& centroids, AskedCentroids asked,
                 const ResidualQuery& query)
      : store_(store),
        n_bytes_(store.levels.bytes(store.dim)),
        weights_(query.whole.scales, query.whole.scales + query.whole.n),
        ratios_((query.whole.n + kQueryBlock - 1) / kQueryBlock * kQueryBlock),
        table_(CentroidScores::of<Dots>(centroids, std::move(asked), query.whole, store.dim)),
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
    Dots::Raise::raise(ResidualRun{dots, scales_, places(run.begin, n),
                                   table_->scores.data() + block * kQueryBlock, table_->stride, table_->n,
                                   ratios_.data() + block * kQueryBlock, static_cast<int>(n)},
                       best);
  }

  // Two norms instead of one make so loose a bound that no document would be dropped.
  double rest(std::size_t, const DocumentRange&) const { return std::numeric_limits<double>::infinity(); }
  double guess(std::size_t) const { return std::numeric_limits<double>::infinity(); }
  std::size_t kept_run() const { return kRun; }

 private:
  // A multiplier may read some rows past the last one.
  static constexpr std::size_t kRowSlack = 16;

  const std::uint8_t* row(std::int64_t token) const { return store_.codes + static_cast<std::size_t>(token) * n_bytes_; }

  /// Where the centroids of n tokens stand in the table.
  const std::uint16_t* places(std::int64_t first, std::size_t n) {
    const std::uint16_t* centroids = store_.centroids + first;
    if (table_->places.empty()) return centroids;
    // A damaged code names no centroid: the last one stands for it.
    for (std::size_t t = 0; t < n; ++t)
      places_[t] = table_->places[std::min<std::size_t>(centroids[t], table_->places.size() - 1)];
    return places_;
  }

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
  std::uint16_t places_[kRun];
};

}  // namespace lexmax
