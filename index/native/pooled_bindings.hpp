// Binds scans of one vector a document; the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <string>

#include "bindings.hpp"
#include "pooled_scan.hpp"
#include "vector_scan_bindings.hpp"

namespace lexmax::bindings {

using Digits = nb::ndarray<const std::int8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using OutOrdinals = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

inline ByteQueries byte_queries(const Digits& digits, const Vector<double>& units, const Matrix<std::int8_t>& codes,
                                const Vector<float>& scales, const std::string& path) {
  require(digits.shape(0) == pooled_detail::kDigits, "queries must have three digits");
  require(digits.shape(1) == units.shape(0), "one unit for each query");
  require(digits.shape(2) == codes.shape(1), "queries and vectors must have one dim");
  require(codes.shape(0) == scales.shape(0), "one scale for each vector");
  require(codes.shape(1) <= kMaxScanDim, "dim must not exceed 65536");
  return {{codes.data(), scales.data(), codes.shape(0), codes.shape(1)},
          {digits.data(), units.data(), units.shape(0)},
          tile_path_named(path)};
}

inline HalfQueries half_queries(const Matrix<float>& queries, const Matrix<std::uint16_t>& codes, const std::string& path) {
  require(queries.shape(1) == codes.shape(1), "queries and vectors must have one dim");
  return {{codes.data(), nullptr, codes.shape(0), codes.shape(1)}, {queries.data(), queries.shape(0)}, path_named(path)};
}

/// Writes what was found; what was not keeps its value.
template <class Block, class Queries>
bool write_pooled(const Queries& queries, const Alive& alive, const OutOrdinals& ordinals, const OutMatrix& scores,
                  std::size_t threads) {
  const std::size_t n = ordinals.shape(1);
  require(ordinals.shape(0) == queries.n() && scores.shape(0) == queries.n(), "one row for each query");
  require(scores.shape(1) == n, "one score for each ordinal");
  const auto best = scan_pooled<Queries, Block>(queries, mask_of(alive, queries.vectors().n), n, threads);
  for (std::size_t q = 0; q < queries.n(); ++q)
    for (std::size_t i = 0; i < best.rows[q].size(); ++i) {
      ordinals.data()[q * n + i] = best.rows[q][i].ordinal;
      scores.data()[q * n + i] = best.rows[q][i].score;
    }
  return best.sound;
}

template <class Block, class Queries>
bool write_scores(const Queries& queries, const Vector<std::int64_t>& ordinals, const OutMatrix& out) {
  require(out.shape(0) == queries.n() && out.shape(1) == ordinals.shape(0), "one score for each query and ordinal");
  const auto n = static_cast<std::int64_t>(queries.vectors().n);
  for (std::size_t i = 0; i < ordinals.shape(0); ++i)
    require(ordinals.data()[i] >= 0 && ordinals.data()[i] < n, "ordinals must be below the number of vectors");
  return score_pooled<Queries, Block>(queries, {ordinals.data(), 0, ordinals.shape(0)}, out.data());
}

inline bool scan_pooled_int8(const Digits& digits, const Vector<double>& units, const Matrix<std::int8_t>& codes,
                             const Vector<float>& scales, const Alive& alive, const OutOrdinals& ordinals,
                             const OutMatrix& scores, std::size_t threads, const std::string& path) {
  return write_pooled<ByteBlock>(byte_queries(digits, units, codes, scales, path), alive, ordinals, scores, threads);
}

inline bool scan_pooled_fp16(const Matrix<float>& queries, const Matrix<std::uint16_t>& codes, const Alive& alive,
                             const OutOrdinals& ordinals, const OutMatrix& scores, std::size_t threads,
                             const std::string& path) {
  return write_pooled<HalfBlock>(half_queries(queries, codes, path), alive, ordinals, scores, threads);
}

inline bool score_pooled_int8(const Digits& digits, const Vector<double>& units, const Matrix<std::int8_t>& codes,
                              const Vector<float>& scales, const Vector<std::int64_t>& ordinals, const OutMatrix& out,
                              const std::string& path) {
  return write_scores<ByteBlock>(byte_queries(digits, units, codes, scales, path), ordinals, out);
}

inline bool score_pooled_fp16(const Matrix<float>& queries, const Matrix<std::uint16_t>& codes,
                              const Vector<std::int64_t>& ordinals, const OutMatrix& out, const std::string& path) {
  return write_scores<HalfBlock>(half_queries(queries, codes, path), ordinals, out);
}

}  // namespace lexmax::bindings

inline void bind_pooled(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("scan_pooled_int8", &b::scan_pooled_int8, Released(), "digits"_a.noconvert(), "units"_a.noconvert(),
        "codes"_a.noconvert(), "scales"_a.noconvert(), "alive"_a.noconvert().none(), "ordinals"_a.noconvert(),
        "scores"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write each query's living documents with the greatest products, best first; False where a scale is no number.");
  m.def("scan_pooled_fp16", &b::scan_pooled_fp16, Released(), "queries"_a.noconvert(), "codes"_a.noconvert(),
        "alive"_a.noconvert().none(), "ordinals"_a.noconvert(), "scores"_a.noconvert(), "threads"_a = 1,
        "path"_a = "auto", "The same of halves; False where one is no number.");
  m.def("score_pooled_int8", &b::score_pooled_int8, Released(), "digits"_a.noconvert(), "units"_a.noconvert(),
        "codes"_a.noconvert(), "scales"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(),
        "path"_a = "auto", "Write the products of each query with the documents `ordinals` to `out`.");
  m.def("score_pooled_fp16", &b::score_pooled_fp16, Released(), "queries"_a.noconvert(), "codes"_a.noconvert(),
        "ordinals"_a.noconvert(), "out"_a.noconvert(), "path"_a = "auto", "The same of halves.");
}
