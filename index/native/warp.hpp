// Which documents have the best tokens in the clusters near a query? The rest is imputed (Scheerer et al. 2025).
//
// A token of a cluster that is near any query token is scored with all of them: 32 query tokens cost no more than one.
// A document's similarity with a query token is the best of its tokens that were read. Where none lies in a cluster
// near to that query token, it is at least the imputed one.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "best_n.hpp"
#include "gathered_tokens.hpp"
#include "near_clusters.hpp"
#include "token_clusters.hpp"

namespace lexmax {

/// Similarities of documents as they are found; documents are numbered in the order in which they are met.
class WarpTable {
 public:
  explicit WarpTable(const NearClusters& near) : near_(near), stride_(near.blocks * kQueryBlock) {}

  std::uint32_t add(std::size_t doc) {
    docs_.push_back(static_cast<std::int64_t>(doc));
    best_.resize(best_.size() + stride_, -std::numeric_limits<float>::infinity());
    covered_.resize(covered_.size() + near_.blocks, 0);
    return static_cast<std::uint32_t>(docs_.size() - 1);
  }

  void cover(std::uint32_t slot, std::size_t cluster) {
    for (std::size_t block = 0; block < near_.blocks; ++block)
      covered_[slot * near_.blocks + block] |= near_.masks[cluster * near_.blocks + block];
  }

  float* best(std::uint32_t slot, std::size_t block) { return best_.data() + slot * stride_ + block * kQueryBlock; }

  /// Offers all documents with their scores, and forgets them. `weights` (query tokens,).
  void hand_over(const float* weights, BestN& to) {
    for (std::size_t slot = 0; slot < docs_.size(); ++slot) to.offer(score(slot, weights), docs_[slot]);
    docs_.clear();
    best_.clear();
    covered_.clear();
  }

 private:
  // In double and in the query's order, as MaxSim adds up.
  float score(std::size_t slot, const float* weights) const {
    double sum = 0.0;
    for (std::size_t q = 0; q < near_.n_queries; ++q) {
      const std::uint32_t covered = covered_[slot * near_.blocks + q / kQueryBlock] >> q % kQueryBlock;
      const float found = best_[slot * stride_ + q];
      const float similarity = covered & 1U ? found : std::max(found, near_.imputed[q]);
      sum += static_cast<double>(similarity) * static_cast<double>(weights[q]);
    }
    return static_cast<float>(sum);
  }

  const NearClusters& near_;
  std::size_t stride_;
  std::vector<std::int64_t> docs_;
  std::vector<float> best_;
  std::vector<std::uint32_t> covered_;
};

/// One search. Documents pass in windows, so that what is kept of them stays in the second-level cache.
template <GatheredTokens Tokens>
class WarpSearch {
 public:
  /// `alive` (n_docs,) may be null; `weights` (query tokens,) multiply the similarities.
  WarpSearch(const TokenClusters& clusters, const NearClusters& near, const std::uint8_t* alive, Tokens& tokens,
             const float* weights)
      : clusters_(clusters), near_(near), alive_(alive), tokens_(tokens), weights_(weights), table_(near) {}

  std::vector<Scored> best(std::size_t n) {
    BestN found(n);
    places_.resize(near_.centroids.size());
    for (std::size_t i = 0; i < places_.size(); ++i) places_[i] = clusters_.begin(near_.centroids[i]);
    for (std::size_t first = 0; first < clusters_.n_docs(); first += kWindow) {
      collect(first, std::min(kWindow, clusters_.n_docs() - first));
      for (std::size_t i = 0; i < met_.size(); i += kDotRows) score(i, std::min(kDotRows, met_.size() - i));
      table_.hand_over(weights_, found);
    }
    return found.take();
  }

 private:
  static constexpr std::size_t kWindow = 16384;
  // Tokens whose rows are on their way from memory.
  static constexpr std::size_t kAhead = 24;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Met {
    std::uint32_t token;
    std::uint32_t slot;
    std::uint32_t cluster;
  };

  // The tokens of a window's living documents, cluster by cluster.
  void collect(std::size_t first, std::size_t n_docs) {
    slots_.assign(n_docs, kNone);
    met_.clear();
    const std::int64_t last = clusters_.first_token(first + n_docs);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const std::size_t end = clusters_.end(near_.centroids[i]);
      for (; places_[i] < end && clusters_.token(places_[i]) < last; ++places_[i]) {
        const std::uint32_t token = clusters_.token(places_[i]);
        const std::size_t doc = clusters_.document_of(token);
        if (doc - first >= n_docs || (alive_ && !alive_[doc])) continue;
        std::uint32_t& slot = slots_[doc - first];
        if (slot == kNone) slot = table_.add(doc);
        table_.cover(slot, i);
        met_.push_back({token, slot, static_cast<std::uint32_t>(i)});
      }
    }
  }

  void score(std::size_t first, std::size_t n) {
    for (std::size_t r = 0; r < n; ++r) {
      if (first + r + kAhead < met_.size()) tokens_.prefetch(met_[first + r + kAhead].token);
      tokens_.set(r, met_[first + r].token, met_[first + r].cluster);
    }
    float* best[kDotRows];
    for (std::size_t block = 0; block < near_.blocks; ++block) {
      for (std::size_t r = 0; r < n; ++r) best[r] = table_.best(met_[first + r].slot, block);
      tokens_.raise(n, block, best);
    }
  }

  const TokenClusters& clusters_;
  const NearClusters& near_;
  const std::uint8_t* alive_;
  Tokens& tokens_;
  const float* weights_;
  WarpTable table_;
  std::vector<std::size_t> places_;
  std::vector<std::uint32_t> slots_;
  std::vector<Met> met_;
};

}  // namespace lexmax
