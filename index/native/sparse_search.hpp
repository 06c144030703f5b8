// Exact top-k of a sparse query: windowed term-at-a-time accumulation of 8-bit impacts, then exact rescoring.
//
// Per window of at most 65,536 documents, each query term's postings add multiplier * impact to a u32 per document;
// documents at or above the running threshold become candidates. What the proven bounds (sparse_bounds.hpp) cannot
// exclude is scored from the forward index in float64, in ascending term order: the bits of oracle_sparse.py.
//
// Arrays may come from a damaged file: every value that is used as an index is checked or masked first, so the worst
// outcome is `Corrupt` or a wrong score, never a read or write out of bounds. Lengths of arrays are the caller's.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sparse_bounds.hpp"
#include "sparse_candidates.hpp"

namespace lexmax::sparse {

/// One segment, as it lies on disk: docs/format/sparse.md.
struct Segment {
  std::span<const float> steps;
  std::span<const std::int64_t> window_starts, window_ptr;
  std::span<const std::uint32_t> list_terms;
  std::span<const std::int64_t> list_ptr;
  std::span<const std::uint16_t> offsets;
  std::span<const std::uint8_t> impacts;
  std::span<const std::int64_t> indptr;
  std::span<const std::uint32_t> terms;
  std::span<const float> weights;
};

/// Local term numbers, ascending, and their weights.
struct Query {
  std::span<const std::uint32_t> terms;
  std::span<const float> weights;
};

struct Scored {
  float score;
  std::uint32_t ordinal;
  bool operator<(const Scored& other) const {
    return score != other.score ? score > other.score : ordinal < other.ordinal;
  }
};

template <class T>
std::span<const T> part(std::span<const T> whole, std::int64_t begin, std::int64_t end, const char* problem) {
  if (begin < 0 || end < begin || end > static_cast<std::int64_t>(whole.size())) throw Corrupt(problem);
  return whole.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

/// Searches one segment, one query after another; its accumulators are zero between windows.
class Searcher {
 public:
  /// `alive` has one byte a document, or is empty where all are.
  Searcher(const Segment& segment, std::span<const std::uint8_t> alive)
      : segment_(segment), alive_(alive), sums_(std::bit_ceil(largest_window())) {}

  /// The k best documents of `query`, best first; fewer where fewer share a term with it.
  std::vector<Scored> search(const Query& query, std::size_t k) {
    const IntegerQuery integers(query.terms, query.weights, segment_.steps);
    Candidates candidates(integers, k);
    for (std::size_t window = 0; window + 1 < segment_.window_starts.size(); ++window) {
      choose_lists(window, query, integers);
      if (!lists_.empty()) scan(window, candidates);
    }
    return rescored(query, integers, candidates.finish(), k);
  }

 private:
  struct List {
    std::span<const std::uint16_t> offsets;
    std::span<const std::uint8_t> impacts;
    std::uint32_t multiplier;
  };

  std::size_t n_docs() const { return segment_.indptr.size() - 1; }

  std::size_t largest_window() const {
    std::int64_t largest = 1;
    std::int64_t begin = 0;
    for (const std::int64_t end : segment_.window_starts) {
      if (end < begin || end - begin > 65536 || end > static_cast<std::int64_t>(n_docs()))
        throw Corrupt("sparse.window_starts does not cut the documents into windows of 1 to 65,536");
      largest = std::max(largest, end - begin);
      begin = end;
    }
    return static_cast<std::size_t>(largest);
  }

  void choose_lists(std::size_t window, const Query& query, const IntegerQuery& integers) {
    lists_.clear();
    const std::int64_t first = segment_.window_ptr[window];
    const auto terms = part(segment_.list_terms, first, segment_.window_ptr[window + 1],
                            "sparse.window_ptr points beyond sparse.list_terms");
    auto at = terms.begin();
    for (std::size_t j = 0; j < query.terms.size() && at != terms.end(); ++j) {
      at = std::lower_bound(at, terms.end(), query.terms[j]);
      if (at == terms.end() || *at != query.terms[j]) continue;
      const auto list = static_cast<std::size_t>(first + (at - terms.begin()));
      const std::int64_t begin = segment_.list_ptr[list], end = segment_.list_ptr[list + 1];
      const char* problem = "sparse.list_ptr points beyond sparse.offsets";
      lists_.push_back({part(segment_.offsets, begin, end, problem), part(segment_.impacts, begin, end, problem),
                        integers.multiplier(j)});
    }
  }

  void scan(std::size_t window, Candidates& candidates) {
    const auto base = static_cast<std::size_t>(segment_.window_starts[window]);
    const auto count = static_cast<std::size_t>(segment_.window_starts[window + 1]) - base;
    // A mask costs less than a check per posting and keeps any 16-bit offset inside `sums_`.
    const std::size_t mask = sums_.size() - 1;
    std::size_t n_postings = 0;
    for (const List& list : lists_) {
      n_postings += list.offsets.size();
      for (std::size_t p = 0; p < list.offsets.size(); ++p)
        sums_[list.offsets[p] & mask] += list.multiplier * list.impacts[p];
    }
    // Rare terms touch few documents: then only those are visited and zeroed again.
    if (n_postings < count / 8) {
      visit_touched(base, count, candidates);
    } else {
      visit_all(base, count, candidates);
    }
  }

  void visit_touched(std::size_t base, std::size_t count, Candidates& candidates) {
    const std::size_t mask = sums_.size() - 1;
    for (const List& list : lists_) {
      for (const std::uint16_t stored : list.offsets) {
        const std::size_t offset = stored & mask;
        if (offset < count) consider(sums_[offset], base + offset, candidates);
        sums_[offset] = 0;
      }
    }
  }

  void visit_all(std::size_t base, std::size_t count, Candidates& candidates) {
    for (std::size_t offset = 0; offset < count; ++offset) consider(sums_[offset], base + offset, candidates);
    std::fill(sums_.begin(), sums_.end(), 0);
  }

  void consider(std::uint32_t sum, std::size_t ordinal, Candidates& candidates) const {
    if (sum < candidates.threshold()) return;
    if (!alive_.empty() && alive_[ordinal] == 0) return;
    candidates.add(sum, static_cast<std::uint32_t>(ordinal));
  }

  std::vector<Scored> rescored(const Query& query, const IntegerQuery& integers, std::vector<Candidate>& candidates,
                               std::size_t k) const {
    std::vector<Scored> scored;
    const std::size_t first = std::min(k, candidates.size());
    float kth = std::numeric_limits<float>::infinity();
    for (std::size_t c = 0; c < first; ++c) {
      scored.push_back({exact(query, candidates[c].ordinal), candidates[c].ordinal});
      kth = std::min(kth, scored.back().score);
    }
    // k documents reach `kth` exactly: a sharper threshold for the others than any bound.
    const std::uint32_t threshold = integers.least_accumulator(kth);
    for (std::size_t c = first; c < candidates.size(); ++c) {
      if (candidates[c].accumulator < threshold) continue;
      scored.push_back({exact(query, candidates[c].ordinal), candidates[c].ordinal});
    }
    const auto best = scored.begin() + static_cast<std::ptrdiff_t>(std::min(k, scored.size()));
    std::partial_sort(scored.begin(), best, scored.end());
    scored.erase(best, scored.end());
    return scored;
  }

  float exact(const Query& query, std::uint32_t ordinal) const {
    const std::int64_t begin = segment_.indptr[ordinal], end = segment_.indptr[ordinal + 1];
    const char* problem = "forward.indptr points beyond forward.terms";
    const auto terms = part(segment_.terms, begin, end, problem);
    const auto weights = part(segment_.weights, begin, end, problem);
    double sum = 0;
    std::size_t j = 0;
    for (std::size_t p = 0; p < terms.size(); ++p) {
      while (j < query.terms.size() && query.terms[j] < terms[p]) ++j;
      if (j == query.terms.size()) break;
      if (query.terms[j] == terms[p]) sum += static_cast<double>(query.weights[j]) * weights[p];
    }
    // NaN would break the order that sorting relies on.
    if (!(sum >= 0)) throw Corrupt("forward.weights holds NaN or a negative");
    return static_cast<float>(sum);
  }

  const Segment& segment_;
  std::span<const std::uint8_t> alive_;
  std::vector<std::uint32_t> sums_;
  std::vector<List> lists_;
};

}  // namespace lexmax::sparse
