// The documents that may still be among a query's k best, while windows are scanned.
//
// A buffer that is cut when full instead of a heap: an addition costs O(1) amortised whatever k is. The threshold is
// the k-th best exact score so far; by sparse_bounds.hpp a document whose upper bound is below it scores strictly less
// than k others. So neither the order of additions nor the moment of a cut shows in the result.
//
// Scoring documents at every cut would cost more than it saves. So the first cut scores a few and learns how far scores
// lie below upper bounds; from then on the threshold is guessed from the k-th largest bound. Once enough documents have
// been met, the rest is taken to be like them: the k-th largest bound of all is guessed before k such have been met.
// Guesses are checked at the end: if the k-th best exact score does not justify them, documents may be missing, and the
// query runs again with care, which is to score at every cut.
#pragma once
#include <array>
#include <functional>
#include <optional>

#include "sparse_bounds.hpp"
#include "sparse_forward.hpp"
#include "sparse_kth.hpp"

namespace lexmax::sparse {

struct Candidate {
  std::uint32_t bound, doc;
  float score;
  bool scored;
};

struct Scored {
  float score;
  std::uint32_t doc;
  bool operator<(const Scored& other) const { return score != other.score ? score > other.score : doc < other.doc; }
};

/// What may be concluded from the documents so far: that the rest is like them, that their scores lie as far below
/// their bounds as those of a few, or only what has been scored.
enum class Daring { extrapolating, guessing, careful };

/// How far a scan has come: of the documents from `first` to `last`, those before `now` have been offered.
struct Progress {
  std::size_t first, now, last;
};

class Candidates {
 public:
  /// Sums that leave out part of a score are no bounds: then the best `depth` of them are kept, and scored at the end;
  /// 0 where sums are bounds. Documents that score below `floor` are not wanted.
  Candidates(const UpperBounds& bounds, std::size_t k, Daring daring, std::size_t depth, float floor)
      : bounds_(bounds), k_(std::max(k, depth)), n_best_(k), careful_(daring == Daring::careful),
        guesses_(!careful_ && depth == 0), extrapolates_(guesses_ && daring == Daring::extrapolating),
        sums_are_bounds_(depth == 0), limit_(smallest()), share_(sums_are_bounds_ ? 0 : 1) {
    // Sums that are no bounds may be below the floor where the score is not.
    if (floor > 0 && depth == 0) threshold_ = floor_ = bounds.least_sum(floor);
  }

  /// Upper bounds below this cannot belong to one of the k best; at least 1, so untouched documents never pass.
  std::uint32_t threshold() const { return threshold_; }

  void add(std::uint32_t bound, std::uint32_t doc) {
    kept_.push_back({bound, doc, 0, false});
    if (kth_.started()) kth_.add(bound);
  }

  /// Raises the threshold if it can, and drops what is below it when that is much; whether it rose. Bounds hold up to
  /// `skipped` for terms that were not read.
  bool settle(ForwardScorer& forward, std::uint32_t skipped, const Progress& progress) {
    const std::uint32_t before = threshold_;
    if (!kth_.started() && kept_.size() >= limit_) {
      order_first();
      if (careful_) {
        score(0, k_, forward);
        raise();
      } else {
        kth_.start(k_, kept_[k_ - 1].bound);
        for (const Candidate& c : kept_) kth_.add(c.bound);
      }
    }
    if (kth_.started()) {
      std::uint32_t kth = kth_of_all(progress);
      // Rounding weighs less in larger sums: what was learnt from small ones is too careful.
      if (guesses_ && kth > learnt_ + learnt_ / 4) {
        learn(forward, kth, progress);
        kth = kth_of_all(progress);
      }
      threshold_ = std::max(threshold_, static_cast<std::uint32_t>((kth - std::min(skipped, kth)) * share_));
    }
    if (kept_.size() >= limit_) {
      std::erase_if(kept_, [this](const Candidate& c) { return c.bound < threshold_; });
      // Where bounds are too wide to drop any, the buffer grows: the cost stays linear in what is added.
      limit_ = std::max(smallest(), 2 * kept_.size());
    }
    return threshold_ != before;
  }

  /// A score that k documents reach, from those that have been scored; 0 where they are fewer.
  float proven() {
    gather_scores();
    return scores_.size() < k_ ? 0 : kth_score();
  }

