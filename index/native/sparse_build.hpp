// How do documents become posting lists? Window by window, then every term's lists of a span are put together.
//
// Memory: a span at a time, twice its encoded postings.
#pragma once
#include <bit>
#include <cstring>

#include "sparse_levels.hpp"
#include "sparse_parallel.hpp"
#include "sparse_terms.hpp"

namespace lexmax::sparse {

/// The documents of one span as rows of local terms and weights; `indptr` counts from the first of them.
struct Rows {
  std::span<const std::int64_t> indptr;
  std::span<const std::uint32_t> terms;
  std::span<const float> weights;
  std::span<const float> steps;
  std::size_t window_docs;
  std::size_t first_doc;
};

/// The least level that, times the step, reaches the weight.
inline std::uint8_t level_of(double weight, double step) {
  double level = std::ceil(weight / step);
  if (level * step < weight) ++level;
  if (level > 1 && (level - 1) * step >= weight) --level;
  return static_cast<std::uint8_t>(std::clamp(level, 1.0, 255.0));
}

/// The lists of one window, by ascending term.
class WindowLists {
 public:
  struct List {
    std::uint32_t term, begin;
  };

  WindowLists(const Rows& rows, std::size_t first_doc, std::size_t last_doc) {
    const std::size_t n_docs = last_doc - first_doc;
    transpose(rows, first_doc, last_doc);
    for (std::size_t term = 0; term + 1 < starts_.size(); ++term) {
      const std::size_t begin = starts_[term], end = starts_[term + 1];
      if (begin == end) continue;
      lists_.push_back({static_cast<std::uint32_t>(term), static_cast<std::uint32_t>(units_.size())});
      const std::span levels(levels_.data() + begin, end - begin);
      const std::span offsets(offsets_.data() + begin, end - begin);
      if ((end - begin) * kDense >= n_docs && end - begin >= kFewest) {
        write_row(levels, offsets, n_docs);
      } else {
        write_groups(levels, offsets);
      }
    }
    lists_.push_back({0, static_cast<std::uint32_t>(units_.size())});
    std::vector<std::uint32_t>().swap(starts_);
    std::vector<std::uint8_t>().swap(levels_);
    std::vector<std::uint16_t>().swap(offsets_);
  }

  std::span<const List> lists() const { return std::span(lists_).first(lists_.size() - 1); }
  std::size_t length(std::size_t list) const { return lists_[list + 1].begin - lists_[list].begin; }
  const std::vector<std::uint8_t>& row_codes() const { return row_codes_; }

  /// Copies a list; a dense row's place is moved by `rows_before`, in chunks.
  void copy(std::size_t list, std::uint16_t* to, std::size_t rows_before) const {
    std::memcpy(to, units_.data() + lists_[list].begin, length(list) * sizeof *to);
    if (to[0] != 0) return;
    const std::size_t place = to[1] + (std::size_t{to[2]} << 16) + rows_before;
    if (place >> 32 != 0) throw std::length_error("dense rows of more than 256 GiB in a segment");
    to[1] = static_cast<std::uint16_t>(place);
    to[2] = static_cast<std::uint16_t>(place >> 16);
  }

 private:
  // A row costs half a byte for each document of the window, a posting two bytes and more time.
  static constexpr std::size_t kDense = 14;
  static constexpr std::size_t kFewest = 16;
  static constexpr double kBulk = 0.96;

