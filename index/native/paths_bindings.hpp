// Binds the names of the instruction sets that kernels can run here.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "cpu_path.hpp"

namespace lexmax::bindings {

inline std::vector<std::string> path_names() {
  std::vector<std::string> names;
  for (const CpuPath path : available_paths()) names.push_back(name_of(path));
  return names;
}

}  // namespace lexmax::bindings

inline void bind_paths(nanobind::module_& m) {
  m.def("available_paths", &lexmax::bindings::path_names,
        "Instruction sets that kernels can run here, fastest first.");
}