  /// The k best of all that was added, best first; fewer where there are fewer. Nothing if a guess was wrong.
  std::optional<std::vector<Scored>> best(ForwardScorer& forward) {
    const std::uint32_t guessed = careful_ || !sums_are_bounds_ ? floor_ : threshold_;
    // What lies below a guess is not needed where the guess is right.
    if (guessed > floor_) std::erase_if(kept_, [&](const Candidate& c) { return c.bound < guessed; });
    if (!careful_) threshold_ = floor_;
    if (!sums_are_bounds_) {
      if (kept_.size() > k_) {
        order_first();
        kept_.resize(k_);
      }
      score(0, kept_.size(), forward);
    } else if (kept_.size() > k_) {
      order();
      // All of these will be scored: in the order in which they lie in memory.
      std::sort(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_),
                [](const Candidate& a, const Candidate& b) { return a.doc < b.doc; });
      score(0, k_, forward);
      // Each step scores those with the largest bounds that remain, so that the threshold rises quickly.
      for (std::size_t begin = k_, end; begin < kept_.size(); begin = end) {
        raise();
        // Steps grow, so that ties in great number are gone through in linear time.
        end = std::min(kept_.size(), begin + std::max({std::size_t{16}, k_ / 8, begin / 2}));
        if (kept_[begin].bound + bucket_width_ < threshold_) break;
        score(begin, end, forward);
      }
      raise();
      if (threshold_ < guessed) return std::nullopt;
      std::erase_if(kept_, [](const Candidate& c) { return !c.scored; });
    } else {
      score(0, kept_.size(), forward);
      if (guessed > floor_) return std::nullopt;
    }
    return ranked();
  }

 private:
  static constexpr std::size_t kTogether = 8, kSample = 16, kBuckets = 2048;
  // The more documents, the nearer is the k-th to the mean.
  static constexpr std::size_t kMany = 64;
  static constexpr double kCautionFew = 2, kCautionMany = 1;

  // A share of the documents from which to tell what the rest is like: 4,096 of them, and a 128th.
  static constexpr std::size_t kFewSeen = 4096, kLeastSeen = 128, kBlocks = 16;
  static constexpr double kDeviations = 3, kMostDispersion = 4;

  std::size_t smallest() const { return 3 * k_ + 96; }

