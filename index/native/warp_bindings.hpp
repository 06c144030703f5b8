// Binds the search by clusters of tokens; the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "bindings.hpp"
#include "centroid_bindings.hpp"
#include "gathered_tokens.hpp"
#include "near_clusters.hpp"
#include "token_clusters.hpp"
#include "warp.hpp"

namespace lexmax::bindings {

/// Tokens sorted by centroid, and the centroids.
class BoundClusters {
 public:
  BoundClusters(Vector<std::uint16_t> codes, Vector<std::int64_t> offsets, Matrix<std::int8_t> centroids,
                Vector<float> scales)
      : offsets_(offsets), codes_of_centroids_(centroids), scales_(scales), clusters_(sorted(codes)) {}

  const TokenClusters& clusters() const { return clusters_; }
  Int8Rows centroids() const { return rows_of(codes_of_centroids_, scales_); }

 private:
  TokenClusters sorted(const Vector<std::uint16_t>& codes) const {
    require(offsets_.shape(0) > 0, "offsets must have one more entry than there are documents");
    const std::size_t n_docs = offsets_.shape(0) - 1, n_centroids = centroids().n;
    require(n_centroids >= 1 && n_centroids <= 65536, "there must be 1 to 65536 centroids");
    require(offsets_(0) == 0 && offsets_(n_docs) == static_cast<std::int64_t>(codes.shape(0)),
            "offsets must end with the number of tokens");
    for (std::size_t i = 0; i < n_docs; ++i) require(offsets_(i) <= offsets_(i + 1), "offsets must not decrease");
    const nb::gil_scoped_release released;
    return {codes.data(), codes.shape(0), n_centroids, offsets_.data(), n_docs};
  }

  Vector<std::int64_t> offsets_;
  Matrix<std::int8_t> codes_of_centroids_;
  Vector<float> scales_;
  TokenClusters clusters_;
};

/// A quantised query, what to probe for it, and where to write.
struct WarpQuery {
  const BoundClusters& clusters;
  const Matrix<std::int8_t>& codes;
  const Vector<float>& scales;
  Probing probing;
  const Alive& alive;
  const Out<std::int64_t>& ordinals;
  const Out<float>& found;
  CpuPath path;

  WarpQuery(const BoundClusters& of, const Matrix<std::int8_t>& query, const Vector<float>& query_scales,
            const Probing& probes, const Alive& living, const Out<std::int64_t>& best, const Out<float>& scores,
            const std::string& name)
      : clusters(of),
        codes(query),
        scales(query_scales),
        probing(probes),
        alive(living),
        ordinals(best),
        found(scores),
        path(tile_path_named(name)) {
    require(rows_of(codes, scales).dim == of.centroids().dim, "query and centroids must have one dim");
    require(codes.shape(0) > 0, "a query has at least one token");
    require(probing.n_probes > 0, "at least one cluster must be probed");
    require(ordinals.shape(0) == found.shape(0), "as many scores as ordinals");
  }

  void check_tokens(std::size_t n, std::size_t dim) const {
    require(n == clusters.clusters().n_tokens(), "tokens must be those that were sorted");
    require(dim == clusters.centroids().dim, "tokens and centroids must have one dim");
  }

  Int8Columns columns() const { return {codes.data(), codes.shape(0), codes.shape(1)}; }
  NearClusters near(const Int8Columns& columns) const {
    return near_clusters(clusters.centroids(), clusters.clusters(), columns, probing, path);
  }

