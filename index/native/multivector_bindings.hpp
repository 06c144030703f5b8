// Binds the multivector kernels: arrays are checked for dtype and order (noconvert), the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "cpu_path.hpp"
#include "fde.hpp"
#include "maxsim.hpp"
#include "maxsim_fp16.hpp"
#include "maxsim_int8_avx512.hpp"
#include "maxsim_int8_portable.hpp"
#include "project.hpp"

namespace lexmax::bindings {

namespace nb = nanobind;

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using OutVector = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutMatrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Sums of 255 * 127 a coordinate must fit 32 bits.
constexpr std::size_t kMaxDim = 65536;

inline void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

template <class Code>
TokenView<Code> view_of(const Matrix<Code>& codes, const float* scales,
                        const Vector<std::int64_t>& offsets) {
  require(offsets.shape(0) > 0, "offsets must have one more entry than there are documents");
  return {codes.data(), scales, offsets.data(), offsets.shape(0) - 1, codes.shape(0), codes.shape(1)};
}

inline void maxsim_int8(const Matrix<std::int8_t>& query, const Vector<float>& query_scales,
                        const Matrix<std::int8_t>& codes, const Vector<float>& scales,
                        const Vector<std::int64_t>& offsets, const Vector<std::int64_t>& ordinals,
                        const OutVector& out, const std::string& path) {
  require(query.shape(0) == query_scales.shape(0), "one scale for each query token");
  require(codes.shape(0) == scales.shape(0), "one scale for each document token");
  require(query.shape(1) == codes.shape(1), "query and documents must have one dim");
  require(codes.shape(1) <= kMaxDim, "dim must not exceed 65536");
  require(ordinals.shape(0) == out.shape(0), "one score for each ordinal");
  const auto store = view_of(codes, scales.data(), offsets);
  const std::vector<float> weights(query_scales.data(), query_scales.data() + query_scales.size());
  const auto score = [&](auto scorer) {
    maxsim(scorer, weights, store, ordinals.data(), ordinals.size(), out.data());
  };
  const CpuPath chosen = path_named(path);
#if LEXMAX_X86
  if (chosen == CpuPath::avx512)
    return score(Int8Avx512Scorer(query.data(), query.shape(0), store.dim));
  if (chosen == CpuPath::avx2) return score(Int8Avx2Scorer(query.data(), query.shape(0), store.dim));
#endif
  (void)chosen;
  score(Int8PortableScorer(query.data(), query.shape(0), store.dim));
}

inline void maxsim_fp16(const Matrix<float>& query, const Matrix<std::uint16_t>& codes,
                        const Vector<std::int64_t>& offsets, const Vector<std::int64_t>& ordinals,
                        const OutVector& out, const std::string& path) {
  require(query.shape(1) == codes.shape(1), "query and documents must have one dim");
  require(ordinals.shape(0) == out.shape(0), "one score for each ordinal");
  const auto store = view_of(codes, nullptr, offsets);
  const std::vector<float> weights(query.shape(0), 1.0F);
  Fp16Scorer scorer(query.data(), query.shape(0), store.dim, path_named(path));
  maxsim(scorer, weights, store, ordinals.data(), ordinals.size(), out.data());
}

inline void project_rows(const Matrix<float>& rows, const Matrix<float>& weights,
                         const OutMatrix& out, const std::string& path) {
  require(rows.shape(1) == weights.shape(0), "one row of weights for each coordinate");
  require(weights.shape(1) % kLanes == 0, "columns must be a multiple of 16");
  require(out.shape(0) == rows.shape(0) && out.shape(1) == weights.shape(1),
          "out must be rows by columns");
  project({rows.data(), rows.shape(0), rows.shape(1), weights.data(), weights.shape(1), out.data()},
          path_named(path));
}

inline FdeSide side_named(const std::string& name) {
  if (name == "query") return FdeSide::query;
  if (name == "document") return FdeSide::document;
  if (name == "filled_document") return FdeSide::filled_document;
  throw std::invalid_argument("side must be query, document or filled_document");
}

/// signs (repetitions * dim, lanes_for(width)); with no rows, vectors are not projected.
inline void fde_encode(const Matrix<float>& vectors, const Vector<std::int64_t>& offsets,
                       const Matrix<float>& hyperplanes, const Matrix<float>& signs,
                       std::size_t repetitions, std::size_t bits, std::size_t width,
                       const std::string& side, const OutMatrix& out, const std::string& path) {
  const auto texts = view_of(vectors, nullptr, offsets);
  const bool projects = signs.shape(0) > 0;
  require(bits <= 16, "at most 16 bits choose a bucket");
  require(hyperplanes.shape(0) == texts.dim, "hyperplanes must have the dim of the vectors");
  require(hyperplanes.shape(1) == lanes_for(repetitions * bits), "one hyperplane for each bit");
  require(projects ? signs.shape(0) == repetitions * texts.dim && signs.shape(1) == lanes_for(width)
                   : width == texts.dim,
          "signs must be (repetitions * dim, width)");
  const FdeShape shape{texts.dim, repetitions,         bits,
                       width,     hyperplanes.data(), projects ? signs.data() : nullptr};
  require(out.shape(0) == texts.n_docs, "one row out for each text");
  require(out.shape(1) >= shape.encoding_dim(), "out is too narrow");
  FdeEncoder encoder(shape, side_named(side), path_named(path));
  for (std::size_t i = 0; i < texts.n_docs; ++i) {
    const DocumentRange range = document_range(texts, static_cast<std::int64_t>(i));
    encoder.encode(texts.codes + range.begin * texts.dim,
                   static_cast<std::size_t>(range.end - range.begin),
                   out.data() + i * out.shape(1));
  }
}

inline std::vector<std::string> path_names() {
  std::vector<std::string> names;
  for (const CpuPath path : available_paths()) names.push_back(name_of(path));
  return names;
}

}  // namespace lexmax::bindings

inline void bind_multivector(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("available_paths", &b::path_names, "Instruction sets that kernels can run here, fastest first.");
  m.def("maxsim_int8", &b::maxsim_int8, Released(), "query"_a.noconvert(),
        "query_scales"_a.noconvert(), "codes"_a.noconvert(), "scales"_a.noconvert(),
        "offsets"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(), "path"_a = "auto",
        "Write MaxSim of one quantised query and each document of `ordinals` to `out`.");
  m.def("maxsim_fp16", &b::maxsim_fp16, Released(), "query"_a.noconvert(), "codes"_a.noconvert(),
        "offsets"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(), "path"_a = "auto",
        "Write MaxSim of one query and each document of `ordinals` to `out`; codes are the bits of halves.");
  m.def("project", &b::project_rows, Released(), "rows"_a.noconvert(), "weights"_a.noconvert(),
        "out"_a.noconvert(), "path"_a = "auto",
        "Write rows @ weights to `out`; a row's bits do not depend on the others.");
  m.def("fde_encode", &b::fde_encode, Released(), "vectors"_a.noconvert(), "offsets"_a.noconvert(),
        "hyperplanes"_a.noconvert(), "signs"_a.noconvert(), "repetitions"_a, "bits"_a, "width"_a,
        "side"_a, "out"_a.noconvert(), "path"_a = "auto",
        "Write the fixed-dimensional encoding of each text to the first columns of `out`, which is zeroed.");
}
