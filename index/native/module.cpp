// Only binds: each algorithm stands in a header of its own, with its bindings' checks in Python.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

NB_MODULE(_native, m) { m.doc() = "Kernels of lexmax.index; numpy twins in lexmax.index.oracle."; }
