// Inner products of many queries with one vector a document, in one pass over the documents.
// Numpy twin: lexmax.index.oracle_pooled.
//
// Vectors of bytes: a query is three bytes a coordinate (24 bits, as many as a float32 has), each multiplied alone, so
// that all sums are of integers and every path gives the same bits. Halves: decoded, and multiplied in float32 in the
// order of the coordinates (project.hpp). Neither depends on which queries and documents come together.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "best_n.hpp"
#include "cpu_path.hpp"
#include "int8_dots.hpp"
#include "maxsim_fp16.hpp"
#include "parallel.hpp"
#include "project.hpp"
#include "vector_scan.hpp"

namespace lexmax {

namespace pooled_detail {

constexpr std::size_t kRows = kDotRows;       // documents that are multiplied at a time
constexpr std::size_t kGroup = kDotColumns;   // queries
constexpr std::size_t kDigits = 3;
constexpr float kNoVector = -std::numeric_limits<float>::infinity();
using Products = std::array<float, kRows * kGroup>;  // (document, query)
using Dots = std::array<std::int32_t, kRows * kGroup>;

constexpr std::size_t groups_for(std::size_t n_queries) { return (n_queries + kGroup - 1) / kGroup; }

}  // namespace pooled_detail

/// Digits (3, n, dim), the most significant first, in base 256, of queries that are those times `units` (n,).
struct DigitQueries {
  const std::int8_t* digits;
  const double* units;
  std::size_t n;
};

/// Takes a block of documents, then multiplies it with each group of queries. One a thread.
template <class Block>
concept PooledBlock = requires(Block& block, const SomeOrdinals& some, std::size_t group, float* out) {
  { block.take(some) } -> std::same_as<bool>;  // false where a number on the disk is none
  { block.multiply(group, out) } -> std::same_as<void>;
};

/// Queries as the products of bytes want them, for all threads.
class ByteQueries {
 public:
  ByteQueries(const CodedVectors<std::int8_t>& vectors, const DigitQueries& queries, CpuPath path)
      : vectors_(vectors), path_(path), n_(queries.n), units_(pooled_detail::groups_for(n_) * pooled_detail::kGroup) {
    std::copy_n(queries.units, n_, units_.begin());
    if (tiles()) pack(queries);
    for (std::size_t q = 0; q < n_ && !tiles(); ++q)
      for (std::size_t d = 0; d < pooled_detail::kDigits; ++d)
        each_.emplace_back(vectors, queries.digits + (d * n_ + q) * vectors.width, vector_path(path));
  }

  const CodedVectors<std::int8_t>& vectors() const { return vectors_; }
  std::size_t n() const { return n_; }
  CpuPath path() const { return path_; }
  /// Whether blocks are multiplied with 32 columns at a time, which few queries do not fill.
  bool tiles() const { return path_ >= CpuPath::avx512 && n_ > (path_ == CpuPath::amx ? kFewTiles : kFewVectors); }
  const Int8Columns& columns() const { return columns_; }
  const ByteScorer& scorer(std::size_t query, std::size_t digit) const { return each_[query * pooled_detail::kDigits + digit]; }
  const double* units(std::size_t group) const { return units_.data() + group * pooled_detail::kGroup; }

 private:
  static constexpr std::size_t kFewTiles = 1, kFewVectors = 8;

  // Blocks of columns are digit by digit of one group, and groups one after another.
  void pack(const DigitQueries& queries) {
    using namespace pooled_detail;
    const std::size_t groups = groups_for(n_), width = vectors_.width;
    std::vector<std::int8_t> columns(groups * kDigits * kGroup * width);
    for (std::size_t q = 0; q < n_; ++q)
      for (std::size_t d = 0; d < kDigits; ++d) {
        const std::size_t column = (q / kGroup * kDigits + d) * kGroup + q % kGroup;
        std::copy_n(queries.digits + (d * n_ + q) * width, width, columns.begin() + column * width);
      }
    columns_ = Int8Columns(columns.data(), groups * kDigits * kGroup, width);
  }

  CodedVectors<std::int8_t> vectors_;
  CpuPath path_;
  std::size_t n_;
  std::vector<double> units_;
  Int8Columns columns_;
  std::vector<ByteScorer> each_;
};

class ByteBlock {
 public:
  explicit ByteBlock(const ByteQueries& queries)
      : queries_(queries), dots_(queries.vectors().width, queries.tiles() ? queries.path() : CpuPath::portable) {}

