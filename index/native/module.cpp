// Only binds: each algorithm stands in a header of its own; Python has the same function in numpy.
#include <nanobind/nanobind.h>

#include "multivector_bindings.hpp"
#include "sparse_bindings.hpp"

NB_MODULE(_native, m) {
  m.doc() = "Kernels of lexmax.index; their numpy twins are lexmax.index.oracle_*.";
  bind_sparse(m);
  bind_multivector(m);
}
