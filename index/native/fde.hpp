// Fixed-dimensional encodings (MUVERA, Dhulipala et al. 2024, section 2): one vector for a set of token vectors, whose
// inner product with another's estimates their MaxSim.
// Numpy twin: lexmax.index.oracle_fde.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bucket_sums.hpp"
#include "cpu_path.hpp"
#include "project.hpp"
#include "sign_bits.hpp"

namespace lexmax {

/// What a bucket holds: queries add their tokens; documents take the mean, and may fill an empty bucket with the
/// token nearest to it.
enum class FdeSide { query, document, filled_document };

/// What chooses a token's bucket: the signs of its products with `bits` hyperplanes, or the greatest of its products
/// with 2 ** bits cells.
enum class FdeCells { signs, greatest };

/// planes (dim, lanes_for(repetitions * planes_each())), zero past the last; inner (repetitions, dim,
/// lanes_for(width)), or null: the vector itself, width == dim. `pooled` scales one more block, of all tokens and dim
/// coordinates, after the others; 0 leaves it out.
struct FdeShape {
  std::size_t dim;
  std::size_t repetitions;
  std::size_t bits;
  std::size_t width;
  FdeCells cells;
  const float* planes;
  const float* inner;
  float pooled;

  std::size_t buckets() const { return std::size_t{1} << bits; }
  std::size_t planes_each() const { return cells == FdeCells::signs ? bits : buckets(); }
  std::size_t columns() const { return lanes_for(repetitions * planes_each()); }
  std::size_t block() const { return buckets() * width; }
  std::size_t pooled_begin() const { return repetitions * block(); }
  std::size_t encoding_dim() const { return pooled_begin() + (pooled > 0.0F ? dim : 0); }
};

class FdeEncoder {
 public:
  FdeEncoder(const FdeShape& shape, FdeSide side, CpuPath path) : shape_(shape), side_(side), path_(path) {}

  /// Encodes one text; `out`, encoding_dim() values, arrives zeroed.
  void encode(const float* tokens, std::size_t n, float* out) {
    if (n == 0) return;
    products_.resize(n * shape_.columns());
    project({tokens, n, shape_.dim, shape_.planes, shape_.columns(), products_.data()}, path_);
    bits_.resize(products_.size() / kLanes + 1);
    if (shape_.cells == FdeCells::signs) find_sign_bits(products_.data(), products_.size(), bits_.data(), path_);
    for (std::size_t r = 0; r < shape_.repetitions; ++r) {
      find_buckets(n, r);
      open_slots(n);
      sum_slots(tokens, n);
      if (side_ == FdeSide::filled_document) fill_empty(tokens, n, r);
      write_blocks(r, out + r * shape_.block());
    }
    if (shape_.pooled > 0.0F) write_pooled(tokens, n, out + shape_.pooled_begin());
  }

 private:
  const float* products_of(std::size_t token, std::size_t repetition) const {
    return products_.data() + token * shape_.columns() + repetition * shape_.planes_each();
  }

  void find_buckets(std::size_t n, std::size_t repetition) {
    bucket_of_.resize(n);
    if (shape_.cells == FdeCells::greatest) {
      for (std::size_t t = 0; t < n; ++t) bucket_of_[t] = greatest(products_of(t, repetition));
      return;
    }
    for (std::size_t t = 0; t < n; ++t) bucket_of_[t] = pattern(t * shape_.columns() + repetition * shape_.bits);
  }

  // The raw pattern of the signs numbers the bucket, so Hamming distance is popcount of xor.
  std::uint32_t pattern(std::size_t begin) const {
    const std::size_t word = begin / kLanes;
    const std::uint32_t both = bits_[word] | static_cast<std::uint32_t>(bits_[word + 1]) << kLanes;
    return both >> (begin % kLanes) & static_cast<std::uint32_t>(shape_.buckets() - 1);
  }

  std::uint32_t greatest(const float* row) const {
    return static_cast<std::uint32_t>(std::max_element(row, row + shape_.buckets()) - row);
  }

  // Slots are the buckets in use, in order. Without branches: whether a bucket is in use is anyone's guess.
  void open_slots(std::size_t n) {
    const std::size_t buckets = shape_.buckets();
    slot_of_bucket_.assign(buckets, 0);
    for (std::size_t t = 0; t < n; ++t) ++slot_of_bucket_[bucket_of_[t]];
    bucket_of_slot_.resize(buckets + 1);
    counts_.resize(buckets + 1);
    n_slots_ = 0;
    for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
      const std::uint32_t count = slot_of_bucket_[bucket];
      bucket_of_slot_[n_slots_] = static_cast<std::uint32_t>(bucket);
      counts_[n_slots_] = count;
      slot_of_bucket_[bucket] = static_cast<std::uint32_t>(n_slots_);
      n_slots_ += count > 0;
    }
  }

