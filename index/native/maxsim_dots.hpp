// Inner products of a document's int8 tokens with a query's, exact integers: what every multiplier takes and gives.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "maxsim_raise.hpp"

namespace lexmax {

/// Some tokens of one document, `stride` bytes apart. Around them lies more that may be read: `before` rows of the
/// same document, and `readable` bytes from `codes` on. `ahead` is what will be needed next: brought from memory
/// while these are multiplied.
struct TokenRows {
  const std::int8_t* codes;
  std::size_t n;
  std::size_t before;
  std::size_t readable;
  const void* ahead;
  std::size_t ahead_bytes;
};

/// Knows one query's codes. `multiply` returns dots [token][kQueryBlock] of up to kRun tokens with the query tokens
/// of a block; lanes past the query's last token mean nothing. The result lives until the next call.
template <class Dots>
concept DotProducts = requires(Dots dots, const TokenRows& rows, std::size_t block, const ScaledRun& run, float* best) {
  { Dots::kRun } -> std::convertible_to<std::size_t>;
  typename Dots::Raise;
  typename Dots::Registers;
  { dots.multiply(rows, block) } -> std::same_as<const std::int32_t*>;
};

/// Numbers that begin with a cache line: registers and tiles of 64 bytes then never lie in two.
template <class T>
class Lines {
 public:
  Lines() = default;
  explicit Lines(std::size_t n) : lines_((n * sizeof(T) + sizeof(Line) - 1) / sizeof(Line)) {}

  T* data() { return reinterpret_cast<T*>(lines_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(lines_.data()); }
  std::size_t size() const { return lines_.size() * sizeof(Line) / sizeof(T); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> lines_;
};

/// What a thread must hold while it multiplies: nothing.
struct NoRegisters {};

}  // namespace lexmax