  void transpose(const Rows& rows, std::size_t first_doc, std::size_t last_doc) {
    const auto begin = static_cast<std::size_t>(rows.indptr[first_doc]);
    const auto end = static_cast<std::size_t>(rows.indptr[last_doc]);
    starts_.assign(rows.steps.size() + 1, 0);
    for (std::size_t p = begin; p < end; ++p) ++starts_[rows.terms[p] + 1];
    for (std::size_t t = 1; t < starts_.size(); ++t) starts_[t] += starts_[t - 1];
    levels_.resize(end - begin);
    offsets_.resize(end - begin);
    for (std::size_t doc = first_doc; doc < last_doc; ++doc) {
      for (auto p = rows.indptr[doc]; p < rows.indptr[doc + 1]; ++p) {
        const std::uint32_t term = rows.terms[static_cast<std::size_t>(p)];
        const std::uint32_t at = starts_[term]++;
        levels_[at] = level_of(rows.weights[static_cast<std::size_t>(p)], rows.steps[term]);
        offsets_[at] = static_cast<std::uint16_t>(doc - first_doc);
      }
    }
    std::rotate(starts_.begin(), starts_.end() - 1, starts_.end());
    starts_[0] = 0;
  }

  /// The bulk of the postings as a row of codes; the few with large levels as groups, so that the row's bound is low.
  void write_row(std::span<const std::uint8_t> levels, std::span<const std::uint16_t> offsets, std::size_t n_docs) {
    const std::uint8_t top = bulk(levels);
    body_levels_.clear();
    head_levels_.clear();
    head_offsets_.clear();
    for (std::size_t p = 0; p < levels.size(); ++p) {
      if (levels[p] <= top) {
        body_levels_.push_back(levels[p]);
      } else {
        head_levels_.push_back(levels[p]);
        head_offsets_.push_back(offsets[p]);
      }
    }
    const Levels bins(body_levels_, kCodes - 1);
    const std::size_t place = row_codes_.size() / kChunkBytes;
    const std::size_t begin = row_codes_.size();
    row_codes_.resize(begin + (n_docs + kChunkDocs - 1) / kChunkDocs * kChunkBytes);
    for (std::size_t p = 0; p < levels.size(); ++p) {
      if (levels[p] > top) continue;
      const std::size_t chunk = offsets[p] / kChunkDocs, i = offsets[p] % kChunkDocs;
      const std::size_t byte = 2 * (i % 32) + (i / 32) % 2;
      const auto code = static_cast<std::uint8_t>(bins.bin(levels[p]) + 1);
      row_codes_[begin + chunk * kChunkBytes + byte] |= static_cast<std::uint8_t>(i >= 64 ? code << 4 : code);
    }
    units_.push_back(0);
    units_.push_back(static_cast<std::uint16_t>(place));
    units_.push_back(static_cast<std::uint16_t>(place >> 16));
    for (std::size_t code = 0; code < kCodes; code += 2) {
      const auto level = [&](std::size_t c) -> std::uint32_t { return c == 0 || c > bins.size() ? 0 : bins.top(c - 1); };
      units_.push_back(static_cast<std::uint16_t>(level(code) | level(code + 1) << 8));
    }
    write_groups(head_levels_, head_offsets_);
  }

  /// The least level that kBulk of the postings do not exceed.
  static std::uint8_t bulk(std::span<const std::uint8_t> levels) {
    std::array<std::size_t, 256> counts{};
    for (const std::uint8_t level : levels) ++counts[level];
    std::size_t level = 0, n = 0;
    while (static_cast<double>(n) < kBulk * static_cast<double>(levels.size())) n += counts[++level];
    return static_cast<std::uint8_t>(level);
  }

  /// Groups by descending level, so that a search which wants only large weights reads a list's beginning.
  void write_groups(std::span<const std::uint8_t> levels, std::span<const std::uint16_t> offsets) {
    const Levels bins(levels, std::min<std::size_t>(kMostGroups, 4 + levels.size() / kPerGroup));
    const std::size_t header = units_.size();
    units_.push_back(0);
    std::array<std::size_t, 256> next;
    std::size_t n_groups = 0, at = 0;
    for (std::size_t bin = bins.size(); bin-- > 0;) {
      next[bin] = at;
      at += bins.count(bin);
      for (std::size_t left = bins.count(bin); left > 0; ++n_groups) {
        const std::size_t count = std::min<std::size_t>(left, 255);
        units_.push_back(static_cast<std::uint16_t>(bins.top(bin) << 8 | count));
        left -= count;
      }
    }
    units_[header] = static_cast<std::uint16_t>(n_groups);
    const std::size_t begin = units_.size();
    units_.resize(begin + levels.size());
    for (std::size_t p = 0; p < levels.size(); ++p) units_[begin + next[bins.bin(levels[p])]++] = offsets[p];
  }

