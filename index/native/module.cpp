// Only binds: each algorithm stands in a header of its own; Python has the same function in numpy.
#include <nanobind/nanobind.h>

#include "centroid_bindings.hpp"
#include "fde_bindings.hpp"
#include "found_scores_bindings.hpp"
#include "maxsim_bindings.hpp"
#include "paths_bindings.hpp"
#include "pooled_bindings.hpp"
#include "sparse_bindings.hpp"
#include "vector_scan_bindings.hpp"
#include "warp_bindings.hpp"

NB_MODULE(_native, m) {
  m.doc() = "Kernels of lexmax.index; their numpy twins are lexmax.index.oracle_*.";
  bind_sparse(m);
  bind_paths(m);
  bind_maxsim(m);
  bind_fde(m);
  bind_found_scores(m);
  bind_vector_scan(m);
  bind_pooled(m);
  bind_centroids(m);
  bind_warp(m);
}