  // Buckets are summed before they are projected: there are fewer of them than tokens.
  void sum_slots(const float* tokens, std::size_t n) {
    slot_of_token_.resize(n);
    for (std::size_t t = 0; t < n; ++t) slot_of_token_[t] = slot_of_bucket_[bucket_of_[t]];
    sums_.resize(std::max(sums_.size(), n_slots_ * shape_.dim));
    sum_buckets({tokens, n, shape_.dim, slot_of_token_.data(), n_slots_, sums_.data()}, path_);
  }

  // Filled buckets get slots after the others.
  void fill_empty(const float* tokens, std::size_t n, std::size_t repetition) {
    const std::size_t n_used = n_slots_;
    sums_.resize(std::max(sums_.size(), shape_.buckets() * shape_.dim));
    for (std::size_t bucket = 0, used = 0; bucket < shape_.buckets(); ++bucket) {
      if (used < n_used && bucket_of_slot_[used] == bucket) {
        ++used;
        continue;
      }
      const std::size_t nearest = shape_.cells == FdeCells::signs
                                      ? fewest_bits(static_cast<std::uint32_t>(bucket), n)
                                      : greatest_token(bucket, n, repetition);
      std::copy_n(tokens + nearest * shape_.dim, shape_.dim, sums_.data() + n_slots_ * shape_.dim);
      counts_[n_slots_] = 1;
      bucket_of_slot_[n_slots_++] = static_cast<std::uint32_t>(bucket);
    }
  }

  // The first of those whose bits differ from the bucket's in fewest places.
  std::size_t fewest_bits(std::uint32_t bucket, std::size_t n) const {
    std::size_t best = 0;
    for (std::size_t t = 1; t < n; ++t)
      if (std::popcount(bucket_of_[t] ^ bucket) < std::popcount(bucket_of_[best] ^ bucket)) best = t;
    return best;
  }

  // The first of those whose product with the bucket's cell is greatest.
  std::size_t greatest_token(std::size_t bucket, std::size_t n, std::size_t repetition) const {
    std::size_t best = 0;
    for (std::size_t t = 1; t < n; ++t)
      if (products_of(t, repetition)[bucket] > products_of(best, repetition)[bucket]) best = t;
    return best;
  }

  void write_blocks(std::size_t repetition, float* out) {
    const float* values = sums_.data();
    std::size_t stride = shape_.dim;
    if (shape_.inner) {
      stride = lanes_for(shape_.width);
      projected_.resize(shape_.buckets() * stride);
      const float* inner = shape_.inner + repetition * shape_.dim * stride;
      project({sums_.data(), n_slots_, shape_.dim, inner, stride, projected_.data()}, path_);
      values = projected_.data();
    }
    for (std::size_t slot = 0; slot < n_slots_; ++slot)
      write(values + slot * stride, shape_.width, share(counts_[slot]),
            out + bucket_of_slot_[slot] * shape_.width);
  }

  // Queries add, documents take means; the factor comes last, when there are fewest numbers.
  float share(std::size_t count) const { return side_ == FdeSide::query ? 1.0F : 1.0F / static_cast<float>(count); }

  static void write(const float* values, std::size_t n, float factor, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = values[i] * factor;
  }

  void write_pooled(const float* tokens, std::size_t n, float* out) {
    slot_of_token_.assign(n, 0);
    sum_buckets({tokens, n, shape_.dim, slot_of_token_.data(), 1, sums_.data()}, path_);
    write(sums_.data(), shape_.dim, share(n) * shape_.pooled, out);
  }

  FdeShape shape_;
  FdeSide side_;
  CpuPath path_;
  std::vector<float> products_;           // [token][repetition, plane]
  std::vector<std::uint16_t> bits_;       // of products_: whether each exceeds 0
  std::vector<std::uint32_t> bucket_of_;  // of each token
  std::vector<std::uint32_t> slot_of_bucket_;  // the bucket's count before that
  std::vector<std::uint32_t> slot_of_token_;
  std::size_t n_slots_ = 0;
  std::vector<std::uint32_t> bucket_of_slot_;
  std::vector<std::uint32_t> counts_;  // tokens in each slot
  std::vector<float> sums_;       // [slot][coordinate]
  std::vector<float> projected_;  // [slot][lane]
};

}  // namespace lexmax
