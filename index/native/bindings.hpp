// What all bindings share: array types, checked for dtype and order (noconvert), and `require`.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "maxsim.hpp"

namespace lexmax::bindings {

namespace nb = nanobind;

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using OutVector = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutMatrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

inline void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

template <class Code>
TokenView<Code> view_of(const Matrix<Code>& codes, const float* scales,
                        const Vector<std::int64_t>& offsets) {
  require(offsets.shape(0) > 0, "offsets must have one more entry than there are documents");
  return {codes.data(), scales, offsets.data(), offsets.shape(0) - 1, codes.shape(0), codes.shape(1)};
}

}  // namespace lexmax::bindings
