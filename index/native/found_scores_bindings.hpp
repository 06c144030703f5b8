// Binds the look-up of scores. The GIL is held: it is over sooner than another thread could begin.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <vector>

#include "bindings.hpp"
#include "found_scores.hpp"

namespace lexmax::bindings {

inline std::vector<std::optional<double>> found_scores(const Vector<std::int64_t>& ordinals, const Vector<float>& scores,
                                                       const Vector<std::int64_t>& wanted) {
  require(ordinals.shape(0) == scores.shape(0), "one score for each ordinal");
  const std::size_t n = ordinals.shape(0);
  std::vector<std::optional<double>> found(wanted.shape(0));
  find_places(ordinals.data(), n, wanted.data(), found.size(), [&](std::size_t i, std::size_t place) {
    if (place < n) found[i] = static_cast<double>(scores(place));
  });
  return found;
}

}  // namespace lexmax::bindings

inline void bind_found_scores(nanobind::module_& m) {
  namespace nb = nanobind;
  using namespace nb::literals;
  m.def("found_scores", &lexmax::bindings::found_scores, "ordinals"_a.noconvert(), "scores"_a.noconvert(),
        "wanted"_a.noconvert(),
        "The score of each wanted document in a ranking; None where it is not there.");
}
