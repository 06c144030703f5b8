// Which instructions run a kernel? Chosen in the running process: one wheel serves every machine.
#pragma once
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define LEXMAX_X86 1
#define LEXMAX_TARGET_AVX2 __attribute__((target("avx2")))
#define LEXMAX_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#endif

// Bodies written once in plain C++ take the instructions of the function that they are inlined in.
#define LEXMAX_INLINE __attribute__((always_inline)) inline

namespace lexmax {

enum class CpuPath { portable, avx2, avx512 };

inline std::string name_of(CpuPath path) {
  switch (path) {
    case CpuPath::avx512: return "avx512";
    case CpuPath::avx2: return "avx2";
    default: return "portable";
  }
}

/// Paths that this processor can run, fastest first.
inline std::vector<CpuPath> available_paths() {
  std::vector<CpuPath> paths;
#if LEXMAX_X86
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx512) paths.push_back(CpuPath::avx512);
  if (__builtin_cpu_supports("avx2")) paths.push_back(CpuPath::avx2);
#endif
  paths.push_back(CpuPath::portable);
  return paths;
}

/// The path of this name; "auto" is the fastest. Throws where this processor cannot run it.
inline CpuPath path_named(std::string_view name) {
  const auto paths = available_paths();
  if (name == "auto") return paths.front();
  std::string expected = "auto";
  for (const CpuPath path : paths) {
    if (name == name_of(path)) return path;
    expected += ", " + name_of(path);
  }
  throw std::invalid_argument("path '" + std::string(name) + "' cannot run here; expected one of " +
                              expected);
}

}  // namespace lexmax
