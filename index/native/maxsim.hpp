// MaxSim of one query and many documents (Khattab & Zaharia 2020): each query token takes its best
// document token, and the document's score is the sum. Numpy twin: lexmax.index.oracle_multivector.
#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cache_lines.hpp"
#include "maxsim_raise.hpp"

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

struct DocumentRange {
  std::int64_t begin;
  std::int64_t end;
  bool empty() const { return begin == end; }
};

/// Where the tokens of each document lie: document i has tokens offsets[i] to offsets[i + 1].
struct Documents {
  const std::int64_t* offsets;
  std::size_t n_docs;
  std::size_t n_tokens;
};

/// Tokens of a document; throws rather than name some outside the store.
inline DocumentRange document_range(const Documents& store, std::int64_t ordinal) {
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

template <class Code>
DocumentRange document_range(const TokenView<Code>& store, std::int64_t ordinal) {
  return document_range(Documents{store.offsets, store.n_docs, store.n_tokens}, ordinal);
}

/// Consecutive tokens of one document, `begin` to `end`; the document begins at `first`. What comes next lies at
/// `ahead`.
struct TokenRun {
  std::int64_t first;
  std::int64_t begin;
  std::int64_t end;
  DocumentRange ahead;
};

/// Knows one query and one store. `raise_best` lifts best[q] to the greatest similarity of query token q of a block
/// with a run of 1 to kRun tokens; `best` has room for kQueryBlock values, of which those past the query's tokens
/// mean nothing. `weights()[q]` multiplies the best similarity of query token q. `rest(block, document)` is at least
/// what the query tokens from that block on can add to the score of the document; `guess(block)` takes no time and may
/// be wrong. `kept_run()` tokens, 1 to kRun, stay in the first-level cache while many blocks pass.
template <class Scorer>
concept TokenScorer = requires(Scorer scorer, const TokenRun& run, std::size_t block, float* best, DocumentRange range) {
  { Scorer::kRun } -> std::convertible_to<std::size_t>;
  typename Scorer::Registers;
  { scorer.weights() } -> std::same_as<const std::vector<float>&>;
  { scorer.raise_best(run, block, best) } -> std::same_as<void>;
  { scorer.rest(block, range) } -> std::same_as<double>;
  { scorer.guess(block) } -> std::same_as<double>;
  { scorer.kept_run() } -> std::same_as<std::size_t>;
};

constexpr float kNoScore = -std::numeric_limits<float>::infinity();

/// Scores documents one by one.
template <TokenScorer Scorer>
class DocumentScorer {
 public:
  explicit DocumentScorer(Scorer& scorer) : scorer_(scorer) {}

  /// The score of a document, kNoScore without tokens; the sum is kept in double, in the query's order. None where the
  /// score is certain to lie below `threshold`. `next` is the document that will be asked for next.
  std::optional<float> score(const DocumentRange& document, const DocumentRange& next, float threshold = kNoScore) {
    const std::vector<float>& weights = scorer_.weights();
    double sum = 0.0;
    for (std::size_t block = 0; block * kQueryBlock < weights.size(); ++block) {
      if (block > 0 && hopeless(document, block, sum, threshold)) return std::nullopt;
      raise(document, block > 0 ? document : next, block);
      const std::size_t first = block * kQueryBlock;
      for (std::size_t q = first; q < std::min(first + kQueryBlock, weights.size()); ++q)
        sum += static_cast<double>(best_[q - first]) * static_cast<double>(weights[q]);
    }
    return document.empty() ? kNoScore : static_cast<float>(sum);
  }

  /// Calls emit(i, score) for each of several queries, whose tokens are the scorer's one after another: those of query
  /// i end before stops[i]. Queries without tokens are left out. The scores are those that each would get alone.
  template <class Emit>
  void score_each(const DocumentRange& document, const DocumentRange& next, const std::vector<std::size_t>& stops,
                  Emit emit) {
    const std::vector<float>& weights = scorer_.weights();
    raise_all(document, next, (weights.size() + kQueryBlock - 1) / kQueryBlock);
    std::size_t q = 0;
    for (std::size_t i = 0; i < stops.size(); ++i) {
      if (q == stops[i]) continue;
      double sum = 0.0;
      for (; q < stops[i]; ++q) sum += static_cast<double>(bests_.data()[q]) * static_cast<double>(weights[q]);
      emit(i, document.empty() ? kNoScore : static_cast<float>(sum));
    }
  }

 private:
  // A bound takes time, so it is asked for only where a guess says that it will do.
  bool hopeless(const DocumentRange& document, std::size_t block, double sum, float threshold) {
    if (threshold == kNoScore || !(sum + scorer_.guess(block) < threshold)) return false;
    const double bound = sum + scorer_.rest(block, document);
    // Sums of the same numbers in another order differ by less.
    return static_cast<float>(bound + std::abs(bound) * 1e-9) < threshold;
  }

  void raise(const DocumentRange& document, const DocumentRange& next, std::size_t block) {
    std::fill_n(best_, kQueryBlock, kNoScore);
    each_run(document, next, static_cast<std::int64_t>(Scorer::kRun),
             [&](const TokenRun& run) { scorer_.raise_best(run, block, best_); });
  }

  // A run passes all blocks before the next one comes.
  void raise_all(const DocumentRange& document, const DocumentRange& next, std::size_t n_blocks) {
    if (bests_.size() < n_blocks * kQueryBlock) bests_ = Lines<float>(n_blocks * kQueryBlock);
    std::fill_n(bests_.data(), n_blocks * kQueryBlock, kNoScore);
    each_run(document, next, static_cast<std::int64_t>(scorer_.kept_run()), [&](TokenRun run) {
      for (std::size_t block = 0; block < n_blocks; ++block) {
        scorer_.raise_best(run, block, bests_.data() + block * kQueryBlock);
        run.ahead.end = run.ahead.begin;
      }
    });
  }

  template <class Visit>
  static void each_run(const DocumentRange& document, const DocumentRange& next, std::int64_t length, Visit visit) {
    for (std::int64_t token = document.begin; token < document.end; token += length) {
      const std::int64_t end = std::min(token + length, document.end);
      // The next document is brought at the pace of this one, and the rest of it with the last run.
      const std::int64_t from = std::min(next.begin + (token - document.begin), next.end);
      const std::int64_t to = end == document.end ? next.end : std::min(from + length, next.end);
      visit(TokenRun{document.begin, token, end, {from, to}});
    }
  }

  Scorer& scorer_;
  alignas(64) float best_[kQueryBlock];
  Lines<float> bests_;  // of all blocks
};

}  // namespace lexmax
