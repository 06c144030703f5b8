// Binds the sparse kernels: arrays are checked for dtype and order (noconvert), the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <optional>

#include "sparse_build.hpp"
#include "sparse_parallel.hpp"

namespace lexmax::sparse {

namespace nb = nanobind;

template <class T>
using Vector = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Filled = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Matrix = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> span(const Vector<T>& array) {
  return {array.data(), array.size()};
}

template <class T>
auto owned(std::vector<T>&& values) {
  auto* kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}

/// A segment whose arrays live as long as it does.
class Postings {
 public:
  Postings(Vector<std::uint32_t> terms, Vector<float> steps, Vector<std::uint32_t> doc_freqs, std::size_t window_docs,
           std::size_t span_windows, Vector<std::uint32_t> term_lists, Vector<std::uint16_t> list_windows,
           Vector<std::uint32_t> list_ptr, Vector<std::int64_t> span_ptr, Vector<std::uint16_t> postings,
           Vector<std::uint8_t> rows, Vector<std::int64_t> indptr, Vector<std::uint32_t> forward)
      : kept_{terms, steps, doc_freqs, term_lists, list_windows, list_ptr, span_ptr, postings, rows, indptr, forward} {
    segment_ = {span(kept_.terms), span(kept_.steps), span(kept_.doc_freqs), window_docs, span_windows,
                span(kept_.term_lists), span(kept_.list_windows), span(kept_.list_ptr), span(kept_.span_ptr),
                span(kept_.postings), span(kept_.rows), span(kept_.indptr), span(kept_.forward)};
    check();
  }

  /// Fills ordinals and scores (n_queries, k) with each query's best documents, best first.
  void search(const Vector<std::int64_t>& query_indptr, const Vector<std::uint32_t>& query_terms,
              const Vector<float>& query_weights, const std::optional<Vector<float>>& floors,
              const std::optional<Vector<std::uint8_t>>& alive, const Matrix<std::int64_t>& ordinals, const Matrix<float>& scores, double share, std::size_t budget,
              std::size_t affordable, std::size_t threads, const std::string& path) const {
    const std::size_t n = ordinals.shape(0), k = ordinals.shape(1);
    std::optional<nb::gil_scoped_release> released;
    if (threads > 1 || n * segment_.n_docs() > kBrief) released.emplace();
    if (n == 0 || k == 0) return;
    const KnownTerms known(segment_, span(query_indptr), span(query_terms), span(query_weights),
                           floors ? span(*floors) : std::span<const float>{});
    const BatchSearch batch(segment_, alive ? span(*alive) : std::span<const std::uint8_t>{}, path_named(path),
                            {share, budget, affordable}, k);
    const auto best = batch.run(known.queries(), std::max<std::size_t>(threads, 1));
    for (std::size_t row = 0; row < n; ++row) {
      for (std::size_t rank = 0; rank < best[row].size(); ++rank) {
        ordinals.data()[row * k + rank] = best[row][rank].doc;
        scores.data()[row * k + rank] = best[row][rank].score;
      }
    }
  }

  /// Weights of documents, a row each: offsets, global term ids, weights.
  auto weights(const Vector<std::int64_t>& docs) const {
    std::vector<std::int64_t> indptr{0};
    std::vector<std::uint32_t> terms;
    std::vector<float> weights;
    {
      const nb::gil_scoped_release released;
      for (const std::int64_t doc : span(docs)) {
        if (doc < 0 || static_cast<std::size_t>(doc) >= segment_.n_docs()) throw std::out_of_range("no such document");
        const ForwardRow row{segment_.row_of(static_cast<std::size_t>(doc)), segment_.short_terms()};
        for (std::size_t i = 0; i < row.size; ++i) {
          if (row.term(i) >= segment_.terms.size()) throw Corrupt("forward.rows holds a term that sparse.terms has not");
          terms.push_back(segment_.terms[row.term(i)]);
          weights.push_back(row.weights[i]);
        }
        indptr.push_back(static_cast<std::int64_t>(terms.size()));
      }
    }
    return std::make_tuple(owned(std::move(indptr)), owned(std::move(terms)), owned(std::move(weights)));
  }

  /// Bytes of postings and rows that the queries' terms have.
  std::size_t touched_bytes(const Vector<std::uint32_t>& query_terms) const {
    const nb::gil_scoped_release released;
    std::size_t bytes = 0;
    for (const std::uint32_t term : span(query_terms)) {
      const auto at = std::lower_bound(segment_.terms.begin(), segment_.terms.end(), term);
      if (at == segment_.terms.end() || *at != term) continue;
      for (std::size_t s = 0; s < segment_.n_spans(); ++s) {
        const auto [first, last] = segment_.lists(s, static_cast<std::uint32_t>(at - segment_.terms.begin()));
        for (std::size_t list = first; list < last; ++list) {
          const auto units = segment_.units(s, list);
          bytes += units.size_bytes();
          if (units[0] == 0) bytes += (segment_.docs_in(segment_.list_windows[list]) + 1) / 2;
        }
      }
    }
    return bytes;
  }

