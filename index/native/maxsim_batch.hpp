// Which documents have the best scores for each of several queries? A document is read once for many of them.
//
// Queries that look at the same documents stand side by side in a panel, whose tokens fill whole blocks. Panels that
// look at others go together in a tile, over the documents of all of them in order: what one has brought into the cache
// the next one finds there (batches of queries that share what they read: HQI, arXiv 2304.01926, section 5).
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "maxsim_best.hpp"

namespace lexmax {

/// One query: its tokens are `n_tokens` rows of all queries', from `first_token` on, behind those of the query before.
struct Asked {
  std::size_t first_token;
  std::size_t n_tokens;
  const std::int64_t* ordinals;
  std::size_t n_ordinals;
};

namespace batch_detail {

inline std::size_t blocks_of(std::size_t n_tokens) { return (n_tokens + kQueryBlock - 1) / kQueryBlock; }

/// Queries `first` to `stop`, which look at the same documents, and how many tokens they have together.
struct Panel {
  std::size_t first;
  std::size_t stop;
  std::size_t n_tokens;
};

/// Panels one behind another.
struct Tile {
  std::vector<Panel> panels;
  std::size_t first() const { return panels.front().first; }
  std::size_t n_queries() const { return panels.back().stop - first(); }
};

/// Tiles of at most so many blocks of tokens; a single query may have more.
inline std::vector<Tile> tiles_of(const std::vector<Asked>& asked, std::size_t blocks) {
  std::vector<Tile> tiles;
  std::size_t before = 0;  // blocks of a tile's panels but the last
  for (std::size_t q = 0; q < asked.size(); ++q) {
    const Asked& one = asked[q];
    const Panel* last = tiles.empty() ? nullptr : &tiles.back().panels.back();
    bool joins = last && asked[last->first].ordinals == one.ordinals && asked[last->first].n_ordinals == one.n_ordinals;
    std::size_t n_tokens = one.n_tokens + (joins ? last->n_tokens : 0);
    if (last && !joins) before += blocks_of(last->n_tokens);
    if (!last || before + blocks_of(n_tokens) > blocks) {
      tiles.emplace_back();
      joins = false;
      n_tokens = one.n_tokens;
      before = 0;
    }
    std::vector<Panel>& panels = tiles.back().panels;
    if (joins)
      panels.back() = {panels.back().first, q + 1, n_tokens};
    else
      panels.push_back({q, q + 1, n_tokens});
  }
  return tiles;
}

/// What a tile looks at: documents in order, each with the panel that wants it.
class Visits {
 public:
  Visits(const std::vector<Asked>& asked, const Tile& tile) {
    const Asked& first = asked[tile.first()];
    if (tile.panels.size() == 1) {
      ordinals_ = first.ordinals;
      n_ = first.n_ordinals;
      return;
    }
    for (std::size_t p = 0; p < tile.panels.size(); ++p) {
      const Asked& one = asked[tile.panels[p].first];
      for (std::size_t i = 0; i < one.n_ordinals; ++i) pairs_.push_back({one.ordinals[i], p});
    }
    std::sort(pairs_.begin(), pairs_.end(), [](const Pair& a, const Pair& b) {
      return a.ordinal != b.ordinal ? a.ordinal < b.ordinal : a.panel < b.panel;
    });
    n_ = pairs_.size();
  }

  std::size_t size() const { return n_; }
  std::int64_t ordinal(std::size_t i) const { return ordinals_ ? ordinals_[i] : pairs_[i].ordinal; }
  std::size_t panel(std::size_t i) const { return ordinals_ ? 0 : pairs_[i].panel; }

