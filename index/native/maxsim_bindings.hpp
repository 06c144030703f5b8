// Binds the MaxSim kernels; the GIL is released.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "cpu_path.hpp"
#include "maxsim.hpp"
#include "maxsim_batch.hpp"
#include "maxsim_best.hpp"
#include "maxsim_dots_amx.hpp"
#include "maxsim_dots_avx2.hpp"
#include "maxsim_dots_avx512.hpp"
#include "maxsim_dots_portable.hpp"
#include "maxsim_fp16.hpp"
#include "maxsim_int8.hpp"
#include "maxsim_residual.hpp"

namespace lexmax::bindings {

// Sums of 255 * 127 a coordinate must fit 32 bits.
constexpr std::size_t kMaxDim = 65536;

/// Calls run.operator()<Dots>() with the multiplier of a path.
template <class Run>
auto with_dots(CpuPath path, Run run) {
#if LEXMAX_X86
  if (path == CpuPath::amx) return run.template operator()<AmxDots>();
  if (path == CpuPath::avx512) return run.template operator()<Avx512Dots>();
  if (path == CpuPath::avx2) return run.template operator()<Avx2Dots>();
#endif
  (void)path;
  return run.template operator()<PortableDots>();
}

/// Several queries, and for each of them the candidates bounds(q, 0) to bounds(q, 1) of `ordinals`.
struct Search {
  const Vector<std::int64_t>& query_offsets;
  const Vector<std::int64_t>& ordinals;
  const Matrix<std::int64_t>& bounds;
  const std::optional<Vector<std::uint8_t>>& alive;
};

using OutOrdinals = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using OutCounts = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct Best {
  const OutOrdinals& ordinals;
  const OutMatrix& scores;
  const OutCounts& counts;
};

inline void check(const Search& search, std::size_t n_rows, const Documents& store, const Best& best) {
  const std::size_t n = search.bounds.shape(0);
  require(search.query_offsets.shape(0) == n + 1, "query offsets must have one more entry than there are queries");
  require(search.bounds.shape(1) == 2, "bounds are a first and a last");
  require(!search.alive || search.alive->shape(0) == store.n_docs, "one byte of alive for each document");
  require(best.ordinals.shape(0) == n && best.scores.shape(0) == n && best.counts.shape(0) == n, "one row for each query");
  require(best.ordinals.shape(1) == best.scores.shape(1), "as many scores as ordinals");
  for (std::size_t q = 0; q < n; ++q) {
    require(search.query_offsets(q) >= 0 && search.query_offsets(q) <= search.query_offsets(q + 1), "query offsets must ascend");
    require(search.bounds(q, 0) >= 0 && search.bounds(q, 0) <= search.bounds(q, 1), "bounds must ascend");
    require(static_cast<std::size_t>(search.bounds(q, 1)) <= search.ordinals.shape(0), "bounds lie outside the ordinals");
  }
  require(static_cast<std::size_t>(search.query_offsets(n)) <= n_rows, "query offsets lie outside the query");
}

/// What a panel of queries needs of the first two levels of cache: packed tokens, within 384 KiB.
inline std::size_t blocks_within_cache(std::size_t bytes_a_token) {
  constexpr std::size_t kBytes = std::size_t{3} << 17;
  return std::clamp<std::size_t>(kBytes / (kQueryBlock * bytes_a_token), 1, 32);
}

/// `make(first, n, some)` gives a scorer of these candidates for n rows of the queries' tokens from `first` on.
template <class Make>
bool search_all(const Documents& store, const Search& search, std::size_t blocks, std::size_t threads, const Best& out,
                Make make) {
  const std::size_t n = search.bounds.shape(0), k = out.ordinals.shape(1);
  std::vector<Asked> asked(n);
  for (std::size_t q = 0; q < n; ++q) {
    const auto row = static_cast<std::size_t>(search.query_offsets(q));
    const auto first = static_cast<std::size_t>(search.bounds(q, 0));
    asked[q] = {row, static_cast<std::size_t>(search.query_offsets(q + 1)) - row, search.ordinals.data() + first,
                static_cast<std::size_t>(search.bounds(q, 1)) - first};
  }
  const std::uint8_t* alive = search.alive ? search.alive->data() : nullptr;
  const auto scorer = [&](const batch_detail::Panel& panel) {
    const Asked& one = asked[panel.first];
    return make(one.first_token, panel.n_tokens, Candidates{one.ordinals, one.n_ordinals, alive});
  };
  const auto give = [&](std::size_t q, const std::vector<Scored>& best) {
    out.counts.data()[q] = static_cast<std::int64_t>(best.size());
    for (std::size_t i = 0; i < best.size(); ++i) {
      out.ordinals.data()[q * k + i] = best[i].ordinal;
      out.scores.data()[q * k + i] = best[i].score;
    }
  };
  return k == 0 || search_batch({store, asked, alive, k}, blocks, threads, scorer, give);
}

inline void check_int8(const Matrix<std::int8_t>& query, const Vector<float>& query_scales,
                       const Matrix<std::int8_t>& codes, const Vector<float>& scales) {
  require(query.shape(0) == query_scales.shape(0), "one scale for each query token");
  require(codes.shape(0) == scales.shape(0), "one scale for each document token");
  require(query.shape(1) == codes.shape(1), "query and documents must have one dim");
  require(codes.shape(1) > 0 && codes.shape(1) <= kMaxDim, "dim must be 1 to 65536");
}

template <class Code>
Documents documents_of(const TokenView<Code>& store) {
  return {store.offsets, store.n_docs, store.n_tokens};
}

inline void maxsim_int8(const Matrix<std::int8_t>& query, const Vector<float>& query_scales,
                        const Matrix<std::int8_t>& codes, const Vector<float>& scales,
                        const Vector<std::int64_t>& offsets, const Vector<std::int64_t>& ordinals,
                        const OutVector& out, std::size_t threads, const std::string& path) {
  check_int8(query, query_scales, codes, scales);
  require(ordinals.shape(0) == out.shape(0), "one score for each ordinal");
  const auto store = view_of(codes, scales.data(), offsets);
  with_dots(tile_path_named(path), [&]<class Dots>() {
    all_scores(documents_of(store), {ordinals.data(), ordinals.size(), nullptr}, threads,
               Int8Scorer<Dots>(store, {query.data(), query_scales.data(), query.shape(0)}), out.data());
  });
}

inline bool best_int8(const Matrix<std::int8_t>& query, const Vector<float>& query_scales,
                      const Vector<std::int64_t>& query_offsets, const Matrix<std::int8_t>& codes,
                      const Vector<float>& scales, const Vector<std::int64_t>& offsets,
                      const Vector<std::int64_t>& ordinals, const Matrix<std::int64_t>& bounds,
                      const std::optional<Vector<std::uint8_t>>& alive, const OutOrdinals& best,
                      const OutMatrix& scores, const OutCounts& counts, std::size_t threads, const std::string& path) {
  check_int8(query, query_scales, codes, scales);
  const auto store = view_of(codes, scales.data(), offsets);
  const Search search{query_offsets, ordinals, bounds, alive};
  const Best out{best, scores, counts};
  check(search, query.shape(0), documents_of(store), out);
  return with_dots(tile_path_named(path), [&]<class Dots>() {
    const std::size_t blocks = blocks_within_cache(store.dim);
    return search_all(documents_of(store), search, blocks, threads, out, [&](std::size_t first, std::size_t n, const Candidates&) {
      return Int8Scorer<Dots>(store, {query.data() + first * store.dim, query_scales.data() + first, n});
    });
  });
}

inline void maxsim_fp16(const Matrix<float>& query, const Matrix<std::uint16_t>& codes,
                        const Vector<std::int64_t>& offsets, const Vector<std::int64_t>& ordinals,
                        const OutVector& out, std::size_t threads, const std::string& path) {
  require(query.shape(1) == codes.shape(1), "query and documents must have one dim");
  require(ordinals.shape(0) == out.shape(0), "one score for each ordinal");
  const auto store = view_of(codes, nullptr, offsets);
  const CpuPath runs = path_named(path);
  all_scores(documents_of(store), {ordinals.data(), ordinals.size(), nullptr}, threads,
             Fp16Scorer(store, {query.data(), query.shape(0)}, runs), out.data());
}

inline bool best_fp16(const Matrix<float>& query, const Vector<std::int64_t>& query_offsets,
                      const Matrix<std::uint16_t>& codes, const Vector<std::int64_t>& offsets,
                      const Vector<std::int64_t>& ordinals, const Matrix<std::int64_t>& bounds,
                      const std::optional<Vector<std::uint8_t>>& alive, const OutOrdinals& best,
                      const OutMatrix& scores, const OutCounts& counts, std::size_t threads, const std::string& path) {
  require(query.shape(1) == codes.shape(1), "query and documents must have one dim");
  const auto store = view_of(codes, nullptr, offsets);
  const Search search{query_offsets, ordinals, bounds, alive};
  const Best out{best, scores, counts};
  check(search, query.shape(0), documents_of(store), out);
  const CpuPath runs = path_named(path);
  const std::size_t blocks = blocks_within_cache(store.dim * sizeof(float));
  return search_all(documents_of(store), search, blocks, threads, out, [&](std::size_t first, std::size_t n, const Candidates&) {
    return Fp16Scorer(store, {query.data() + first * store.dim, n}, runs);
  });
}

/// A query for residual codes: quantised as it is and widened, with one dim and one number of tokens.
struct ResidualQueryArrays {
  const Matrix<std::int8_t>& whole;
  const Matrix<std::int8_t>& widened;
  const Vector<float>& scales;
  const Vector<float>& ratios;
};

/// A store of residual codes and the arrays that it keeps alive.
class ResidualTokens {
 public:
  ResidualTokens(Matrix<std::uint8_t> codes, Vector<std::uint16_t> scales, Vector<std::uint16_t> assigned,
                 Vector<std::int64_t> offsets, Vector<std::int8_t> levels, Matrix<std::int8_t> centroids,
                 Vector<float> centroid_scales)
      : codes_(std::move(codes)),
        scales_(std::move(scales)),
        assigned_(std::move(assigned)),
        offsets_(std::move(offsets)),
        centroids_(std::move(centroids)),
        centroid_scales_(std::move(centroid_scales)) {
    const std::size_t n = codes_.shape(0), dim = centroids_.shape(1);
    require(levels.shape(0) == 16 || levels.shape(0) == 4, "there must be 16 levels or 4");
    require(dim > 0 && dim <= kMaxDim, "dim must be 1 to 65536");
    require(scales_.shape(0) == n && assigned_.shape(0) == n, "one scale and one centroid for each token");
    require(offsets_.shape(0) > 0, "offsets must have one more entry than there are documents");
    require(centroids_.shape(0) > 0 && centroids_.shape(0) == centroid_scales_.shape(0),
            "there must be centroids, and one scale for each");
    view_ = {codes_.data(), scales_.data(), assigned_.data(), {offsets_.data(), offsets_.shape(0) - 1, n}, dim, {}};
    view_.levels.bits = levels.shape(0) == 16 ? 4 : 2;
    for (std::size_t i = 0; i < 16; ++i) view_.levels.levels[i] = levels(i % levels.shape(0));
    require(codes_.shape(1) == view_.levels.bytes(dim), "codes must have as many bytes as dim needs");
  }