 private:
  struct Kept {
    Vector<std::uint32_t> terms;
    Vector<float> steps;
    Vector<std::uint32_t> doc_freqs, term_lists;
    Vector<std::uint16_t> list_windows;
    Vector<std::uint32_t> list_ptr;
    Vector<std::int64_t> span_ptr;
    Vector<std::uint16_t> postings;
    Vector<std::uint8_t> rows;
    Vector<std::int64_t> indptr;
    Vector<std::uint32_t> forward;
  };

  /// A batch of queries without the terms that no document holds.
  class KnownTerms {
   public:
    KnownTerms(const Segment& segment, std::span<const std::int64_t> indptr, std::span<const std::uint32_t> terms,
               std::span<const float> weights, std::span<const float> floors) {
      std::vector<std::size_t> ends;
      for (std::size_t q = 0; q + 1 < indptr.size(); ++q) {
        auto from = segment.terms.begin();
        for (auto p = static_cast<std::size_t>(indptr[q]); p < static_cast<std::size_t>(indptr[q + 1]); ++p) {
          from = std::lower_bound(from, segment.terms.end(), terms[p]);
          if (from == segment.terms.end()) break;
          if (*from != terms[p]) continue;
          terms_.push_back(static_cast<std::uint32_t>(from - segment.terms.begin()));
          weights_.push_back(weights[p]);
        }
        ends.push_back(terms_.size());
      }
      std::size_t begin = 0;
      for (const std::size_t end : ends) {
        queries_.push_back({std::span(terms_).subspan(begin, end - begin), std::span(weights_).subspan(begin, end - begin)});
        if (queries_.size() <= floors.size()) queries_.back().floor = floors[queries_.size() - 1];
        begin = end;
      }
    }
    std::span<const Query> queries() const { return queries_; }

   private:
    std::vector<std::uint32_t> terms_;
    std::vector<float> weights_;
    std::vector<Query> queries_;
  };

  /// Whether offsets run from 0 to a total.
  template <class T>
  static bool spans(std::span<const T> offsets, std::size_t total) {
    return offsets.front() == 0 && static_cast<std::uint64_t>(offsets.back()) == total;
  }

  /// Lengths that do not fit together would be addresses out of bounds later.
  void check() const {
    const Segment& s = segment_;
    const bool fits =
        s.window_docs >= 1 && s.window_docs <= kMaxWindowDocs && std::has_single_bit(s.window_docs) &&
        s.span_windows >= 1 && !s.indptr.empty() && !s.span_ptr.empty() && s.steps.size() == s.terms.size() &&
        s.doc_freqs.size() == s.terms.size() &&
        s.n_spans() == (s.n_windows() + s.span_windows - 1) / s.span_windows &&
        s.term_lists.size() == s.n_spans() * s.terms.size() + 1 &&
        s.list_ptr.size() == s.list_windows.size() + s.n_spans() &&
        s.rows.size() % kChunkBytes == 0 &&
        spans(s.indptr, s.forward.size()) && spans(s.span_ptr, s.postings.size()) &&
        spans(s.term_lists, s.list_windows.size());
    if (!fits) throw Corrupt("lengths of the arrays do not fit together");
  }

  // So many documents are searched in tens of microseconds: handing the interpreter to another thread meanwhile,
  // and waiting for it again, takes longer, and a collection that is written to has many such segments.
  static constexpr std::size_t kBrief = 1 << 15;

  Kept kept_;
  Segment segment_;
};

/// Terms of documents as they come, chunk by chunk.
class Terms {
 public:
  void add(const Vector<std::uint32_t>& terms, const Vector<float>& weights) {
    const nb::gil_scoped_release released;
    for (std::size_t p = 0; p < std::min(terms.size(), weights.size()); ++p) table_.add(terms.data()[p], weights.data()[p]);
  }

  /// Term ids, ascending; documents that hold each; its largest weight.
  auto sorted() {
    std::vector<std::uint32_t> ids, doc_freqs;
    std::vector<float> largest;
    {
      const nb::gil_scoped_release released;
      for (const TermCount& count : table_.sorted()) {
        ids.push_back(count.term);
        doc_freqs.push_back(count.doc_freq);
        largest.push_back(count.largest);
      }
    }
    return std::make_tuple(owned(std::move(ids)), owned(std::move(doc_freqs)), owned(std::move(largest)));
  }

  /// Fills `local` with the local numbers of terms that were added; only after `sorted`.
  void localise(const Vector<std::uint32_t>& terms, const Filled<std::uint32_t>& local) const {
    const nb::gil_scoped_release released;
    for (std::size_t p = 0; p < std::min(terms.size(), local.size()); ++p) local.data()[p] = table_.local(terms.data()[p]);
  }

