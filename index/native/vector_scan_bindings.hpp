// Binds scans of single vectors; the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "graph_search.hpp"
#include "vector_scan.hpp"

namespace lexmax::bindings {

using FoundOrdinals = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Alive = std::optional<Vector<bool>>;

// Sums of 128 * 127 a coordinate must fit 32 bits.
constexpr std::size_t kMaxScanDim = 65536;

inline const std::uint8_t* mask_of(const Alive& alive, std::size_t n) {
  require(!alive || alive->shape(0) == n, "one bool for each vector must say whether it lives");
  return alive ? reinterpret_cast<const std::uint8_t*>(alive->data()) : nullptr;
}

inline ByteScorer byte_scorer(const Vector<std::int8_t>& query, const Matrix<std::int8_t>& codes,
                              const Vector<float>& scales, const std::string& path) {
  require(query.shape(0) == codes.shape(1), "query and vectors must have one dim");
  require(codes.shape(0) == scales.shape(0), "one scale for each vector");
  require(codes.shape(1) <= kMaxScanDim, "dim must not exceed 65536");
  return {{codes.data(), scales.data(), codes.shape(0), codes.shape(1)}, query.data(), path_named(path)};
}

inline std::size_t write_best(const std::vector<Scored>& best, const FoundOrdinals& ordinals,
                              const OutVector& scores) {
  for (std::size_t i = 0; i < best.size(); ++i) {
    ordinals.data()[i] = best[i].ordinal;
    scores.data()[i] = best[i].score;
  }
  return best.size();
}

inline std::size_t scan_int8(const Vector<std::int8_t>& query, const Matrix<std::int8_t>& codes,
                             const Vector<float>& scales, const Alive& alive,
                             const FoundOrdinals& ordinals, const OutVector& scores,
                             std::size_t threads, const std::string& path) {
  require(ordinals.shape(0) == scores.shape(0), "one score for each ordinal");
  const auto scorer = byte_scorer(query, codes, scales, path);
  const auto* mask = mask_of(alive, codes.shape(0));
  return write_best(scan(scorer, mask, ordinals.shape(0), threads), ordinals, scores);
}

inline std::size_t scan_bits(const Vector<std::uint8_t>& query, const Matrix<std::uint8_t>& codes,
                             const Vector<float>& scales, std::size_t dim, const Alive& alive,
                             const FoundOrdinals& ordinals, const OutVector& scores,
                             std::size_t threads, const std::string& path) {
  require(ordinals.shape(0) == scores.shape(0), "one score for each ordinal");
  require(query.shape(0) == codes.shape(1), "query and vectors must have one width");
  require(codes.shape(0) == scales.shape(0), "one scale for each vector");
  require(dim <= 8 * codes.shape(1) && dim <= kMaxScanDim, "dim must fit the bits");
  const SignScorer scorer({codes.data(), scales.data(), codes.shape(0), codes.shape(1)}, query.data(),
                         dim, path_named(path));
  const auto* mask = mask_of(alive, codes.shape(0));
  return write_best(scan(scorer, mask, ordinals.shape(0), threads), ordinals, scores);
}

inline void score_int8(const Vector<std::int8_t>& query, const Matrix<std::int8_t>& codes,
                       const Vector<float>& scales, const Vector<std::int64_t>& ordinals,
                       const OutVector& out, const std::string& path) {
  require(ordinals.shape(0) == out.shape(0), "one score for each ordinal");
  const auto scorer = byte_scorer(query, codes, scales, path);
  const auto n = static_cast<std::int64_t>(codes.shape(0));
  for (std::size_t i = 0; i < ordinals.shape(0); ++i)
    require(ordinals.data()[i] >= 0 && ordinals.data()[i] < n, "ordinals must be below the number of vectors");
  scorer.score({ordinals.data(), 0, ordinals.shape(0)}, out.data());
}

inline std::size_t search_graph(const Vector<std::int8_t>& query, const Matrix<std::int8_t>& codes,
                                const Vector<float>& scales, const Matrix<std::int32_t>& links,
                                const Vector<std::int32_t>& entries, const Alive& alive,
                                std::size_t beam, const FoundOrdinals& ordinals,
                                const OutVector& scores, const std::string& path) {
  require(ordinals.shape(0) == scores.shape(0), "one score for each ordinal");
  require(links.shape(0) == codes.shape(0), "one row of links for each vector");
  require(codes.shape(0) <= std::numeric_limits<std::int32_t>::max(), "links hold 32 bits");
  require(ordinals.shape(0) <= beam, "the beam must hold what is asked for");
  if (ordinals.shape(0) == 0) return 0;
  const auto scorer = byte_scorer(query, codes, scales, path);
  const auto* mask = mask_of(alive, codes.shape(0));
  const Graph graph{links.data(), links.shape(0), links.shape(1), entries.data(), entries.shape(0)};
  auto best = GraphSearch(graph, scorer, mask, beam).run();
  best.resize(std::min(best.size(), ordinals.shape(0)));
  return write_best(best, ordinals, scores);
}

}  // namespace lexmax::bindings

inline void bind_vector_scan(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("scan_int8", &b::scan_int8, Released(), "query"_a.noconvert(), "codes"_a.noconvert(),
        "scales"_a.noconvert(), "alive"_a.noconvert().none(), "ordinals"_a.noconvert(),
        "scores"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write the living vectors with the greatest products with a query, best first; how many were found.");
  m.def("scan_bits", &b::scan_bits, Released(), "query"_a.noconvert(), "codes"_a.noconvert(),
        "scales"_a.noconvert(), "dim"_a, "alive"_a.noconvert().none(), "ordinals"_a.noconvert(),
        "scores"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "As `scan_int8`, of signs packed eight a byte.");
  m.def("score_int8", &b::score_int8, Released(), "query"_a.noconvert(), "codes"_a.noconvert(),
        "scales"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(), "path"_a = "auto",
        "Write the products of a query with the vectors `ordinals` to `out`.");
  m.def("search_graph", &b::search_graph, Released(), "query"_a.noconvert(), "codes"_a.noconvert(),
        "scales"_a.noconvert(), "links"_a.noconvert(), "entries"_a.noconvert(),
        "alive"_a.noconvert().none(), "beam"_a, "ordinals"_a.noconvert(), "scores"_a.noconvert(),
        "path"_a = "auto",
        "As `scan_int8`, of what a walk over a graph of neighbours finds.");
}
