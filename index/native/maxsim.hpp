// MaxSim of one query and many documents (Khattab & Zaharia 2020): each query token takes its best
// document token, and the document's score is the sum. Numpy twin: lexmax.index.oracle_multivector.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu_path.hpp"

namespace lexmax {

/// Token vectors of all documents, one after another: document i has rows offsets[i] to
/// offsets[i + 1]. A codec without scales leaves them null.
template <class Code>
struct TokenView {
  const Code* codes;
  const float* scales;
  const std::int64_t* offsets;
  std::size_t n_docs;
  std::size_t n_tokens;
  std::size_t dim;
};

/// A few tokens of one document. `ahead` is where the next ones to come will lie: bring them from
/// memory while these are multiplied.
template <class Code>
struct TokenTile {
  const Code* codes;
  const float* scales;
  int n;
  const Code* ahead;
};

/// Knows one query. `raise_best` lifts best[q] to the greatest similarity of query token q with the
/// tile's tokens, of which there are 1 to kTile; `best` has room for `n_lanes()` values, of which
/// those past the query's tokens mean nothing.
template <class Scorer>
concept TileScorer = requires(Scorer scorer, TokenTile<typename Scorer::Code> tile, float* best) {
  { Scorer::kTile } -> std::convertible_to<int>;
  { scorer.n_lanes() } -> std::same_as<std::size_t>;
  { scorer.raise_best(tile, best) } -> std::same_as<void>;
};

struct DocumentRange {
  std::int64_t begin;
  std::int64_t end;
};

/// Rows of a document; throws rather than read outside the store.
template <class Code>
DocumentRange document_range(const TokenView<Code>& store, std::int64_t ordinal) {
  if (ordinal < 0 || ordinal >= static_cast<std::int64_t>(store.n_docs))
    throw std::out_of_range("ordinal " + std::to_string(ordinal) + " of a store of " +
                            std::to_string(store.n_docs) + " documents");
  const DocumentRange range{store.offsets[ordinal], store.offsets[ordinal + 1]};
  if (range.begin < 0 || range.begin > range.end ||
      range.end > static_cast<std::int64_t>(store.n_tokens))
    throw std::out_of_range("offsets of document " + std::to_string(ordinal) +
                            " lie outside the store");
  return range;
}

/// Scores of the documents `ordinals`, -inf for one without tokens. `weights[q]` multiplies the
/// best similarity of query token q; the sum is kept in double, in the query's order.
template <TileScorer Scorer>
void maxsim(Scorer& scorer, const std::vector<float>& weights,
            const TokenView<typename Scorer::Code>& store, const std::int64_t* ordinals,
            std::size_t n, float* out) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  std::vector<float> best(scorer.n_lanes());
  for (std::size_t i = 0; i < n; ++i) {
    const DocumentRange document = document_range(store, ordinals[i]);
    const DocumentRange next = i + 1 < n ? document_range(store, ordinals[i + 1]) : document;
    std::fill(best.begin(), best.end(), kNone);
    for (std::int64_t token = document.begin; token < document.end; token += Scorer::kTile) {
      const std::int64_t ahead = std::min(next.begin + (token - document.begin), next.end);
      const auto count = std::min<std::int64_t>(Scorer::kTile, document.end - token);
      scorer.raise_best({store.codes + token * store.dim, store.scales ? store.scales + token : nullptr,
                         static_cast<int>(count), store.codes + ahead * store.dim},
                        best.data());
    }
    double sum = 0.0;
    for (std::size_t q = 0; q < weights.size(); ++q)
      sum += static_cast<double>(best[q]) * static_cast<double>(weights[q]);
    out[i] = document.begin == document.end ? kNone : static_cast<float>(sum);
  }
}

}  // namespace lexmax
