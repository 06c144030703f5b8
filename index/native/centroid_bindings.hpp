// Binds the centroid kernels: arrays are checked for dtype and order (noconvert), the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>

#include "bindings.hpp"
#include "centroid_assign.hpp"
#include "centroid_lists.hpp"
#include "centroid_probe.hpp"
#include "centroid_scan.hpp"
#include "centroid_table.hpp"

namespace lexmax::bindings {

template <class T>
using Out = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutBytes = nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

inline Int8Rows rows_of(const Matrix<std::int8_t>& codes, const Vector<float>& scales) {
  require(codes.shape(0) == scales.shape(0), "one scale for each row");
  require(codes.shape(1) > 0 && codes.shape(1) <= 65536, "dim must be 1 to 65536");
  return {codes.data(), scales.data(), codes.shape(0), codes.shape(1)};
}

inline void centroid_assign(const Matrix<std::int8_t>& tokens, const Matrix<std::int8_t>& centroids,
                            const Vector<float>& scales, const Matrix<std::int8_t>& heads,
                            const Vector<float>& head_scales, const Vector<std::int64_t>& starts, std::size_t probes,
                            const Out<std::uint16_t>& nearest, std::size_t threads, const std::string& path) {
  const Int8Rows all = rows_of(centroids, scales);
  const Int8Rows of_groups = rows_of(heads, head_scales);
  require(all.n >= 1 && all.n <= 65536, "there must be 1 to 65536 centroids");
  require(tokens.shape(1) == all.dim && of_groups.dim == all.dim, "tokens and centroids must have one dim");
  require(nearest.shape(0) == tokens.shape(0), "one centroid out for each token");
  require(starts.shape(0) == of_groups.n + 1, "groups begin and end");
  require(starts(0) == 0 && starts(of_groups.n) == static_cast<std::int64_t>(all.n), "groups cover the centroids");
  for (std::size_t g = 0; g < of_groups.n; ++g) require(starts(g) <= starts(g + 1), "groups must not overlap");
  const Int8Rows rows{tokens.data(), nullptr, tokens.shape(0), tokens.shape(1)};
  CentroidAssigner(all, of_groups, starts.data(), probes, tile_path_named(path)).run(rows, threads, nearest.data());
}

inline void centroid_sums_bound(const Matrix<std::int8_t>& tokens, const Vector<float>& scales,
                                const Vector<std::uint16_t>& assigned, const OutMatrix& sums) {
  const Int8Rows rows = rows_of(tokens, scales);
  require(assigned.shape(0) == rows.n, "one centroid for each token");
  require(sums.shape(1) == rows.dim, "sums must have the dim of the tokens");
  centroid_sums(rows, assigned.data(), sums.shape(0), sums.data());
}

inline void centroid_table_bound(const Matrix<std::int8_t>& centroids, const Vector<float>& scales,
                                 const Matrix<std::int8_t>& query, const Vector<float>& query_scales,
                                 const Vector<float>& low, float step, const OutBytes& out, const std::string& path) {
  const Int8Rows all = rows_of(centroids, scales);
  const Int8Rows queries = rows_of(query, query_scales);
  require(all.dim == queries.dim, "query and centroids must have one dim");
  require(low.shape(0) == queries.n, "one low value for each query token");
  require(step > 0, "step must be positive");
  require(out.shape(0) == all.n && out.shape(1) == table_width(queries.n), "out must be centroids by table width");
  centroid_table(all, queries, low.data(), step, tile_path_named(path), out.data());
}

inline CentroidTable table_of(const Matrix<std::uint8_t>& table) {
  require(table.shape(1) % kTableLanes == 0, "a table's width is a multiple of 32");
  return {table.data(), table.shape(0), table.shape(1)};
}

inline CentroidCodes codes_of(const Vector<std::uint16_t>& codes, const Vector<std::int64_t>& offsets) {
  require(offsets.shape(0) > 0, "offsets must have one more entry than there are documents");
  return {codes.data(), offsets.data(), offsets.shape(0) - 1, codes.shape(0)};
}

using Alive = std::optional<Vector<bool>>;
inline const std::uint8_t* bytes_of(const Alive& alive, std::size_t n_docs) {
  if (!alive) return nullptr;
  require(alive->shape(0) == n_docs, "alive must have an entry for each document");
  return reinterpret_cast<const std::uint8_t*>(alive->data());
}

inline std::size_t write_found(const std::vector<ScoredDocument>& found, const Out<std::int64_t>& ordinals,
                               const Out<std::uint32_t>& scores) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    ordinals(i) = found[i].ordinal;
    scores(i) = found[i].score;
  }
  return found.size();
}

inline std::size_t room(const Out<std::int64_t>& ordinals, const Out<std::uint32_t>& scores) {
  require(ordinals.shape(0) == scores.shape(0) && ordinals.shape(0) > 0, "room for at least one document");
  return ordinals.shape(0);
}

inline std::size_t centroid_scan_all(const Matrix<std::uint8_t>& table, const Vector<std::uint16_t>& codes,
                                     const Vector<std::int64_t>& offsets, const Alive& alive,
                                     const Out<std::int64_t>& ordinals, const Out<std::uint32_t>& scores,
                                     const std::string& path) {
  const CentroidCodes of_docs = codes_of(codes, offsets);
  const CentroidScan scan(table_of(table), of_docs, tile_path_named(path));
  return write_found(scan.all(bytes_of(alive, of_docs.n_docs), room(ordinals, scores)), ordinals, scores);
}