  void maxsim(const Matrix<std::int8_t>& whole, const Matrix<std::int8_t>& widened, const Vector<float>& scales,
              const Vector<float>& ratios, const Vector<std::int64_t>& ordinals, const OutVector& out,
              std::size_t threads, const std::string& path) const {
    const ResidualQueryArrays query{whole, widened, scales, ratios};
    check(query);
    require(ordinals.shape(0) == out.shape(0), "one score for each ordinal");
    with_dots(tile_path_named(path), [&]<class Dots>() {
      const Candidates some{ordinals.data(), ordinals.size(), nullptr};
      all_scores(view_.documents, some, threads, scorer<Dots>(query, 0, whole.shape(0), some), out.data());
    });
  }

  bool best(const Matrix<std::int8_t>& whole, const Matrix<std::int8_t>& widened, const Vector<float>& scales,
            const Vector<float>& ratios, const Vector<std::int64_t>& query_offsets,
            const Vector<std::int64_t>& ordinals, const Matrix<std::int64_t>& bounds,
            const std::optional<Vector<std::uint8_t>>& alive, const OutOrdinals& best, const OutMatrix& best_scores,
            const OutCounts& counts, std::size_t threads, const std::string& path) const {
    const ResidualQueryArrays query{whole, widened, scales, ratios};
    check(query);
    const Search search{query_offsets, ordinals, bounds, alive};
    const Best out{best, best_scores, counts};
    bindings::check(search, whole.shape(0), view_.documents, out);
    return with_dots(tile_path_named(path), [&]<class Dots>() {
      // The scores of all centroids for one block fill the cache already.
      return search_all(view_.documents, search, 1, threads, out,
                        [&](std::size_t first, std::size_t n, const Candidates& some) {
                          return scorer<Dots>(query, first, n, some);
                        });
    });
  }