  /// The k largest bounds first, the k-th in its place.
  void order_first() {
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1), kept_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.bound > b.bound; });
  }

  /// The share of its upper bound that the k-th score is hardly ever below, from a few of the k best by bounds.
  void learn(ForwardScorer& forward, std::uint32_t kth, const Progress& progress) {
    learnt_ = kth;
    places_.clear();
    for (std::size_t i = 0; i < kept_.size(); ++i)
      if (kept_[i].bound >= kth) places_.push_back(i);
    if (extrapolates_) dispersion_ = dispersion(progress);
    const std::size_t step = std::max<std::size_t>(places_.size() / kSample, 1);
    for (std::size_t i = 0; i < places_.size(); i += step) forward.prefetch(kept_[places_[i]].doc);
    double n = 0, sum = 0, squares = 0;
    for (std::size_t i = 0; i < places_.size(); i += step) {
      Candidate& c = kept_[places_[i]];
      if (!c.scored) c.score = forward.score(c.doc);
      c.scored = true;
      const double ratio = bounds_.least_sum(c.score) / static_cast<double>(c.bound);
      n += 1;
      sum += ratio;
      squares += ratio * ratio;
    }
    if (n == 0) return;
    const double mean = sum / n, deviation = std::sqrt(std::max(0.0, squares / n - mean * mean));
    share_ = std::max(0.0, mean - (k_ < kMany ? kCautionFew : kCautionMany) * deviation);
  }

  /// A bound that k documents reach, as far as can be told.
  std::uint32_t kth_of_all(const Progress& progress) {
    if (extrapolates_) kth_.want(rank(progress));
    return kth_.value();
  }

  /// The rank, among the documents so far, of a bound that k of all documents will hardly miss: the k-th of all is
  /// about the (k f)-th of a share f of them, if they come in no order; of n such, about sqrt(n) are chance.
  std::size_t rank(const Progress& progress) const {
    const std::size_t seen = progress.now - progress.first, all = progress.last - progress.first;
    if (seen < kFewSeen || seen * kLeastSeen < all || dispersion_ > kMostDispersion) return k_;
    const double expected = static_cast<double>(k_) * static_cast<double>(seen) / static_cast<double>(all);
    const double cautious = expected + kDeviations * std::sqrt(expected * dispersion_) + kDeviations * kDeviations;
    return std::min(k_, static_cast<std::size_t>(cautious) + 1);
  }

  /// How unevenly the documents at `places_` lie among those so far: 1 if by chance, more where like lies by like.
  double dispersion(const Progress& progress) const {
    const std::size_t seen = progress.now - progress.first;
    std::array<double, kBlocks> counts{};
    for (const std::size_t i : places_) {
      const std::size_t offset = std::min<std::size_t>(kept_[i].doc - progress.first, seen - 1);
      ++counts[offset * kBlocks / seen];
    }
    const double mean = static_cast<double>(places_.size()) / kBlocks;
    double squares = 0;
    for (const double count : counts) squares += (count - mean) * (count - mean);
    return mean > 0 ? std::max(1.0, squares / (kBlocks - 1) / mean) : 1;
  }

  /// Largest bounds first, in buckets of nearly equal bounds.
  void order() {
    const auto [least, largest] = std::minmax_element(
        kept_.begin(), kept_.end(), [](const Candidate& a, const Candidate& b) { return a.bound < b.bound; });
    const std::uint32_t low = least->bound, range = largest->bound - low + 1;
    const auto bucket = [&](const Candidate& c) {
      return kBuckets - 1 - static_cast<std::size_t>(std::uint64_t{c.bound - low} * kBuckets / range);
    };
    bucket_width_ = range / kBuckets + 1;
    std::vector<std::uint32_t> starts(kBuckets + 1);
    for (const Candidate& c : kept_) ++starts[bucket(c) + 1];
    for (std::size_t b = 0; b < kBuckets; ++b) starts[b + 1] += starts[b];
    std::vector<Candidate> ordered(kept_.size());
    for (const Candidate& c : kept_) ordered[starts[bucket(c)]++] = c;
    kept_ = std::move(ordered);
  }

  /// Scores those that can still reach the threshold.
  void score(std::size_t begin, std::size_t end, ForwardScorer& forward) {
    for (std::size_t i = begin; i < std::min(begin + kTogether, end); ++i) forward.prefetch_place(kept_[i].doc);
    for (std::size_t first = begin; first < end; first += kTogether) {
      const std::size_t last = std::min(first + kTogether, end);
      for (std::size_t i = first; i < last; ++i)
        if (wanted(i)) forward.prefetch(kept_[i].doc);
      for (std::size_t i = last; i < std::min(last + kTogether, end); ++i) forward.prefetch_place(kept_[i].doc);
      for (std::size_t i = first; i < last; ++i) {
        if (!wanted(i)) continue;
        kept_[i].score = forward.score(kept_[i].doc);
        kept_[i].scored = true;
      }
    }
  }

  bool wanted(std::size_t i) const { return !kept_[i].scored && kept_[i].bound >= threshold_; }

  /// The threshold from the k-th best score.
  void raise() {
    gather_scores();
    threshold_ = std::max(threshold_, bounds_.least_sum(kth_score()));
  }

  void gather_scores() {
    scores_.clear();
    for (const Candidate& c : kept_)
      if (c.scored) scores_.push_back(c.score);
  }

  float kth_score() {
    const auto kth = scores_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(scores_.begin(), kth, scores_.end(), std::greater<float>());
    return *kth;
  }

  std::vector<Scored> ranked() const {
    std::vector<Scored> scored;
    scored.reserve(kept_.size());
    for (const Candidate& c : kept_)
      if (c.scored) scored.push_back({c.score, c.doc});
    const auto end = scored.begin() + static_cast<std::ptrdiff_t>(std::min(n_best_, scored.size()));
    if (end != scored.end()) std::nth_element(scored.begin(), end - 1, scored.end());
    std::sort(scored.begin(), end);
    scored.erase(end, scored.end());
    return scored;
  }

  const UpperBounds& bounds_;
  std::size_t k_, n_best_;
  bool careful_, guesses_, extrapolates_, sums_are_bounds_;
  std::size_t limit_;
  double share_, dispersion_ = 1;
  std::uint32_t threshold_ = 1, floor_ = 1, bucket_width_ = 0, learnt_ = 0;
  KthLargest kth_;
  std::vector<Candidate> kept_;
  std::vector<std::size_t> places_;
  std::vector<float> scores_;
};

}  // namespace lexmax::sparse