  static constexpr std::size_t kMostGroups = 12;
  static constexpr std::size_t kPerGroup = 32;

  std::vector<std::uint32_t> starts_;
  std::vector<std::uint8_t> levels_;
  std::vector<std::uint16_t> offsets_;
  std::vector<std::uint8_t> body_levels_, head_levels_;
  std::vector<std::uint16_t> head_offsets_;
  std::vector<List> lists_;
  std::vector<std::uint16_t> units_;
  std::vector<std::uint8_t> row_codes_;
};

/// The lists of a span of windows, by term, then window.
struct SpanLists {
  std::vector<std::uint32_t> term_lists, list_ptr;
  std::vector<std::uint16_t> list_windows, postings;
  std::vector<std::uint8_t> rows;

  /// `lists` posting lists and `chunks` of dense rows lie before those of this span.
  SpanLists(const Rows& all, std::size_t lists, std::size_t chunks, std::size_t threads) {
    const std::size_t n_docs = all.indptr.size() - 1;
    const std::size_t n_windows = (n_docs + all.window_docs - 1) / all.window_docs;
    std::vector<std::unique_ptr<WindowLists>> windows(n_windows);
    in_parallel(n_windows, threads, [&](std::size_t w) {
      const std::size_t first = w * all.window_docs;
      windows[w] = std::make_unique<WindowLists>(all, first, std::min(n_docs, first + all.window_docs));
    });
    std::vector<std::uint64_t> starts = place(all.steps.size(), windows, lists);
    std::vector<std::uint32_t> next(term_lists);
    for (std::size_t w = 0; w < n_windows; ++w) {
      const std::size_t window = all.first_doc / all.window_docs + w;
      for (std::size_t l = 0; l < windows[w]->lists().size(); ++l) {
        const std::uint32_t term = windows[w]->lists()[l].term;
        const std::size_t list = next[term]++ - lists;
        list_windows[list] = static_cast<std::uint16_t>(window);
        list_ptr[list] = static_cast<std::uint32_t>(starts[term]);
        windows[w]->copy(l, postings.data() + starts[term], chunks + rows.size() / kChunkBytes);
        starts[term] += windows[w]->length(l);
      }
      rows.insert(rows.end(), windows[w]->row_codes().begin(), windows[w]->row_codes().end());
      windows[w].reset();
    }
  }

 private:
  std::vector<std::uint64_t> place(std::size_t n_terms, std::span<const std::unique_ptr<WindowLists>> windows,
                                   std::size_t lists_before) {
    std::vector<std::uint64_t> starts(n_terms + 1);
    std::vector<std::uint64_t> counts(n_terms + 1);
    for (const auto& window : windows)
      for (std::size_t l = 0; l < window->lists().size(); ++l) {
        ++counts[window->lists()[l].term + 1];
        starts[window->lists()[l].term + 1] += window->length(l);
      }
    counts[0] = lists_before;
    for (std::size_t t = 1; t <= n_terms; ++t) {
      counts[t] += counts[t - 1];
      starts[t] += starts[t - 1];
    }
    if (counts[n_terms] >> 32 != 0 || starts[n_terms] >> 32 != 0)
      throw std::length_error("more than 4,294,967,295 posting lists or units; cut the segment");
    term_lists.assign(counts.begin(), counts.end());
    list_windows.resize(counts[n_terms] - lists_before);
    list_ptr.resize(list_windows.size() + 1);
    list_ptr.back() = static_cast<std::uint32_t>(starts[n_terms]);
    postings.resize(starts[n_terms]);
    return starts;
  }
};

}  // namespace lexmax::sparse