 private:
  void check(const ResidualQueryArrays& query) const {
    const std::size_t n = query.whole.shape(0);
    require(query.whole.shape(1) == view_.dim && query.widened.shape(1) == view_.dim,
            "query and documents must have one dim");
    require(query.widened.shape(0) == n && query.scales.shape(0) == n && query.ratios.shape(0) == n,
            "one scale and one ratio for each query token");
  }

  template <class Dots>
  ResidualScorer<Dots> scorer(const ResidualQueryArrays& query, std::size_t first, std::size_t n,
                              const Candidates& some) const {
    const std::size_t start = first * view_.dim;
    return {view_,
            {centroids_.data(), centroid_scales_.data(), centroids_.shape(0)},
            AskedCentroids::of(view_, some.ordinals, some.n, centroids_.shape(0)),
            {{query.whole.data() + start, query.scales.data() + first, n},
             query.widened.data() + start,
             query.ratios.data() + first}};
  }

  Matrix<std::uint8_t> codes_;
  Vector<std::uint16_t> scales_;
  Vector<std::uint16_t> assigned_;
  Vector<std::int64_t> offsets_;
  Matrix<std::int8_t> centroids_;
  Vector<float> centroid_scales_;
  ResidualView view_{};
};

}  // namespace lexmax::bindings

