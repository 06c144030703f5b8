// Which documents have a token near a centroid? Lists of 16-bit offsets in windows of 65,536 documents, those of one
// centroid side by side: list (c, w) is docs[starts[c * n_windows + w]] to docs[starts[c * n_windows + w + 1]].
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "centroid_scan.hpp"

namespace lexmax {

constexpr std::size_t kListWindow = 65536;
constexpr std::size_t list_windows(std::size_t n_docs) { return (n_docs + kListWindow - 1) / kListWindow; }

/// A document stands once in the list of a centroid, however many of its tokens are near.
struct CentroidLists {
  const std::int64_t* starts;  // (n_centroids * n_windows + 1,)
  const std::uint16_t* docs;
  std::size_t n_postings;
  std::size_t n_centroids;
  std::size_t n_windows;
};

namespace lists_detail {

template <class Take>
void each_posting(const CentroidCodes& codes, std::size_t n_centroids, Take take) {
  constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<std::uint32_t> last(n_centroids, kNone);
  for (std::size_t doc = 0; doc < codes.n_docs; ++doc)
    for (std::int64_t t = codes.offsets[doc]; t < codes.offsets[doc + 1]; ++t) {
      const std::size_t c = codes.codes[t];
      if (c >= n_centroids) throw std::out_of_range("a token is assigned to a centroid that is not there");
      if (last[c] == doc) continue;
      last[c] = static_cast<std::uint32_t>(doc);
      take(c, doc);
    }
}

}  // namespace lists_detail

/// Writes starts (n_centroids * n_windows + 1,); offsets of documents have been checked.
inline void count_lists(const CentroidCodes& codes, std::size_t n_centroids, std::int64_t* starts) {
  const std::size_t windows = list_windows(codes.n_docs);
  std::fill_n(starts, n_centroids * windows + 1, 0);
  lists_detail::each_posting(codes, n_centroids,
                             [&](std::size_t c, std::size_t doc) { ++starts[c * windows + doc / kListWindow + 1]; });
  for (std::size_t i = 0; i < n_centroids * windows; ++i) starts[i + 1] += starts[i];
}

/// Writes docs (starts[last],).
inline void fill_lists(const CentroidCodes& codes, std::size_t n_centroids, const std::int64_t* starts,
                       std::uint16_t* docs) {
  const std::size_t windows = list_windows(codes.n_docs);
  std::vector<std::int64_t> next(starts, starts + n_centroids * windows);
  lists_detail::each_posting(codes, n_centroids, [&](std::size_t c, std::size_t doc) {
    docs[next[c * windows + doc / kListWindow]++] = static_cast<std::uint16_t>(doc % kListWindow);
  });
}

}  // namespace lexmax
