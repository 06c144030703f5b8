// MaxSim over int8 tokens: a similarity is an exact integer times the token's scale.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "maxsim.hpp"
#include "maxsim_bound.hpp"
#include "maxsim_dots.hpp"

namespace lexmax {

/// Quantised query tokens (n, dim) and their scales.
struct Int8Query {
  const std::int8_t* codes;
  const float* scales;
  std::size_t n;
};

/// Tokens of so many bytes that take half of the first-level cache, in whole steps of the multipliers, to `most`.
inline std::size_t run_within_cache(std::size_t bytes_a_token, std::size_t most) {
  constexpr std::size_t kBytes = 24 << 10, kStep = 32;
  return std::clamp(kBytes / bytes_a_token / kStep * kStep, std::min(kStep, most), most);
}

template <DotProducts Dots>
class Int8Scorer {
 public:
  static constexpr std::size_t kRun = Dots::kRun;
  using Registers = typename Dots::Registers;

  Int8Scorer(const TokenView<std::int8_t>& store, const Int8Query& query)
      : store_(store),
        weights_(query.scales, query.scales + query.n),
        dots_(query.codes, query.n, store.dim),
        bound_(norms(query)) {}

  const std::vector<float>& weights() const { return weights_; }

  void raise_best(const TokenRun& run, std::size_t block, float* best) {
    const auto n = static_cast<std::size_t>(run.end - run.begin);
    const std::int32_t* dots = dots_.multiply(
        {row(run.begin), n, static_cast<std::size_t>(run.begin - run.first), bytes(run.begin, store_.n_tokens),
         row(run.ahead.begin), bytes(run.ahead.begin, static_cast<std::size_t>(run.ahead.end))},
        block);
    Dots::Raise::raise(ScaledRun{dots, store_.scales + run.begin, static_cast<int>(n)}, best);
  }

  double rest(std::size_t block, const DocumentRange& document) {
    double greatest = 0.0;
    for (std::int64_t token = document.begin; token < document.end; ++token) {
      const auto square = static_cast<double>(Dots::Raise::square(row(token), store_.dim));
      const double norm = std::sqrt(square) * std::abs(static_cast<double>(store_.scales[token]));
      if (!(norm <= greatest)) greatest = norm;
    }
    return bound_.rest(block, greatest);
  }

  double guess(std::size_t block) const { return bound_.guess(block); }
  std::size_t kept_run() const { return run_within_cache(store_.dim, kRun); }

 private:
  std::vector<double> norms(const Int8Query& query) const {
    std::vector<double> norms(query.n);
    for (std::size_t q = 0; q < query.n; ++q) {
      const auto square = static_cast<double>(Dots::Raise::square(query.codes + q * store_.dim, store_.dim));
      norms[q] = std::sqrt(square) * std::abs(static_cast<double>(query.scales[q]));
    }
    return norms;
  }

  const std::int8_t* row(std::int64_t token) const {
    return store_.codes + static_cast<std::size_t>(token) * store_.dim;
  }
  std::size_t bytes(std::int64_t begin, std::size_t end) const {
    return (end - static_cast<std::size_t>(begin)) * store_.dim;
  }

  TokenView<std::int8_t> store_;
  std::vector<float> weights_;
  Dots dots_;
  NormBound bound_;
};

}  // namespace lexmax
