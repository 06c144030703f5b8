// Binds projections and fixed-dimensional encodings; the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "bindings.hpp"
#include "cpu_path.hpp"
#include "fde.hpp"
#include "maxsim.hpp"
#include "parallel.hpp"
#include "project.hpp"

namespace lexmax::bindings {

template <class Weight>
ProjectionOf<Weight> projection_of(const Matrix<float>& rows, const Matrix<Weight>& weights, const OutMatrix& out) {
  require(rows.shape(1) == weights.shape(0), "one row of weights for each coordinate");
  require(weights.shape(1) % kLanes == 0, "columns must be a multiple of 16");
  require(out.shape(0) == rows.shape(0) && out.shape(1) == weights.shape(1), "out must be rows by columns");
  return {rows.data(), rows.shape(0), rows.shape(1), weights.data(), weights.shape(1), out.data()};
}

inline void project_rows(const Matrix<float>& rows, const Matrix<float>& weights, const OutMatrix& out,
                         const std::string& path) {
  project(projection_of(rows, weights, out), path_named(path));
}

inline void project_rows_halves(const Matrix<float>& rows, const Matrix<std::uint16_t>& weights, const OutMatrix& out,
                                const std::string& path) {
  project_halves(projection_of(rows, weights, out), path_named(path));
}

// Enough work to share the encoder's room, little enough that threads end together.
constexpr std::size_t kTextsAtATime = 8;

inline FdeSide side_named(const std::string& name) {
  if (name == "query") return FdeSide::query;
  if (name == "document") return FdeSide::document;
  if (name == "filled_document") return FdeSide::filled_document;
  throw std::invalid_argument("side must be query, document or filled_document");
}

/// inner (repetitions * dim, lanes_for(width)); with no rows, vectors are not projected.
inline void fde_encode(const Matrix<float>& vectors, const Vector<std::int64_t>& offsets, const Matrix<float>& planes,
                       const Matrix<float>& inner, std::size_t repetitions, std::size_t bits, std::size_t width,
                       bool greatest, float pooled, const std::string& side, const OutMatrix& out, std::size_t threads,
                       const std::string& path) {
  const auto texts = view_of(vectors, nullptr, offsets);
  const bool projects = inner.shape(0) > 0;
  require(bits <= 16, "at most 16 bits choose a bucket");
  const FdeShape shape{texts.dim, repetitions, bits, width, greatest ? FdeCells::greatest : FdeCells::signs,
                       planes.data(), projects ? inner.data() : nullptr, pooled};
  require(planes.shape(0) == texts.dim, "planes must have the dim of the vectors");
  require(planes.shape(1) == shape.columns(), "one hyperplane for each bit, or one cell for each bucket");
  require(projects ? inner.shape(0) == repetitions * texts.dim && inner.shape(1) == lanes_for(width)
                   : width == texts.dim,
          "inner must be (repetitions * dim, width)");
  require(out.shape(0) == texts.n_docs, "one row out for each text");
  require(out.shape(1) == shape.encoding_dim(), "out must have as many columns as an encoding");
  const FdeSide chosen = side_named(side);
  const CpuPath runs = path_named(path);
  in_parallel((texts.n_docs + kTextsAtATime - 1) / kTextsAtATime, threads, [&](std::size_t piece) {
    FdeEncoder encoder(shape, chosen, runs);
    const std::size_t end = std::min(texts.n_docs, (piece + 1) * kTextsAtATime);
    for (std::size_t i = piece * kTextsAtATime; i < end; ++i) {
      const DocumentRange range = document_range(texts, static_cast<std::int64_t>(i));
      encoder.encode(texts.codes + range.begin * texts.dim, static_cast<std::size_t>(range.end - range.begin),
                     out.data() + i * out.shape(1));
    }
  });
}

}  // namespace lexmax::bindings

inline void bind_fde(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("project", &b::project_rows, Released(), "rows"_a.noconvert(), "weights"_a.noconvert(),
        "out"_a.noconvert(), "path"_a = "auto",
        "Write rows @ weights to `out`; a row's bits do not depend on the others.");
  m.def("project_halves", &b::project_rows_halves, Released(), "rows"_a.noconvert(), "weights"_a.noconvert(),
        "out"_a.noconvert(), "path"_a = "auto", "As `project`, for weights that are the bits of halves.");
  m.def("fde_encode", &b::fde_encode, Released(), "vectors"_a.noconvert(), "offsets"_a.noconvert(),
        "planes"_a.noconvert(), "inner"_a.noconvert(), "repetitions"_a, "bits"_a, "width"_a, nb::kw_only(),
        "greatest"_a, "pooled"_a, "side"_a, "out"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write the fixed-dimensional encoding of each text to a row of `out`, which is zeroed.");
}
