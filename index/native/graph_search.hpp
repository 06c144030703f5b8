// Which vectors does a walk over a graph of neighbours find? Beam search on the lowest level of a
// hierarchical navigable small world (Malkov & Yashunin 2020, algorithm 2). Instead of the levels
// above, whose use is to find where to begin, some entries are all looked at.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <vector>

#include "best_n.hpp"
#include "vector_scan.hpp"

namespace lexmax {

/// Row i of links (n, width) holds the neighbours of vector i; numbers outside 0..n - 1 are none.
struct Graph {
  const std::int32_t* links;
  std::size_t n;
  std::size_t width;
  const std::int32_t* entries;
  std::size_t n_entries;
};

template <VectorScorer Scorer>
class GraphSearch {
 public:
  GraphSearch(const Graph& graph, const Scorer& scorer, const std::uint8_t* alive, std::size_t beam)
      : graph_(graph), scorer_(scorer), alive_(alive), beam_(beam), seen_((graph.n + 63) / 64) {}

  /// At most `beam` vectors that live, best first. All entries and those that do not live are
  /// walked through; the walk ends where the best that is left is worse than a full beam.
  std::vector<Scored> run() {
    visit(graph_.entries, graph_.n_entries);
    while (!ahead_.empty()) {
      const Scored next = ahead_.top();
      if (found_.size() >= beam_ && ranks_before(found_.top(), next)) break;
      ahead_.pop();
      visit(graph_.links + next.ordinal * static_cast<std::int64_t>(graph_.width), graph_.width);
    }
    std::vector<Scored> best;
    for (; !found_.empty(); found_.pop()) best.push_back(found_.top());
    std::reverse(best.begin(), best.end());
    return best;
  }

 private:
  struct Later {
    bool operator()(const Scored& a, const Scored& b) const { return ranks_before(b, a); }
  };
  struct Earlier {
    bool operator()(const Scored& a, const Scored& b) const { return ranks_before(a, b); }
  };

  void visit(const std::int32_t* ordinals, std::size_t n) {
    fresh_.clear();
    for (std::size_t i = 0; i < n; ++i) {
      const auto ordinal = static_cast<std::uint32_t>(ordinals[i]);
      if (ordinal >= graph_.n) continue;
      const std::uint64_t bit = std::uint64_t{1} << (ordinal % 64);
      if (seen_[ordinal / 64] & bit) continue;
      seen_[ordinal / 64] |= bit;
      fresh_.push_back(ordinal);
    }
    scores_.resize(fresh_.size());
    scorer_.score({fresh_.data(), 0, fresh_.size()}, scores_.data());
    for (std::size_t i = 0; i < fresh_.size(); ++i) keep({scores_[i], fresh_[i]});
  }

  void keep(const Scored& one) {
    if (one.score != one.score) return;  // NaN has no place in an order
    if (found_.size() >= beam_ && !ranks_before(one, found_.top())) return;
    ahead_.push(one);
    if (alive_ && !alive_[one.ordinal]) return;
    found_.push(one);
    if (found_.size() > beam_) found_.pop();
  }

  const Graph& graph_;
  const Scorer& scorer_;
  const std::uint8_t* alive_;
  std::size_t beam_;
  std::vector<std::uint64_t> seen_;
  std::vector<std::int64_t> fresh_;
  std::vector<float> scores_;
  std::priority_queue<Scored, std::vector<Scored>, Later> ahead_;    // the best on top
  std::priority_queue<Scored, std::vector<Scored>, Earlier> found_;  // the worst on top
};

}  // namespace lexmax