  template <GatheredTokens Tokens>
  std::size_t best(const NearClusters& near, Tokens& tokens, const float* weights) const {
    const TokenClusters& sorted = clusters.clusters();
    WarpSearch<Tokens> search(sorted, near, bytes_of(alive, sorted.n_docs()), tokens, weights);
    const std::vector<Scored> best = search.best(ordinals.shape(0));
    for (std::size_t i = 0; i < best.size(); ++i) {
      ordinals(i) = best[i].ordinal;
      found(i) = best[i].score;
    }
    return best.size();
  }
};

inline std::size_t warp_int8(const BoundClusters& clusters, const Matrix<std::int8_t>& query,
                             const Vector<float>& query_scales, std::size_t n_probes, std::size_t bound,
                             const Matrix<std::int8_t>& codes, const Vector<float>& scales, const Alive& alive,
                             const Out<std::int64_t>& ordinals, const Out<float>& scores, const std::string& path) {
  const WarpQuery wanted(clusters, query, query_scales, {n_probes, bound}, alive, ordinals, scores, path);
  const Int8Rows rows = rows_of(codes, scales);
  wanted.check_tokens(rows.n, rows.dim);
  const Int8Columns columns = wanted.columns();
  const NearClusters near = wanted.near(columns);
  GatheredInt8 tokens({rows.codes, rows.scales, nullptr, 0, rows.n, rows.dim}, columns, wanted.path);
  return wanted.best(near, tokens, query_scales.data());
}

/// Residual codes without their centroids and offsets, for which clusters stand here.
inline ResidualView residuals_of(const Matrix<std::uint8_t>& codes, const Vector<std::uint16_t>& scales,
                                 const Vector<std::int8_t>& levels, std::size_t dim) {
  require(scales.shape(0) == codes.shape(0), "one scale for each token");
  require(levels.shape(0) == 16 || levels.shape(0) == 4, "there must be 16 levels or 4");
  ResidualView view{codes.data(), scales.data(), nullptr, {nullptr, 0, codes.shape(0)}, dim, {}};
  view.levels.bits = levels.shape(0) == 16 ? 4 : 2;
  for (std::size_t i = 0; i < 16; ++i) view.levels.levels[i] = levels(i % levels.shape(0));
  require(codes.shape(1) == view.levels.bytes(dim), "codes must have as many bytes as dim needs");
  return view;
}

inline std::size_t warp_residual(const BoundClusters& clusters, const Matrix<std::int8_t>& query,
                                 const Vector<float>& query_scales, std::size_t n_probes, std::size_t bound,
                                 const Matrix<std::uint8_t>& codes, const Vector<std::uint16_t>& scales,
                                 const Vector<std::int8_t>& levels, const Matrix<std::int8_t>& widened,
                                 const Vector<float>& ratios, const Alive& alive,
                                 const Out<std::int64_t>& ordinals, const Out<float>& found,
                                 const std::string& path) {
  const WarpQuery wanted(clusters, query, query_scales, {n_probes, bound}, alive, ordinals, found, path);
  const ResidualView view = residuals_of(codes, scales, levels, query.shape(1));
  wanted.check_tokens(view.documents.n_tokens, view.dim);
  require(widened.shape(0) == query.shape(0) && widened.shape(1) == view.dim && ratios.shape(0) == query.shape(0),
          "the widened query must have as many tokens, with a ratio each");
  const Int8Columns columns = wanted.columns();
  const Int8Columns wide(widened.data(), widened.shape(0), widened.shape(1));
  const NearClusters near = wanted.near(columns);
  const ClusterScores of_clusters(clusters.centroids(), near.centroids, columns, wanted.path);
  GatheredResiduals tokens(view, of_clusters, wide, ratios.data(), wanted.path);
  return wanted.best(near, tokens, query_scales.data());
}

inline std::size_t warp_fp16(const BoundClusters& clusters, const Matrix<std::int8_t>& query,
                             const Vector<float>& query_scales, std::size_t n_probes, std::size_t bound,
                             const Matrix<float>& vectors, const Matrix<std::uint16_t>& halves, const Alive& alive,
                             const Out<std::int64_t>& ordinals, const Out<float>& scores, const std::string& path) {
  const WarpQuery wanted(clusters, query, query_scales, {n_probes, bound}, alive, ordinals, scores, path);
  const std::size_t n = query.shape(0), dim = halves.shape(1);
  wanted.check_tokens(halves.shape(0), dim);
  require(vectors.shape(0) == n && vectors.shape(1) == dim, "vectors must be those of the query");
  NearClusters near = wanted.near(wanted.columns());
  // Halves are not quantised, so neither is what is imputed beside them.
  for (std::size_t q = 0; q < n; ++q) near.imputed[q] *= query_scales(q);
  const std::vector<float> weights(n, 1.0F);
  GatheredHalves tokens({halves.data(), nullptr, nullptr, 0, halves.shape(0), dim}, {vectors.data(), n}, wanted.path);
  return wanted.best(near, tokens, weights.data());
}

}  // namespace lexmax::bindings

inline void bind_warp(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<b::BoundClusters>(m, "TokenClusters", "Tokens sorted by their centroids, and the centroids.")
      .def(nb::init<b::Vector<std::uint16_t>, b::Vector<std::int64_t>, b::Matrix<std::int8_t>, b::Vector<float>>(),
           "codes"_a.noconvert(), "offsets"_a.noconvert(), "centroids"_a.noconvert(), "scales"_a.noconvert())
      .def("warp_int8", &b::warp_int8, Released(), "query"_a.noconvert(), "query_scales"_a.noconvert(), "n_probes"_a,
           "bound"_a, "codes"_a.noconvert(), "scales"_a.noconvert(), "alive"_a.noconvert().none(),
           "ordinals"_a.noconvert(), "scores"_a.noconvert(), "path"_a = "auto",
           "Write the best documents by their tokens in the nearest clusters, best first; returns their number.")
      .def("warp_residual", &b::warp_residual, Released(), "query"_a.noconvert(), "query_scales"_a.noconvert(),
           "n_probes"_a, "bound"_a, "codes"_a.noconvert(), "scales"_a.noconvert(), "levels"_a.noconvert(),
           "widened"_a.noconvert(), "ratios"_a.noconvert(), "alive"_a.noconvert().none(), "ordinals"_a.noconvert(),
           "found"_a.noconvert(), "path"_a = "auto", "The same for residual codes.")
      .def("warp_fp16", &b::warp_fp16, Released(), "query"_a.noconvert(), "query_scales"_a.noconvert(), "n_probes"_a,
           "bound"_a, "vectors"_a.noconvert(), "halves"_a.noconvert(), "alive"_a.noconvert().none(),
           "ordinals"_a.noconvert(), "scores"_a.noconvert(), "path"_a = "auto", "The same for halves.");
}