 private:
  struct Pair {
    std::int64_t ordinal;
    std::size_t panel;
  };
  const std::int64_t* ordinals_ = nullptr;  // of a single panel, which is not copied
  std::size_t n_ = 0;
  std::vector<Pair> pairs_;
};

/// Where the tokens of each query of a panel end, counted from the panel's first.
inline std::vector<std::size_t> stops_of(const std::vector<Asked>& asked, const Panel& panel) {
  std::vector<std::size_t> stops;
  std::size_t n = 0;
  for (std::size_t q = panel.first; q < panel.stop; ++q) stops.push_back(n += asked[q].n_tokens);
  return stops;
}

}  // namespace batch_detail

/// Several queries over one store: `alive` as in Candidates, the k best of each.
struct BatchSearch {
  Documents store;
  const std::vector<Asked>& asked;
  const std::uint8_t* alive;
  std::size_t k;
};

/// One tile: `make(panel)` gives a scorer of a panel's tokens. `give(q, best)` gets what query q finds, best first.
/// False where a document with tokens has no score.
template <class Make, class Give>
bool search_tile(const BatchSearch& search, const batch_detail::Tile& tile, std::size_t threads, Make make, Give give) {
  using namespace best_detail;
  using Scorer = decltype(make(tile.panels.front()));
  const batch_detail::Visits visits(search.asked, tile);
  std::vector<Scorer> scorers;
  std::vector<std::vector<std::size_t>> stops;
  for (const batch_detail::Panel& panel : tile.panels) {
    scorers.push_back(make(panel));
    stops.push_back(batch_detail::stops_of(search.asked, panel));
  }
  const std::size_t n = tile.n_queries(), parts = parts_of(visits.size(), threads);
  std::vector<std::vector<RunningBest>> found(parts, std::vector<RunningBest>(n, RunningBest(search.k)));
  std::vector<SharedThreshold> shared(n);
  std::atomic<bool> sound{true};
  in_parallel(parts, threads, [&](std::size_t part) {
    std::vector<Scorer> mine = scorers;
    std::vector<DocumentScorer<Scorer>> documents(mine.begin(), mine.end());
    [[maybe_unused]] const typename Scorer::Registers registers;
    const auto offer = [&](std::size_t q, float score, std::int64_t ordinal) {
      if (!(score > kNoScore)) {
        sound.store(false, std::memory_order_relaxed);
        return;
      }
      found[part][q].offer({score, ordinal});
      shared[q].raise(found[part][q].threshold());
    };
    const auto visit = [&](std::size_t i, const DocumentRange& document, const DocumentRange& next) {
      if (document.empty()) return;
      const std::size_t p = visits.panel(i), first = tile.panels[p].first - tile.first();
      const std::int64_t ordinal = visits.ordinal(i);
      if (stops[p].size() > 1) {
        documents[p].score_each(document, next, stops[p],
                             [&](std::size_t q, float score) { offer(first + q, score, ordinal); });
      } else if (stops[p].back() > 0) {
        if (const auto score = documents[p].score(document, next, shared[first].value())) offer(first, *score, ordinal);
      }
    };
    const auto ordinal = [&](std::size_t i) { return visits.ordinal(i); };
    each_document(search.store, ordinal, search.alive, visits.size() * part / parts,
                  visits.size() * (part + 1) / parts, visit);
  });
  for (std::size_t q = 0; q < n; ++q) {
    RunningBest all(search.k);
    for (const std::vector<RunningBest>& one : found)
      for (const Scored& document : one[q].documents()) all.offer(document);
    std::vector<Scored> best = all.documents();
    std::sort(best.begin(), best.end(), ranks_before);
    give(tile.first() + q, best);
  }
  return sound;
}

/// All queries, in tiles of at most so many blocks of tokens. Threads take tiles, or where there are few of them
/// documents.
template <class Make, class Give>
bool search_batch(const BatchSearch& search, std::size_t blocks, std::size_t threads, Make make, Give give) {
  // With as many for each thread all end together.
  constexpr std::size_t kTilesPerThread = 4;
  const auto tiles = batch_detail::tiles_of(search.asked, blocks);
  std::atomic<bool> sound{true};
  const auto one = [&](std::size_t i, std::size_t threads_of_one) {
    if (!search_tile(search, tiles[i], threads_of_one, make, give)) sound = false;
  };
  if (threads <= 1 || tiles.size() >= kTilesPerThread * threads) {
    in_parallel(tiles.size(), threads, [&](std::size_t i) { one(i, 1); });
  } else {
    for (std::size_t i = 0; i < tiles.size(); ++i) one(i, threads);
  }
  return sound;
}

}  // namespace lexmax
