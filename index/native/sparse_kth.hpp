// Which is the k-th largest of the bounds so far? A histogram and the bucket that holds it, kept up to date by every
// addition: no buffer has to be ordered while windows are scanned.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lexmax::sparse {

class KthLargest {
 public:
  /// `near` is about as large as the k-th bound is now; it may grow eightfold before precision is lost.
  void start(std::size_t k, std::uint32_t near) {
    k_ = k;
    const int bits = std::bit_width(near | 1);
    shift_ = bits > kPrecision ? bits - kPrecision : 0;
    started_ = true;
  }

  bool started() const { return started_; }

  void add(std::uint32_t bound) {
    const std::size_t bucket = std::min<std::size_t>(bound >> shift_, counts_.size() - 1);
    ++counts_[bucket];
    if (bucket < place_) return;
    ++from_place_;
    rise();
  }

  /// Asks for another rank from here on.
  void want(std::size_t k) {
    k_ = k;
    while (place_ > 0 && from_place_ < k_) from_place_ += counts_[--place_];
    rise();
  }

  /// No more than the k-th largest bound, and hardly less; 0 while there are fewer than k.
  std::uint32_t value() const { return from_place_ >= k_ ? static_cast<std::uint32_t>(place_ << shift_) : 0; }

 private:
  static constexpr int kPrecision = 9;

  void rise() {
    while (from_place_ - counts_[place_] >= k_) from_place_ -= counts_[place_++];
  }

  std::array<std::uint32_t, std::size_t{8} << kPrecision> counts_{};
  std::size_t k_ = 0, place_ = 0, from_place_ = 0;
  int shift_ = 0;
  bool started_ = false;
};

}  // namespace lexmax::sparse
