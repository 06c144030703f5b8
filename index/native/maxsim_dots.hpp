// Inner products of a document's int8 tokens with a query's, exact integers: what every multiplier takes and gives.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "cache_lines.hpp"
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

/// What a thread must hold while it multiplies: nothing.
struct NoRegisters {};

}  // namespace lexmax
