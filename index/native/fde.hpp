// Fixed-dimensional encodings (MUVERA, Dhulipala et al. 2024, section 2): one vector for a set of
// token vectors, whose inner product with another's estimates their MaxSim.
// Numpy twin: lexmax.index.oracle_multivector.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bucket_means.hpp"
#include "cpu_path.hpp"
#include "project.hpp"

namespace lexmax {

/// What a bucket holds: queries add their tokens; documents take the mean, and may fill an empty
/// bucket with the token whose bits differ from the bucket's in fewest places.
enum class FdeSide { query, document, filled_document };

/// hyperplanes (dim, lanes_for(repetitions * bits)), zero past the last; signs (repetitions, dim,
/// lanes_for(width)), entries of +-1 / sqrt(width), or null: the vector itself, width == dim.
struct FdeShape {
  std::size_t dim;
  std::size_t repetitions;
  std::size_t bits;
  std::size_t width;
  const float* hyperplanes;
  const float* signs;

  std::size_t buckets() const { return std::size_t{1} << bits; }
  std::size_t block() const { return buckets() * width; }
  std::size_t encoding_dim() const { return repetitions * block(); }
};

class FdeEncoder {
 public:
  FdeEncoder(const FdeShape& shape, FdeSide side, CpuPath path)
      : shape_(shape), side_(side), path_(path) {}

  /// Encodes one text; `out`, encoding_dim() values, arrives zeroed.
  void encode(const float* tokens, std::size_t n, float* out) {
    if (n == 0) return;
    find_bits(tokens, n);
    for (std::size_t r = 0; r < shape_.repetitions; ++r) {
      find_buckets(n, r);
      assign_slots(n);
      fill_slots(tokens, n);
      if (side_ == FdeSide::filled_document) fill_empty(tokens, n);
      write_blocks(r, out + r * shape_.block());
    }
  }

 private:
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};

  void find_bits(const float* tokens, std::size_t n) {
    const std::size_t columns = lanes_for(shape_.repetitions * shape_.bits);
    similarities_.resize(n * columns);
    project({tokens, n, shape_.dim, shape_.hyperplanes, columns, similarities_.data()}, path_);
  }

  // The raw pattern of the signs numbers the bucket, so Hamming distance is popcount of xor.
  void find_buckets(std::size_t n, std::size_t repetition) {
    const std::size_t columns = lanes_for(shape_.repetitions * shape_.bits);
    bucket_of_.resize(n);
    for (std::size_t t = 0; t < n; ++t) {
      const float* row = similarities_.data() + t * columns + repetition * shape_.bits;
      std::uint32_t pattern = 0;
      for (std::size_t b = 0; b < shape_.bits; ++b)
        pattern |= static_cast<std::uint32_t>(row[b] > 0.0F) << b;
      bucket_of_[t] = pattern;
    }
  }

  void assign_slots(std::size_t n) {
    slot_of_bucket_.assign(shape_.buckets(), kEmpty);
    slot_of_token_.resize(n);
    counts_.clear();
    for (std::size_t t = 0; t < n; ++t) {
      std::uint32_t& slot = slot_of_bucket_[bucket_of_[t]];
      if (slot == kEmpty) slot = open_slot();
      ++counts_[slot];
      slot_of_token_[t] = slot;
    }
  }

  std::uint32_t open_slot() {
    counts_.push_back(0);
    return static_cast<std::uint32_t>(counts_.size() - 1);
  }

  // Buckets are summed before they are projected: there are fewer of them than tokens.
  void fill_slots(const float* tokens, std::size_t n) {
    const std::uint32_t* counts = side_ == FdeSide::query ? nullptr : counts_.data();
    sums_.resize(counts_.size() * shape_.dim);
    fill_buckets({tokens, n, shape_.dim, slot_of_token_.data(), counts, counts_.size(), sums_.data()},
                 path_);
  }

  void fill_empty(const float* tokens, std::size_t n) {
    for (std::size_t bucket = 0; bucket < shape_.buckets(); ++bucket) {
      if (slot_of_bucket_[bucket] != kEmpty) continue;
      slot_of_bucket_[bucket] = open_slot();
      const float* token = tokens + nearest_token(static_cast<std::uint32_t>(bucket), n) * shape_.dim;
      sums_.insert(sums_.end(), token, token + shape_.dim);
    }
  }

  // The first of those whose bits differ from the bucket's in fewest places.
  std::size_t nearest_token(std::uint32_t bucket, std::size_t n) const {
    const auto nearer = [bucket](std::uint32_t a, std::uint32_t b) {
      return std::popcount(a ^ bucket) < std::popcount(b ^ bucket);
    };
    const auto end = bucket_of_.begin() + static_cast<std::ptrdiff_t>(n);
    return static_cast<std::size_t>(std::min_element(bucket_of_.begin(), end, nearer) -
                                    bucket_of_.begin());
  }

  void write_blocks(std::size_t repetition, float* out) {
    const float* values = sums_.data();
    std::size_t stride = shape_.dim;
    if (shape_.signs) {
      stride = lanes_for(shape_.width);
      projected_.resize(counts_.size() * stride);
      project({sums_.data(), counts_.size(), shape_.dim,
               shape_.signs + repetition * shape_.dim * stride, stride, projected_.data()},
              path_);
      values = projected_.data();
    }
    for (std::size_t bucket = 0; bucket < shape_.buckets(); ++bucket)
      if (slot_of_bucket_[bucket] != kEmpty)
        std::memcpy(out + bucket * shape_.width, values + slot_of_bucket_[bucket] * stride,
                    shape_.width * sizeof(float));
  }

  FdeShape shape_;
  FdeSide side_;
  CpuPath path_;
  std::vector<float> similarities_;            // [token][repetition, bit]
  std::vector<std::uint32_t> bucket_of_;       // of each token
  std::vector<std::uint32_t> slot_of_bucket_;  // in the order of first use
  std::vector<std::uint32_t> slot_of_token_;
  std::vector<std::uint32_t> counts_;          // tokens in each slot
  std::vector<float> sums_;                    // [slot][coordinate]
  std::vector<float> projected_;               // [slot][lane]
};

}  // namespace lexmax
