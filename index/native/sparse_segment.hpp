// What does a sparse segment consist of in memory? Views of its arrays: docs/format/sparse.md.
//
// Arrays may come from a damaged file: every value that is used as an address is checked or masked
// first, so the worst outcome is `Corrupt` or a wrong score, never a read or write out of bounds.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace lexmax::sparse {

/// Values inside the index's arrays that no build writes.
struct Corrupt : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Documents of one row of sums: what a chunk of a dense row, 64 bytes of 4-bit codes, covers.
inline constexpr std::size_t kChunkDocs = 128;
inline constexpr std::size_t kChunkBytes = kChunkDocs / 2;
/// Accumulators of a window, 64 KiB of 16-bit sums: most of a first-level cache, little of a second-level one.
inline constexpr std::size_t kMaxWindowDocs = 1 << 15;
/// Codes of a dense row: 0 says that the document lacks the term.
inline constexpr std::size_t kCodes = 16;
/// Units of a dense row in a list: 0, the row's place, the levels of its codes; groups follow.
inline constexpr std::size_t kRowUnits = 3 + kCodes / 2;

/// A document's row of the forward index: its terms, two to a unit or one, then a float32 weight in a unit for each.
/// Together, because a row is read at random: every page that it lies on costs a miss of its own.
struct ForwardRow {
  const std::uint32_t* terms;
  const float* weights;
  std::size_t size;
  bool short_terms;

  ForwardRow(std::span<const std::uint32_t> units, bool short_terms)
      : terms(units.data()), size(short_terms ? units.size() * 2 / 3 : units.size() / 2), short_terms(short_terms) {
    weights = reinterpret_cast<const float*>(units.data() + (units.size() - size));
  }
  const std::uint16_t* narrow() const { return reinterpret_cast<const std::uint16_t*>(terms); }
  std::uint32_t term(std::size_t i) const { return short_terms ? narrow()[i] : terms[i]; }
  static std::size_t units(std::size_t size, bool short_terms) { return (short_terms ? (size + 1) / 2 : size) + size; }
};

struct Segment {
  std::span<const std::uint32_t> terms;
  std::span<const float> steps;
  std::span<const std::uint32_t> doc_freqs;
  std::size_t window_docs, span_windows;
  std::span<const std::uint32_t> term_lists;
  std::span<const std::uint16_t> list_windows;
  std::span<const std::uint32_t> list_ptr;
  std::span<const std::int64_t> span_ptr;
  std::span<const std::uint16_t> postings;
  std::span<const std::uint8_t> rows;
  std::span<const std::int64_t> indptr;
  std::span<const std::uint32_t> forward;

  std::size_t n_docs() const { return indptr.size() - 1; }
  std::size_t n_spans() const { return span_ptr.size() - 1; }
  std::size_t n_windows() const { return (n_docs() + window_docs - 1) / window_docs; }
  std::size_t docs_in(std::size_t window) const { return std::min(window_docs, n_docs() - window * window_docs); }

  /// The half-open range of the lists of a term in a span.
  std::pair<std::size_t, std::size_t> lists(std::size_t span, std::uint32_t term) const {
    const std::size_t at = span * terms.size() + term;
    const std::size_t first = term_lists[at], last = term_lists[at + 1];
    if (last < first || last > list_windows.size()) throw Corrupt("sparse.term_lists points beyond sparse.list_windows");
    return {first, last};
  }

  /// The units of a list: at least one.
  std::span<const std::uint16_t> units(std::size_t span, std::size_t list) const {
    const std::int64_t base = span_ptr[span];
    const auto size = static_cast<std::int64_t>(postings.size());
    if (base < 0 || base > size) throw Corrupt("sparse.span_ptr points beyond sparse.postings");
    const std::int64_t begin = base + list_ptr[list + span], end = base + list_ptr[list + span + 1];
    if (end <= begin || end > size)
      throw Corrupt("sparse.list_ptr points beyond sparse.postings");
    return postings.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }

  /// The units of a list's dense row, none where it has none, and those of its groups.
  static std::pair<std::span<const std::uint16_t>, std::span<const std::uint16_t>> parts(
      std::span<const std::uint16_t> list) {
    if (list[0] != 0) return {list.first(0), list};
    if (list.size() <= kRowUnits) throw Corrupt("sparse.postings holds a dense row's list that is cut short");
    return {list.first(kRowUnits), list.subspan(kRowUnits)};
  }

  /// The codes of a dense row: a chunk of 64 bytes for every 128 documents of its window.
  std::span<const std::uint8_t> row(std::span<const std::uint16_t> list, std::size_t n_chunks) const {
    const std::size_t begin = (list[1] + (std::size_t{list[2]} << 16)) * kChunkBytes;
    const std::size_t length = n_chunks * kChunkBytes;
    if (begin + length > rows.size()) throw Corrupt("sparse.postings points beyond sparse.rows");
    return rows.subspan(begin, length);
  }

  /// Whether the forward index has terms of 16 bits.
  bool short_terms() const { return terms.size() <= std::size_t{1} << 16; }

  /// The units of a document's row in the forward index.
  std::span<const std::uint32_t> row_of(std::size_t doc) const {
    const std::int64_t begin = indptr[doc], end = indptr[doc + 1];
    if (begin < 0 || end < begin || end > static_cast<std::int64_t>(forward.size()))
      throw Corrupt("forward.indptr points beyond forward.rows");
    return forward.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }
};

/// How much of a query's postings is read. Exact: everything that could matter.
struct Engine {
  /// Share of the query's mass, what its postings could add at most, that is read; 1 is exact.
  double share = 1;
  /// Postings to read, those of the largest contributions; 0 for no limit.
  std::size_t budget = 0;
  /// A query whose terms have no more postings is answered exactly all the same.
  std::size_t affordable = 0;

  bool exact() const { return share >= 1 && budget == 0; }
  /// Documents to score for the best k, where sums leave out a part; 0 where sums are bounds.
  std::size_t depth(std::size_t k) const { return exact() ? 0 : k + k / 2 + 40 + budget / 1000; }
};

/// Local term numbers, ascending, and their weights.
struct Query {
  std::span<const std::uint32_t> terms;
  std::span<const float> weights;
  /// Documents that score less are not wanted.
  float floor = 0;
};

/// An impact in units of the query's accumulators, rounded up.
inline std::uint32_t contribution(std::uint32_t multiplier, std::uint32_t level) {
  return (multiplier * level + 0xFFFFu) >> 16;
}

}  // namespace lexmax::sparse
