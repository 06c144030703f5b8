// How is a batch of queries shared among threads? Queries first; a single one is cut into ranges of windows.
//
// Each part of the work has accumulators and candidates of its own, and every part's answer is exact: so the result
// does not depend on the number of threads.
#pragma once
#include "parallel.hpp"
#include "sparse_search.hpp"

namespace lexmax::sparse {

class BatchSearch {
 public:
  BatchSearch(const Segment& segment, std::span<const std::uint8_t> alive, CpuPath path, const Engine& engine,
              std::size_t k)
      : segment_(segment), alive_(alive), path_(path), engine_(engine), k_(k) {
    n_alive_ = segment.n_docs();
    if (!alive.empty()) n_alive_ = static_cast<std::size_t>(std::count(alive.begin(), alive.end(), std::uint8_t{1}));
  }

  /// The k best documents of every query, best first.
  std::vector<std::vector<Scored>> run(std::span<const Query> queries, std::size_t threads) const {
    std::vector<std::vector<Scored>> best(queries.size());
    if (queries.size() < threads) {
      for (std::size_t q = 0; q < queries.size(); ++q) best[q] = split(queries[q], threads);
      return best;
    }
    const std::size_t size = std::min(kTogether, (queries.size() + threads - 1) / threads);
    in_parallel((queries.size() + size - 1) / size, threads, [&](std::size_t group) {
      const std::size_t first = group * size;
      together(queries.subspan(first, std::min(size, queries.size() - first)), best.data() + first);
    });
    return best;
  }

 private:
  // Their candidates and cursors share the second-level cache with a window's postings.
  static constexpr std::size_t kTogether = 32;

  double postings_of(const Query& query) const {
    double postings = 0;
    for (const std::uint32_t term : query.terms) postings += segment_.doc_freqs[term];
    return postings;
  }

  Engine engine_for(const Query& query) const {
    return postings_of(query) <= static_cast<double>(engine_.affordable) ? Engine{} : engine_;
  }

  bool by_force(const Query& query) const {
    if (query.terms.size() > UpperBounds::kMaxTerms) return true;
    const double row = 40 + 0.5 * static_cast<double>(segment_.forward.size()) / static_cast<double>(segment_.n_docs());
    return static_cast<double>(n_alive_) * row < 0.3 * postings_of(query);
  }

  void together(std::span<const Query> queries, std::vector<Scored>* best) const {
    Searcher searcher(segment_, alive_, path_);
    std::vector<std::unique_ptr<QueryScan>> scans;
    std::vector<std::size_t> places;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      if (queries[q].terms.empty() || n_alive_ == 0) continue;
      if (by_force(queries[q])) {
        best[q] = searcher.brute_force(queries[q], k_, 0, segment_.n_docs());
        continue;
      }
      scans.push_back(std::make_unique<QueryScan>(segment_, queries[q], k_, engine_for(queries[q]), Daring::extrapolating));
      places.push_back(q);
    }
    searcher.scan(scans, 0, segment_.n_windows());
    for (std::size_t i = 0; i < scans.size(); ++i) best[places[i]] = searcher.best(*scans[i], k_, 0, segment_.n_windows());
  }

  std::vector<Scored> split(const Query& query, std::size_t threads) const {
    if (query.terms.empty() || n_alive_ == 0) return {};
    const bool force = by_force(query);
    const std::size_t n = force ? segment_.n_docs() : segment_.n_windows();
    const std::size_t parts = std::min(threads, std::max<std::size_t>(n, 1));
    std::vector<std::vector<Scored>> found(parts);
    in_parallel(parts, threads, [&](std::size_t part) {
      Searcher searcher(segment_, alive_, path_);
      const std::size_t first = n * part / parts, last = n * (part + 1) / parts;
      if (force) {
        found[part] = searcher.brute_force(query, k_, first, last);
        return;
      }
      std::vector<std::unique_ptr<QueryScan>> scan;
      scan.push_back(std::make_unique<QueryScan>(segment_, query, k_, engine_for(query), Daring::extrapolating));
      searcher.scan(scan, first, last);
      found[part] = searcher.best(*scan.front(), k_, first, last);
    });
    std::vector<Scored> best;
    for (const auto& some : found) best.insert(best.end(), some.begin(), some.end());
    std::sort(best.begin(), best.end());
    best.resize(std::min(k_, best.size()));
    return best;
  }

  const Segment& segment_;
  std::span<const std::uint8_t> alive_;
  CpuPath path_;
  Engine engine_;
  std::size_t k_, n_alive_;
};

}  // namespace lexmax::sparse
