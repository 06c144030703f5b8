// What do some documents score, and how are the best of them kept? On one thread or several, with the same result.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "best_n.hpp"
#include "maxsim.hpp"
#include "parallel.hpp"

namespace lexmax {

/// Documents to look at: `ordinals` (n,), of which those are left out whose `alive` (n_docs,) is 0; null leaves none
/// out.
struct Candidates {
  const std::int64_t* ordinals;
  std::size_t n;
  const std::uint8_t* alive;
};

namespace best_detail {

// Parts are so small that threads end together, and so large that starting one costs nothing.
inline std::size_t parts_of(std::size_t n, std::size_t threads) {
  constexpr std::size_t kLeast = 32;
  return threads <= 1 ? 1 : std::clamp<std::size_t>(n / kLeast, 1, 8 * threads);
}

/// The k best so far, the last of them in front.
class RunningBest {
 public:
  explicit RunningBest(std::size_t k) : k_(k) {}

  /// Whoever scores less is not among the k best; kNoScore while there are fewer.
  float threshold() const { return heap_.size() < k_ ? kNoScore : heap_.front().score; }

  void offer(const Scored& document) {
    if (heap_.size() == k_) {
      if (!ranks_before(document, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), ranks_before);
      heap_.pop_back();
    }
    heap_.push_back(document);
    std::push_heap(heap_.begin(), heap_.end(), ranks_before);
  }

  const std::vector<Scored>& documents() const { return heap_; }

 private:
  std::size_t k_;
  std::vector<Scored> heap_;
};

/// The greatest threshold of all parts: each is a score that k documents reach.
class SharedThreshold {
 public:
  float value() const { return value_.load(std::memory_order_relaxed); }
  void raise(float to) {
    float found = value();
    while (to > found && !value_.compare_exchange_weak(found, to, std::memory_order_relaxed)) {
    }
  }

 private:
  std::atomic<float> value_{kNoScore};
};

/// Calls visit(i, document, next document) for each i from `first` to `last` whose document, `ordinal(i)`, is alive.
template <class Ordinal, class Visit>
void each_document(const Documents& store, Ordinal ordinal, const std::uint8_t* alive, std::size_t first,
                   std::size_t last, Visit visit) {
  std::size_t waiting = last;
  DocumentRange document{};
  for (std::size_t i = first; i < last; ++i) {
    const DocumentRange next = document_range(store, ordinal(i));
    if (alive && !alive[ordinal(i)]) continue;
    if (waiting < last) visit(waiting, document, next);
    waiting = i;
    document = next;
  }
  if (waiting < last) visit(waiting, document, document);
}

}  // namespace best_detail

/// Writes the score of every candidate that is alive. Each thread works with a copy of the scorer.
template <TokenScorer Scorer>
void all_scores(const Documents& store, const Candidates& some, std::size_t threads, const Scorer& query, float* out) {
  const std::size_t parts = best_detail::parts_of(some.n, threads);
  in_parallel(parts, threads, [&](std::size_t part) {
    Scorer scorer = query;
    [[maybe_unused]] const typename Scorer::Registers registers;
    DocumentScorer documents(scorer);
    best_detail::each_document(
        store, [&](std::size_t i) { return some.ordinals[i]; }, some.alive, some.n * part / parts,
        some.n * (part + 1) / parts,
        [&](std::size_t i, const DocumentRange& document, const DocumentRange& next) {
          out[i] = *documents.score(document, next);
        });
  });
}

}  // namespace lexmax
