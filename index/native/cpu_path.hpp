// Which instructions run a kernel? Chosen in the running process: one wheel serves every machine.
#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define LEXMAX_X86 1
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#define LEXMAX_TARGET_AVX2 __attribute__((target("avx2")))
#define LEXMAX_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define LEXMAX_TARGET_AMX \
  __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#endif

// Bodies written once in plain C++ take the instructions of the function that they are inlined in.
#define LEXMAX_INLINE __attribute__((always_inline)) inline

namespace lexmax {

enum class CpuPath { portable, avx2, avx512, amx };

inline std::string name_of(CpuPath path) {
  switch (path) {
    case CpuPath::amx: return "amx";
    case CpuPath::avx512: return "avx512";
    case CpuPath::avx2: return "avx2";
    default: return "portable";
  }
}

#if LEXMAX_X86
/// Whether the processor has tiles of int8 and the system lends their registers to this process.
inline bool request_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // the state component of tile registers
  constexpr unsigned kTileAndInt8 = (1U << 24) | (1U << 25);
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTileAndInt8) != kTileAndInt8) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

/// Paths that this processor can run, fastest first.
inline std::vector<CpuPath> available_paths() {
  std::vector<CpuPath> paths;
#if LEXMAX_X86
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  static const bool tiles = request_tiles();
  if (avx512 && tiles) paths.push_back(CpuPath::amx);
  if (avx512) paths.push_back(CpuPath::avx512);
  if (__builtin_cpu_supports("avx2")) paths.push_back(CpuPath::avx2);
#endif
  paths.push_back(CpuPath::portable);
  return paths;
}

/// The path of this name; "auto" is the fastest. Throws where this processor cannot run it. For
/// kernels that multiply tiles; all others ask `path_named`.
inline CpuPath tile_path_named(std::string_view name) {
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

/// The path of a kernel that has vectors but no tiles.
inline CpuPath vector_path(CpuPath path) { return std::min(path, CpuPath::avx512); }

/// `tile_path_named` without tiles: a kernel for vectors runs as avx512 where amx is asked for.
inline CpuPath path_named(std::string_view name) { return vector_path(tile_path_named(name)); }

}  // namespace lexmax
