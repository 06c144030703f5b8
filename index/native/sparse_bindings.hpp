// Binds the sparse kernels: arrays are checked for dtype and order (noconvert), the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>

#include "sparse_search.hpp"

namespace lexmax::sparse {

namespace nb = nanobind;

template <class T>
using Vector = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Rows = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> span(const Vector<T>& array) {
  return {array.data(), array.size()};
}

inline void search(const Vector<float>& steps, const Vector<std::int64_t>& window_starts,
                   const Vector<std::int64_t>& window_ptr, const Vector<std::uint32_t>& list_terms,
                   const Vector<std::int64_t>& list_ptr, const Vector<std::uint16_t>& offsets,
                   const Vector<std::uint8_t>& impacts, const Vector<std::int64_t>& indptr,
                   const Vector<std::uint32_t>& terms, const Vector<float>& weights,
                   const Vector<std::int64_t>& query_indptr, const Vector<std::uint32_t>& query_terms,
                   const Vector<float>& query_weights, const std::optional<Vector<std::uint8_t>>& alive,
                   const Rows<std::int64_t>& ordinals, const Rows<float>& scores) {
  const Segment segment{span(steps),   span(window_starts), span(window_ptr), span(list_terms), span(list_ptr),
                        span(offsets), span(impacts),       span(indptr),     span(terms),      span(weights)};
  const std::size_t k = ordinals.shape(1);
  const nb::gil_scoped_release released;
  Searcher searcher(segment, alive ? span(*alive) : std::span<const std::uint8_t>{});
  for (std::size_t row = 0; row < ordinals.shape(0); ++row) {
    const auto begin = static_cast<std::size_t>(query_indptr.data()[row]);
    const auto count = static_cast<std::size_t>(query_indptr.data()[row + 1]) - begin;
    if (count == 0 || k == 0) continue;
    const Query query{span(query_terms).subspan(begin, count), span(query_weights).subspan(begin, count)};
    const std::vector<Scored> best = searcher.search(query, k);
    for (std::size_t rank = 0; rank < best.size(); ++rank) {
      ordinals.data()[row * k + rank] = best[rank].ordinal;
      scores.data()[row * k + rank] = best[rank].score;
    }
  }
}

}  // namespace lexmax::sparse

inline void bind_sparse(nanobind::module_& m) {
  using namespace nanobind::literals;
  m.def("sparse_search", &lexmax::sparse::search, "steps"_a.noconvert(), "window_starts"_a.noconvert(),
        "window_ptr"_a.noconvert(), "list_terms"_a.noconvert(), "list_ptr"_a.noconvert(), "offsets"_a.noconvert(),
        "impacts"_a.noconvert(), "indptr"_a.noconvert(), "terms"_a.noconvert(), "weights"_a.noconvert(),
        "query_indptr"_a.noconvert(), "query_terms"_a.noconvert(), "query_weights"_a.noconvert(),
        "alive"_a.noconvert().none(), "ordinals"_a.noconvert(), "scores"_a.noconvert(),
        "Fills ordinals and scores (n_queries, k) with each query's best documents, best first; what is not found "
        "keeps its value. RuntimeError: an array holds values that no build writes.");
}
