// Which postings need not be read? Those that together cannot lift a document far: MaxScore (Turtle & Flood, IP&M
// 1995) by parts of lists. The postings of a list whose level is at most the term's `cut` are left out, and every
// document's upper bound grows by what the largest of them would add: so results stay exact, while documents are let
// through whose scores must be looked up. A plan weighs that against what is saved.
//
// Costs are nanoseconds measured on one machine: they decide about speed only.
#pragma once
#include <cmath>

#include "sparse_bounds.hpp"

namespace lexmax::sparse {

class Skips {
 public:
  Skips(const Segment& segment, const Query& query, const UpperBounds& bounds, std::size_t k, const Engine& engine)
      : n_windows_(segment.n_windows()), k_(k), engine_(engine), row_cost_(kRowDoc * static_cast<double>(segment.window_docs)) {
    for (std::size_t j = 0; j < query.terms.size(); ++j) multipliers_.push_back(bounds.multiplier(j));
    cuts_.resize(query.terms.size());
    seen_.resize(query.terms.size());
  }

  /// Postings of term j at levels up to this are left out; 255 leaves out all.
  std::uint32_t cut(std::size_t j) const { return cuts_[j]; }

  /// Units that the postings left out may add to a document; 0 for an engine that does not care.
  std::uint32_t bound() const { return bound_; }

  /// The largest level of a dense row: levels ascend by code, 0 where there is none.
  static std::uint32_t row_level(std::span<const std::uint16_t> row) {
    std::uint32_t level = 0;
    for (std::size_t i = 3; i < kRowUnits; ++i) level = std::max<std::uint32_t>(level, std::max(row[i] & 0xFF, row[i] >> 8));
    return level;
  }

  /// Learns from the first list of a term that is met how its postings spread over levels.
  void see(std::size_t j, std::span<const std::uint16_t> row, std::span<const std::uint16_t> groups) {
    if (seen_[j]) return;
    seen_[j] = 1;
    hull_.clear();
    std::uint32_t level = 0;
    double cost = 0;
    // Other windows' rows may reach a little higher.
    if (!row.empty()) extend(j, level = std::min<std::uint32_t>(row_level(row) + 1, 254), row_cost_);
    const std::size_t n_groups = groups[0];
    if (n_groups >= groups.size()) return;
    for (std::size_t g = n_groups; g >= 1; --g) {
      cost += kGroup + kPosting * (groups[g] & 0xFF);
      level = std::max<std::uint32_t>(level, groups[g] >> 8);
      if (g % 3 == 1 && g > 1) {
        extend(j, level, cost);
        cost = 0;
      }
    }
    extend(j, 255, cost + kList);
    steps_.insert(steps_.end(), hull_.begin(), hull_.end());
    sorted_ = false;
  }

  /// Chooses again if the threshold has risen since; windows from `window` on are to come.
  void plan(std::uint32_t threshold, std::size_t window) {
    if (threshold < planned_ + planned_ / 8 + 8) return;
    planned_ = threshold;
    choose(window);
  }

  /// Chooses what to leave out in the windows from `window` on.
  void choose(std::size_t window) {
    if (!sorted_) std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) { return a.ratio < b.ratio; });
    sorted_ = true;
    const std::size_t n = engine_.exact() ? worthwhile(planned_, window) : unread();
    std::fill(cuts_.begin(), cuts_.end(), 0);
    for (std::size_t i = 0; i < n; ++i) cuts_[steps_[i].term] = std::max(cuts_[steps_[i].term], steps_[i].level);
    bound_ = 0;
    if (!engine_.exact()) return;
    for (std::size_t j = 0; j < cuts_.size(); ++j)
      if (cuts_[j] > 0) bound_ += contribution(multipliers_[j], cuts_[j]);
  }

 private:
  /// To raise a term's cut to `level` adds `bound` units and saves `cost` in every window.
  struct Step {
    std::size_t term;
    std::uint32_t level, bound;
    double cost, ratio;
  };

  /// How many steps save more than the documents cost that they let through.
  std::size_t worthwhile(std::uint32_t threshold, std::size_t window) const {
    const auto windows = static_cast<double>(n_windows_ - window);
    double saved = 0, most = 0, sum = 0;
    std::size_t n = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      sum += steps_[i].bound;
      const double lift = sum / threshold;
      if (lift >= kMostLift) break;
      saved += steps_[i].cost * windows;
      const double gain = saved - (crowding(1 + lift) - 1) * static_cast<double>(k_) * kScoring;
      if (gain <= most) continue;
      most = gain;
      n = i + 1;
    }
    return n;
  }

  /// How many steps an engine that is not exact leaves out.
  std::size_t unread() const {
    double cost = 0, mass = 0;
    for (const Step& step : steps_) {
      cost += step.cost;
      mass += step.bound;
    }
    const double least = engine_.budget > 0 ? 0 : engine_.share * mass;
    const double most = engine_.budget > 0 ? static_cast<double>(engine_.budget) * kPosting / static_cast<double>(n_windows_) : 0;
    std::size_t n = 0;
    for (; n < steps_.size() && cost > most && mass - steps_[n].bound >= least; ++n) {
      cost -= steps_[n].cost;
      mass -= steps_[n].bound;
    }
    return n;
  }

  /// Keeps a term's steps in the order in which they pay: one that pays more than its predecessor is joined to it.
  void extend(std::size_t j, std::uint32_t level, double cost) {
    const std::uint32_t before = hull_.empty() ? 0 : contribution(multipliers_[j], hull_.back().level);
    Step step{j, level, contribution(multipliers_[j], level) - before, cost, 0};
    step.ratio = step.bound / step.cost;
    while (!hull_.empty() && hull_.back().ratio >= step.ratio) {
      step.bound += hull_.back().bound;
      step.cost += hull_.back().cost;
      step.ratio = step.bound / step.cost;
      hull_.pop_back();
    }
    hull_.push_back(step);
  }

  static constexpr double kList = 30, kGroup = 4, kPosting = 0.4, kRowDoc = 0.025, kScoring = 400;
  /// How fast documents crowd below the k-th score: n(s) ~ s^-9 on learned sparse weights.
  static double crowding(double s) {
    const double square = s * s, fourth = square * square;
    return fourth * fourth * s;
  }

  // Beyond it hardly anything is told apart by what is read.
  static constexpr double kMostLift = 0.5;

  std::size_t n_windows_, k_;
  Engine engine_;
  double row_cost_;
  std::vector<std::uint32_t> multipliers_, cuts_;
  std::vector<char> seen_;
  std::vector<Step> hull_, steps_;
  bool sorted_ = false;
  std::uint32_t bound_ = 0, planned_ = 1;
};

}  // namespace lexmax::sparse
