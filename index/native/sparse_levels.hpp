// Which levels stand for a list's weights? A few of its own 8-bit levels; each posting takes the next one above.
//
// Bins are cut where the running sum of level * sqrt(count) passes equal shares. With sqrt(count) alone the mean
// distance to a bin's upper end is least (high-resolution quantisation; Gray & Neuhoff, IEEE TIT 1998); the factor
// makes bins finer where weights are large, because those are what the best documents have.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <span>

namespace lexmax::sparse {

class Levels {
 public:
  /// At most `most` bins over the levels, 1 to 255, of a list's postings.
  Levels(std::span<const std::uint8_t> levels, std::size_t most) {
    for (const std::uint8_t level : levels) ++counts_[level];
    double total = 0;
    std::size_t distinct = 0;
    for (std::size_t level = 1; level < 256; ++level) {
      if (counts_[level] == 0) continue;
      ++distinct;
      total += importance(level);
    }
    const double share = total / static_cast<double>(most);
    double sum = 0, next = share;
    std::size_t first = 0;
    for (std::size_t level = 1; level < 256; ++level) {
      if (counts_[level] == 0) continue;
      sum += importance(level);
      if (distinct > most && sum < next * (1 - 1e-12)) continue;
      close(first, level);
      first = level + 1;
      next = (std::floor(sum / share * (1 + 1e-12)) + 1) * share;
    }
  }

  std::size_t size() const { return n_; }
  /// The largest level of a bin.
  std::uint8_t top(std::size_t bin) const { return tops_[bin]; }
  /// The bin of a level.
  std::uint8_t bin(std::uint8_t level) const { return bins_[level]; }
  std::uint32_t count(std::size_t bin) const { return sizes_[bin]; }

 private:
  double importance(std::size_t level) const {
    return static_cast<double>(level) * std::sqrt(static_cast<double>(counts_[level]));
  }

  void close(std::size_t first, std::size_t level) {
    for (std::size_t l = first; l <= level; ++l) {
      bins_[l] = static_cast<std::uint8_t>(n_);
      sizes_[n_] += counts_[l];
    }
    tops_[n_++] = static_cast<std::uint8_t>(level);
  }

  std::array<std::uint32_t, 256> counts_{};
  std::array<std::uint8_t, 256> bins_{};
  std::array<std::uint8_t, 256> tops_{};
  std::array<std::uint32_t, 256> sizes_{};
  std::size_t n_ = 0;
};

}  // namespace lexmax::sparse