  bool take(const SomeOrdinals& some) {
    bool sound = true;
    some_ = some;
    for (std::size_t r = 0; r < some.n; ++r) {
      scales_[r] = queries_.vectors().scales[some[r]];
      sound &= scales_[r] >= 0.0F && scales_[r] <= std::numeric_limits<float>::max();
      if (queries_.tiles()) dots_.set_row(r, queries_.vectors().codes + some[r] * queries_.vectors().width);
    }
    return sound;
  }

  void multiply(std::size_t group, float* out) {
    using namespace pooled_detail;
    for (std::size_t d = 0; d < kDigits; ++d) {
      if (queries_.tiles()) dots_.multiply(queries_.columns(), group * kDigits + d, sums_[d].data());
      else multiply_each(group, d);
    }
    const std::size_t columns = queries_.tiles() ? kGroup : std::min(kGroup, queries_.n() - group * kGroup);
    join(queries_.units(group), columns, out);
  }

 private:
  void multiply_each(std::size_t group, std::size_t digit) {
    using namespace pooled_detail;
    std::int32_t column[kRows];
    for (std::size_t q = group * kGroup; q < std::min(queries_.n(), (group + 1) * kGroup); ++q) {
      queries_.scorer(q, digit).dots(some_, column);
      for (std::size_t r = 0; r < some_.n; ++r) sums_[digit][r * kGroup + q % kGroup] = column[r];
    }
  }

  void join(const double* units, std::size_t columns, float* out) const {
#if LEXMAX_X86
    if (queries_.path() >= CpuPath::avx512) return join_avx512(units, columns, out);
    if (queries_.path() == CpuPath::avx2) return join_avx2(units, columns, out);
#endif
    join_body(units, columns, out);
  }
#if LEXMAX_X86
  LEXMAX_TARGET_AVX512 void join_avx512(const double* units, std::size_t columns, float* out) const {
    if (columns == pooled_detail::kGroup) return join_body(units, pooled_detail::kGroup, out);
    join_body(units, columns, out);
  }
  LEXMAX_TARGET_AVX2 void join_avx2(const double* units, std::size_t columns, float* out) const {
    join_body(units, columns, out);
  }
#endif

  // The sum of digits is exact in 53 bits, for no product of bytes exceeds 2^30.
  LEXMAX_INLINE void join_body(const double* units, std::size_t columns, float* out) const {
    using namespace pooled_detail;
    for (std::size_t r = 0; r < some_.n; ++r) {
      const std::int32_t* high = sums_[0].data() + r * kGroup;
      const std::int32_t* middle = sums_[1].data() + r * kGroup;
      const std::int32_t* low = sums_[2].data() + r * kGroup;
      const double scale = scales_[r];
      for (std::size_t c = 0; c < columns; ++c)
        out[r * kGroup + c] = static_cast<float>((high[c] * 65536.0 + middle[c] * 256.0 + low[c]) * (units[c] * scale));
      if (!(scale > 0.0)) std::fill_n(out + r * kGroup, columns, kNoVector);
    }
  }

  const ByteQueries& queries_;
  Int8Dots dots_;
  SomeOrdinals some_{nullptr, 0, 0};
  std::array<float, pooled_detail::kRows> scales_{};
  std::array<pooled_detail::Dots, pooled_detail::kDigits> sums_{};
};

/// Queries as the products of halves want them.
class HalfQueries {
 public:
  HalfQueries(const CodedVectors<std::uint16_t>& vectors, const FloatQuery& queries, CpuPath path)
      : vectors_(vectors), path_(vector_path(path)), n_(queries.n) {
    using namespace pooled_detail;
    for (std::size_t group = 0; group < groups_for(n_); ++group) {
      const std::size_t first = group * kGroup, width = lanes_for(std::min(kGroup, n_ - first));
      weights_.emplace_back(vectors.width * width);
      for (std::size_t q = first; q < std::min(n_, first + kGroup); ++q)
        for (std::size_t k = 0; k < vectors.width; ++k)
          weights_[group][k * width + q - first] = queries.vectors[q * vectors.width + k];
    }
  }