inline std::size_t centroid_scan_of(const Matrix<std::uint8_t>& table, const Vector<std::uint16_t>& codes,
                                    const Vector<std::int64_t>& offsets, const Vector<std::int64_t>& which,
                                    const Out<std::int64_t>& ordinals, const Out<std::uint32_t>& scores,
                                    const std::string& path) {
  const CentroidScan scan(table_of(table), codes_of(codes, offsets), tile_path_named(path));
  return write_found(scan.of(which.data(), which.shape(0), room(ordinals, scores)), ordinals, scores);
}

inline std::size_t windows_of(std::size_t n_starts, std::size_t n_centroids, std::size_t n_docs) {
  const std::size_t windows = list_windows(n_docs);
  require(n_starts == n_centroids * windows + 1, "starts must be centroids by windows, and one");
  return windows;
}

inline void centroid_count_lists(const Vector<std::uint16_t>& codes, const Vector<std::int64_t>& offsets,
                                 std::size_t n_centroids, const Out<std::int64_t>& starts) {
  const CentroidCodes of_docs = codes_of(codes, offsets);
  windows_of(starts.shape(0), n_centroids, of_docs.n_docs);
  count_lists(of_docs, n_centroids, starts.data());
}

inline void centroid_fill_lists(const Vector<std::uint16_t>& codes, const Vector<std::int64_t>& offsets,
                                std::size_t n_centroids, const Vector<std::int64_t>& starts,
                                const Out<std::uint16_t>& docs) {
  const CentroidCodes of_docs = codes_of(codes, offsets);
  windows_of(starts.shape(0), n_centroids, of_docs.n_docs);
  require(starts(starts.shape(0) - 1) == static_cast<std::int64_t>(docs.shape(0)), "docs must be what was counted");
  fill_lists(of_docs, n_centroids, starts.data(), docs.data());
}

inline std::size_t centroid_probe(const Matrix<std::uint8_t>& table, std::size_t n_queries, std::size_t n_probes,
                                  const Vector<std::int64_t>& starts, const Vector<std::uint16_t>& docs,
                                  std::size_t n_docs, const Alive& alive, const Out<std::int64_t>& ordinals,
                                  const Out<std::uint32_t>& scores, const std::string& path) {
  const CentroidTable bytes = table_of(table);
  require(n_queries <= bytes.width && n_queries <= 65535, "the table has no such query tokens");
  require(n_probes > 0, "at least one centroid must be probed");
  const std::size_t windows = windows_of(starts.shape(0), bytes.n_centroids, n_docs);
  const CentroidLists lists{starts.data(), docs.data(), docs.shape(0), bytes.n_centroids, windows};
  const auto probes = nearest_centroids(bytes, n_queries, n_probes, tile_path_named(path));
  ProbeSearch search(lists, n_docs, bytes_of(alive, n_docs));
  return write_found(search.best(probes, room(ordinals, scores)), ordinals, scores);
}

}  // namespace lexmax::bindings

inline void bind_centroids(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("centroid_assign", &b::centroid_assign, Released(), "tokens"_a.noconvert(), "centroids"_a.noconvert(),
        "scales"_a.noconvert(), "heads"_a.noconvert(), "head_scales"_a.noconvert(), "starts"_a.noconvert(), "probes"_a,
        "nearest"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write the nearest centroid of every token, among those of `probes` groups; 0 tries all.");
  m.def("centroid_sums", &b::centroid_sums_bound, Released(), "tokens"_a.noconvert(), "scales"_a.noconvert(),
        "assigned"_a.noconvert(), "sums"_a.noconvert(), "Write the sum of the decoded tokens of every centroid.");
  m.def("centroid_table", &b::centroid_table_bound, Released(), "centroids"_a.noconvert(), "scales"_a.noconvert(),
        "query"_a.noconvert(), "query_scales"_a.noconvert(), "low"_a.noconvert(), "step"_a, "out"_a.noconvert(),
        "path"_a = "auto", "Write how near every centroid is to every query token, in steps above `low`, as bytes.");
  m.def("centroid_scan_all", &b::centroid_scan_all, Released(), "table"_a.noconvert(), "codes"_a.noconvert(),
        "offsets"_a.noconvert(), "alive"_a.noconvert().none(), "ordinals"_a.noconvert(), "scores"_a.noconvert(),
        "path"_a = "auto", "Write the best documents by their tokens' centroids, best first; returns their number.");
  m.def("centroid_scan_of", &b::centroid_scan_of, Released(), "table"_a.noconvert(), "codes"_a.noconvert(),
        "offsets"_a.noconvert(), "which"_a.noconvert(), "ordinals"_a.noconvert(), "scores"_a.noconvert(),
        "path"_a = "auto", "The same among the documents `which`, which ascend.");
  m.def("centroid_count_lists", &b::centroid_count_lists, Released(), "codes"_a.noconvert(), "offsets"_a.noconvert(),
        "n_centroids"_a, "starts"_a.noconvert(), "Write where the list of every centroid and window begins.");
  m.def("centroid_fill_lists", &b::centroid_fill_lists, Released(), "codes"_a.noconvert(), "offsets"_a.noconvert(),
        "n_centroids"_a, "starts"_a.noconvert(), "docs"_a.noconvert(), "Write the lists that were counted.");
  m.def("centroid_probe", &b::centroid_probe, Released(), "table"_a.noconvert(), "n_queries"_a, "n_probes"_a,
        "starts"_a.noconvert(), "docs"_a.noconvert(), "n_docs"_a, "alive"_a.noconvert().none(),
        "ordinals"_a.noconvert(), "scores"_a.noconvert(), "path"_a = "auto",
        "Write the best documents by the lists of the nearest centroids, best first; returns their number.");
}
