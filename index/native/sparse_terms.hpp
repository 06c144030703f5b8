// Which terms do the documents hold? An open-addressing table from term id to local number.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace lexmax::sparse {

struct TermCount {
  std::uint32_t term, doc_freq;
  float largest;
};

/// Counts term ids as they come, then numbers them in ascending order.
class TermTable {
 public:
  TermTable() : places_(1024, kEmpty) {}

  void add(std::uint32_t term, float weight) {
    std::uint32_t& place = find(term);
    if (place == kEmpty) {
      place = static_cast<std::uint32_t>(counts_.size());
      counts_.push_back({term, 0, 0});
      TermCount& count = counts_.back();
      ++count.doc_freq;
      count.largest = weight;
      if (counts_.size() * 2 > places_.size()) grow();
      return;
    }
    TermCount& count = counts_[place];
    ++count.doc_freq;
    count.largest = std::max(count.largest, weight);
  }

  /// Puts the terms into ascending order; their places are their local numbers from here on.
  std::span<const TermCount> sorted() {
    std::sort(counts_.begin(), counts_.end(), [](const TermCount& a, const TermCount& b) { return a.term < b.term; });
    fill();
    return counts_;
  }

  /// The local number of a term that was added.
  std::uint32_t local(std::uint32_t term) const {
    std::size_t at = start(term);
    while (counts_[places_[at]].term != term) at = (at + 1) & (places_.size() - 1);
    return places_[at];
  }

 private:
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;

  std::size_t start(std::uint32_t term) const {
    return (std::uint64_t{term} * 0x9E3779B97F4A7C15ull >> 32) & (places_.size() - 1);
  }

  std::uint32_t& find(std::uint32_t term) {
    std::size_t at = start(term);
    while (places_[at] != kEmpty && counts_[places_[at]].term != term) at = (at + 1) & (places_.size() - 1);
    return places_[at];
  }

  void grow() {
    places_.assign(places_.size() * 2, kEmpty);
    fill();
  }

  void fill() {
    std::fill(places_.begin(), places_.end(), kEmpty);
    for (std::uint32_t i = 0; i < counts_.size(); ++i) find(counts_[i].term) = i;
  }

  std::vector<std::uint32_t> places_;
  std::vector<TermCount> counts_;
};

}  // namespace lexmax::sparse