  const CodedVectors<std::uint16_t>& vectors() const { return vectors_; }
  std::size_t n() const { return n_; }
  CpuPath path() const { return path_; }
  const std::vector<float>& weights(std::size_t group) const { return weights_[group]; }

 private:
  CodedVectors<std::uint16_t> vectors_;
  CpuPath path_;
  std::size_t n_;
  std::vector<std::vector<float>> weights_;  // by group: (dim, queries in a multiple of kLanes)
};

class HalfBlock {
 public:
  explicit HalfBlock(const HalfQueries& queries)
      : queries_(queries), rows_(pooled_detail::kRows * queries.vectors().width) {}

  bool take(const SomeOrdinals& some) {
    n_ = some.n;
    bool sound = true;
    const std::size_t width = queries_.vectors().width;
    for (std::size_t r = 0; r < n_; ++r) {
      const std::uint16_t* half = queries_.vectors().codes + static_cast<std::size_t>(some[r]) * width;
      const std::uint16_t largest = decode(half, rows_.data() + r * width);
      empty_[r] = largest == 0;
      sound &= largest < 0x7C00;  // the exponent of infinity and NaN
    }
    return sound;
  }

  void multiply(std::size_t group, float* out) {
    using namespace pooled_detail;
    const std::size_t width = queries_.vectors().width, columns = queries_.weights(group).size() / width;
    project({rows_.data(), n_, width, queries_.weights(group).data(), columns, products_.data()}, queries_.path());
    for (std::size_t r = 0; r < n_; ++r) {
      if (empty_[r]) std::fill_n(out + r * kGroup, columns, kNoVector);
      else std::copy_n(products_.data() + r * columns, columns, out + r * kGroup);
    }
  }

 private:
  /// Writes the numbers; returns the largest of their bits without signs.
  std::uint16_t decode(const std::uint16_t* half, float* out) const {
    const std::size_t width = queries_.vectors().width;
#if LEXMAX_X86
    if (queries_.path() >= CpuPath::avx512) return decode_avx512(half, width, out);
    if (queries_.path() == CpuPath::avx2 && __builtin_cpu_supports("f16c")) return decode_avx2(half, width, out);
#endif
    for (std::size_t k = 0; k < width; ++k) out[k] = half_to_float(half[k]);
    return largest(half, width);
  }
#if LEXMAX_X86
  LEXMAX_TARGET_AVX512 static std::uint16_t decode_avx512(const std::uint16_t* half, std::size_t width, float* out) {
    using namespace project_detail::avx512;
    std::size_t k = 0;
    for (; k + kWidth <= width; k += kWidth) store(out + k, loaded(half + k));
    for (; k < width; ++k) out[k] = half_to_float(half[k]);
    return largest(half, width);
  }
  LEXMAX_TARGET_FMA static std::uint16_t decode_avx2(const std::uint16_t* half, std::size_t width, float* out) {
    using namespace project_detail::avx2;
    std::size_t k = 0;
    for (; k + kWidth <= width; k += kWidth) store(out + k, loaded(half + k));
    for (; k < width; ++k) out[k] = half_to_float(half[k]);
    return largest(half, width);
  }
#endif
  LEXMAX_INLINE static std::uint16_t largest(const std::uint16_t* half, std::size_t width) {
    std::uint16_t found = 0;
    for (std::size_t k = 0; k < width; ++k) {
      const auto bits = static_cast<std::uint16_t>(half[k] & 0x7FFF);
      found = bits > found ? bits : found;
    }
    return found;
  }

  const HalfQueries& queries_;
  std::size_t n_ = 0;
  std::vector<float> rows_;
  std::array<bool, pooled_detail::kRows> empty_{};
  pooled_detail::Products products_{};
};

namespace pooled_detail {

// Documents whose `alive` is looked at at a time.
constexpr std::size_t kLooked = 1024;

/// The best of every query among the documents from `begin` to `end`.
template <class Queries, PooledBlock Block>
class Scan {
 public:
  Scan(const Queries& queries, std::size_t n)
      : n_queries_(queries.n()), block_(queries), best_(queries.n(), BestN(n)),
        floors_(groups_for(queries.n()) * kGroup, std::numeric_limits<float>::infinity()) {
    std::fill_n(floors_.begin(), n_queries_, kNoVector);
  }