inline void bind_maxsim(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  namespace b = lexmax::bindings;
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("maxsim_int8", &b::maxsim_int8, Released(), "query"_a.noconvert(),
        "query_scales"_a.noconvert(), "codes"_a.noconvert(), "scales"_a.noconvert(),
        "offsets"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write MaxSim of one quantised query and each document of `ordinals` to `out`.");
  m.def("best_int8", &b::best_int8, Released(), "query"_a.noconvert(), "query_scales"_a.noconvert(),
        "query_offsets"_a.noconvert(), "codes"_a.noconvert(), "scales"_a.noconvert(), "offsets"_a.noconvert(),
        "ordinals"_a.noconvert(), "bounds"_a.noconvert(), "alive"_a.noconvert().none(), "best"_a.noconvert(),
        "scores"_a.noconvert(), "counts"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write the best documents of several quantised queries; False where a document with tokens has no score.");
  m.def("maxsim_fp16", &b::maxsim_fp16, Released(), "query"_a.noconvert(), "codes"_a.noconvert(),
        "offsets"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
        "Write MaxSim of one query and each document of `ordinals` to `out`; codes are the bits of halves.");
  m.def("best_fp16", &b::best_fp16, Released(), "query"_a.noconvert(), "query_offsets"_a.noconvert(),
        "codes"_a.noconvert(), "offsets"_a.noconvert(), "ordinals"_a.noconvert(), "bounds"_a.noconvert(),
        "alive"_a.noconvert().none(), "best"_a.noconvert(), "scores"_a.noconvert(), "counts"_a.noconvert(),
        "threads"_a = 1, "path"_a = "auto",
        "Write the best documents of several queries; False where a document with tokens has no score.");
  nb::class_<b::ResidualTokens>(m, "ResidualTokens", "Tokens of 4- or 2-bit residual codes, and their centroids.")
      .def(nb::init<b::Matrix<std::uint8_t>, b::Vector<std::uint16_t>, b::Vector<std::uint16_t>,
                    b::Vector<std::int64_t>, b::Vector<std::int8_t>, b::Matrix<std::int8_t>, b::Vector<float>>(),
           "codes"_a.noconvert(), "scales"_a.noconvert(), "assigned"_a.noconvert(), "offsets"_a.noconvert(),
           "levels"_a.noconvert(), "centroids"_a.noconvert(), "centroid_scales"_a.noconvert())
      .def("maxsim", &b::ResidualTokens::maxsim, Released(), "whole"_a.noconvert(), "widened"_a.noconvert(),
           "scales"_a.noconvert(), "ratios"_a.noconvert(), "ordinals"_a.noconvert(), "out"_a.noconvert(),
           "threads"_a = 1, "path"_a = "auto", "Write MaxSim of one query and each document of `ordinals` to `out`.")
      .def("best", &b::ResidualTokens::best, Released(), "whole"_a.noconvert(), "widened"_a.noconvert(),
           "scales"_a.noconvert(), "ratios"_a.noconvert(), "query_offsets"_a.noconvert(), "ordinals"_a.noconvert(),
           "bounds"_a.noconvert(), "alive"_a.noconvert().none(), "best"_a.noconvert(), "best_scores"_a.noconvert(),
           "counts"_a.noconvert(), "threads"_a = 1, "path"_a = "auto",
           "Write the best documents of several queries; False where a document with tokens has no score.");
}
