// The tile registers of a thread: eight of 16 rows of 64 bytes while an object lives.
#pragma once
#include <cstdint>

#include "cpu_path.hpp"
#if LEXMAX_X86
#include <immintrin.h>
#endif

namespace lexmax {

class AmxTiles {
 public:
  explicit AmxTiles(CpuPath path) : held_(path == CpuPath::amx) {
    if (held_) configure();
  }
  ~AmxTiles() {
    if (held_) release();
  }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;

 private:
#if LEXMAX_X86
  struct alignas(64) Shape {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
  __attribute__((target("amx-tile"))) static void configure() {
    // Static: GCC takes the intrinsic for a read of eight bytes and leaves out other stores to a local.
    static const Shape shape;
    _tile_loadconfig(&shape);
  }
  __attribute__((target("amx-tile"))) static void release() { _tile_release(); }
#else
  static void configure() {}
  static void release() {}
#endif

  bool held_;
};

}  // namespace lexmax