  bool run(const std::uint8_t* alive, std::size_t begin, std::size_t end) {
    std::vector<std::int64_t> living(kLooked);
    bool sound = true;
    for (std::size_t first = begin; first < end; first += kLooked) {
      const std::size_t stop = std::min(end, first + kLooked);
      SomeOrdinals some{nullptr, static_cast<std::int64_t>(first), stop - first};
      if (alive) {
        std::size_t count = 0;
        for (std::size_t i = first; i < stop; ++i) {
          living[count] = static_cast<std::int64_t>(i);
          count += alive[i] != 0;
        }
        some = {living.data(), 0, count};
      }
      for (std::size_t i = 0; i < some.n; i += kRows) sound &= offer(some.part(i, std::min(some.n, i + kRows)));
    }
    return sound;
  }

  std::vector<Scored> take(std::size_t query) { return best_[query].take(); }

 private:
  bool offer(const SomeOrdinals& some) {
    const bool sound = block_.take(some);
    for (std::size_t group = 0; group < groups_for(n_queries_); ++group) {
      block_.multiply(group, products_.data());
      for (std::size_t r = 0; r < some.n; ++r) offer_row(products_.data() + r * kGroup, group * kGroup, some[r]);
    }
    return sound;
  }

  void offer_row(const float* scores, std::size_t first, std::int64_t ordinal) {
    float* floors = floors_.data() + first;
    unsigned any = 0;
    for (std::size_t c = 0; c < kGroup; ++c) any |= scores[c] >= floors[c];
    if (!any) return;
    for (std::size_t c = 0; c < std::min(kGroup, n_queries_ - first); ++c) {
      if (!(scores[c] >= floors[c])) continue;
      best_[first + c].offer(scores[c], ordinal);
      floors[c] = best_[first + c].threshold();
    }
  }

  std::size_t n_queries_;
  Block block_;
  std::vector<BestN> best_;
  std::vector<float> floors_;  // of every query; none reaches those past the last
  Products products_{};
};

}  // namespace pooled_detail

/// Best documents of every query.
struct PooledBest {
  std::vector<std::vector<Scored>> rows;
  bool sound = true;  // whether all numbers that were read are numbers
};

/// The best `n` of every query among the documents whose `alive` is not 0; null for all. The same on any number of
/// threads.
template <class Queries, PooledBlock Block>
PooledBest scan_pooled(const Queries& queries, const std::uint8_t* alive, std::size_t n, std::size_t threads) {
  using Scan = pooled_detail::Scan<Queries, Block>;
  const std::size_t n_docs = queries.vectors().n;
  const std::size_t pieces = std::max<std::size_t>(1, std::min(threads, n_docs / pooled_detail::kLooked));
  std::vector<std::vector<std::vector<Scored>>> found(pieces);
  std::vector<std::uint8_t> sound(pieces);
  in_parallel(pieces, pieces, [&](std::size_t piece) {
    const auto scan = std::make_unique<Scan>(queries, n);
    sound[piece] = scan->run(alive, piece * n_docs / pieces, (piece + 1) * n_docs / pieces);
    for (std::size_t q = 0; q < queries.n(); ++q) found[piece].push_back(scan->take(q));
  });
  PooledBest best;
  for (std::size_t q = 0; q < queries.n(); ++q) {
    BestN of_query(n);
    for (const auto& piece : found) of_query.offer(piece[q]);
    best.rows.push_back(of_query.take());
  }
  best.sound = std::all_of(sound.begin(), sound.end(), [](std::uint8_t one) { return one != 0; });
  return best;
}

/// out (n queries, some.n): products of all of them; -inf for a document without a vector. Whether all numbers are.
template <class Queries, PooledBlock Block>
bool score_pooled(const Queries& queries, const SomeOrdinals& some, float* out) {
  using namespace pooled_detail;
  const auto block = std::make_unique<Block>(queries);
  Products products{};
  bool sound = true;
  for (std::size_t begin = 0; begin < some.n; begin += kRows) {
    const SomeOrdinals part = some.part(begin, std::min(some.n, begin + kRows));
    sound &= block->take(part);
    for (std::size_t q = 0; q < queries.n(); ++q) {
      if (q % kGroup == 0) block->multiply(q / kGroup, products.data());
      for (std::size_t r = 0; r < part.n; ++r) out[q * some.n + begin + r] = products[r * kGroup + q % kGroup];
    }
  }
  return sound;
}

}  // namespace lexmax