 private:
  TermTable table_;
};

/// Rows of the forward index: where each begins and ends, counted from `before`, and their units.
inline auto encode_forward(const Vector<std::int64_t>& indptr, const Vector<std::uint32_t>& terms,
                           const Vector<float>& weights, bool short_terms, std::int64_t before) {
  std::vector<std::int64_t> ends;
  std::vector<std::uint32_t> units;
  {
    const nb::gil_scoped_release released;
    units.reserve(terms.size() * 2);
    for (std::size_t doc = 0; doc + 1 < indptr.size(); ++doc) {
      const auto begin = static_cast<std::size_t>(indptr.data()[doc]), end = static_cast<std::size_t>(indptr.data()[doc + 1]);
      const std::size_t at = units.size(), size = end - begin;
      units.resize(at + ForwardRow::units(size, short_terms));
      auto* narrow = reinterpret_cast<std::uint16_t*>(units.data() + at);
      for (std::size_t i = 0; i < size; ++i) {
        if (short_terms) {
          narrow[i] = static_cast<std::uint16_t>(terms.data()[begin + i]);
        } else {
          units[at + i] = terms.data()[begin + i];
        }
      }
      if (size > 0) std::memcpy(units.data() + units.size() - size, weights.data() + begin, size * sizeof(float));
      ends.push_back(before + static_cast<std::int64_t>(units.size()));
    }
  }
  return std::make_tuple(owned(std::move(ends)), owned(std::move(units)));
}

inline auto encode_span(const Vector<std::int64_t>& indptr, const Vector<std::uint32_t>& terms,
                        const Vector<float>& weights, const Vector<float>& steps, std::size_t window_docs,
                        std::size_t first_doc, std::size_t lists, std::size_t chunks, std::size_t threads) {
  std::optional<SpanLists> lists_of_span;
  {
    const nb::gil_scoped_release released;
    const Rows rows{span(indptr), span(terms), span(weights), span(steps), window_docs, first_doc};
    lists_of_span.emplace(rows, lists, chunks, threads);
  }
  SpanLists& made = *lists_of_span;
  return std::make_tuple(owned(std::move(made.term_lists)), owned(std::move(made.list_windows)),
                         owned(std::move(made.list_ptr)), owned(std::move(made.postings)), owned(std::move(made.rows)));
}

}  // namespace lexmax::sparse

inline void bind_sparse(nanobind::module_& m) {
  using namespace nanobind::literals;
  namespace nb = nanobind;
  using namespace lexmax::sparse;
  nb::class_<Postings>(m, "Postings", "Posting lists and forward rows of one segment; keeps its arrays alive.")
      .def(nb::init<Vector<std::uint32_t>, Vector<float>, Vector<std::uint32_t>, std::size_t, std::size_t,
                    Vector<std::uint32_t>, Vector<std::uint16_t>, Vector<std::uint32_t>, Vector<std::int64_t>,
                    Vector<std::uint16_t>, Vector<std::uint8_t>, Vector<std::int64_t>, Vector<std::uint32_t>>(),
           nb::kw_only(), "terms"_a.noconvert(), "steps"_a.noconvert(), "doc_freqs"_a.noconvert(), "window_docs"_a,
           "span_windows"_a, "term_lists"_a.noconvert(), "list_windows"_a.noconvert(), "list_ptr"_a.noconvert(),
           "span_ptr"_a.noconvert(), "postings"_a.noconvert(), "rows"_a.noconvert(), "forward_indptr"_a.noconvert(),
           "forward_rows"_a.noconvert(),
           "RuntimeError: lengths do not fit together.")
      .def("search", &Postings::search, nb::kw_only(), "query_indptr"_a.noconvert(), "query_terms"_a.noconvert(),
           "query_weights"_a.noconvert(), "floors"_a.noconvert().none(), "alive"_a.noconvert().none(), "ordinals"_a.noconvert(), "scores"_a.noconvert(),
           "share"_a, "budget"_a, "affordable"_a,
           "threads"_a, "path"_a,
           "Fills ordinals and scores (n_queries, k) with each query's best documents, best first; what is not found "
           "keeps its value. RuntimeError: an array holds values that no build writes.")
      .def("weights", &Postings::weights, "docs"_a.noconvert(),
           "Offsets, term ids and weights of documents, a row each. RuntimeError: a row is damaged.")
      .def("touched_bytes", &Postings::touched_bytes, "query_terms"_a.noconvert(),
           "Bytes of postings and dense rows that these terms have.");
  nb::class_<Terms>(m, "Terms", "Counts the terms of documents and numbers them in ascending order.")
      .def(nb::init<>())
      .def("add", &Terms::add, "terms"_a.noconvert(), "weights"_a.noconvert())
      .def("sorted", &Terms::sorted, "Ids, documents that hold each, largest weights; no term is added afterwards.")
      .def("localise", &Terms::localise, "terms"_a.noconvert(), "local"_a.noconvert(),
           "Fills `local` with the numbers of terms that were added.");
  m.def("encode_forward", &encode_forward, nb::kw_only(), "indptr"_a.noconvert(), "terms"_a.noconvert(),
        "weights"_a.noconvert(), "short_terms"_a, "before"_a, "Ends and units of the documents' forward rows.");
  m.def("encode_span", &encode_span, nb::kw_only(), "indptr"_a.noconvert(), "terms"_a.noconvert(),
        "weights"_a.noconvert(), "steps"_a.noconvert(), "window_docs"_a, "first_doc"_a, "lists"_a, "chunks"_a,
        "threads"_a, "term_lists, list_windows, list_ptr, postings, rows of the documents of one span.");
}
