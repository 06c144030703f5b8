// Which tokens does each centroid stand for, and whose are they? Tokens sorted by their centroid.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

namespace lexmax {

/// Made from the centroid of every token by counting, in memory: 4 bytes a token.
class TokenClusters {
 public:
  /// codes (n_tokens,), each below n_centroids; offsets (n_docs + 1,), ascending from 0 to n_tokens.
  TokenClusters(const std::uint16_t* codes, std::size_t n_tokens, std::size_t n_centroids, const std::int64_t* offsets,
                std::size_t n_docs)
      : starts_(n_centroids + 1), tokens_(n_tokens), offsets_(offsets), n_docs_(n_docs) {
    if (n_tokens > std::numeric_limits<std::uint32_t>::max()) throw std::length_error("more tokens than 32 bits name");
    sort(codes);
    find_owners();
  }

  std::size_t n_centroids() const { return starts_.size() - 1; }
  std::size_t n_docs() const { return n_docs_; }
  std::size_t n_tokens() const { return tokens_.size(); }
  /// Centroids that stand for a token.
  std::size_t n_filled() const { return n_filled_; }
  std::size_t size(std::size_t centroid) const { return starts_[centroid + 1] - starts_[centroid]; }
  std::size_t begin(std::size_t centroid) const { return starts_[centroid]; }
  std::size_t end(std::size_t centroid) const { return starts_[centroid + 1]; }
  /// The tokens of a centroid ascend.
  std::uint32_t token(std::size_t place) const { return tokens_[place]; }

  /// The first token of document `doc`; of n_docs: how many tokens there are.
  std::int64_t first_token(std::size_t doc) const { return offsets_[doc]; }

  std::size_t document_of(std::uint32_t token) const {
    const std::size_t step = token / kOwnerStep;
    const std::int64_t* first = offsets_ + owners_[step] + 1;
    const std::int64_t* last = offsets_ + owners_[step + 1] + 1;
    return static_cast<std::size_t>(std::upper_bound(first, last, static_cast<std::int64_t>(token)) - offsets_) - 1;
  }

 private:
  // The document of every 64th token is kept, so few offsets are looked at.
  static constexpr std::size_t kOwnerStep = 64;

  void sort(const std::uint16_t* codes) {
    for (std::size_t t = 0; t < tokens_.size(); ++t) {
      if (codes[t] >= n_centroids()) throw std::out_of_range("a token is assigned to a centroid that is not there");
      ++starts_[codes[t] + 1];
    }
    for (std::size_t c = 0; c < n_centroids(); ++c) {
      n_filled_ += starts_[c + 1] > 0;
      starts_[c + 1] += starts_[c];
    }
    std::vector<std::size_t> next(starts_.begin(), starts_.end() - 1);
    for (std::size_t t = 0; t < tokens_.size(); ++t) tokens_[next[codes[t]]++] = static_cast<std::uint32_t>(t);
  }

  void find_owners() {
    owners_.reserve(tokens_.size() / kOwnerStep + 2);
    std::size_t doc = 0;
    for (std::size_t t = 0; t < tokens_.size(); t += kOwnerStep) {
      while (offsets_[doc + 1] <= static_cast<std::int64_t>(t)) ++doc;
      owners_.push_back(static_cast<std::uint32_t>(doc));
    }
    owners_.push_back(static_cast<std::uint32_t>(std::max<std::size_t>(n_docs_, 1) - 1));
  }

  std::vector<std::size_t> starts_;
  std::vector<std::uint32_t> tokens_;
  const std::int64_t* offsets_;
  std::size_t n_docs_;
  std::size_t n_filled_ = 0;
  std::vector<std::uint32_t> owners_;
};

}  // namespace lexmax
