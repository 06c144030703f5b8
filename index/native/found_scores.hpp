// What did a ranking give to these documents?
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lexmax {

/// Calls give(i, place) for each i of the wanted ordinals, where it stands among `ordinals`; `n` where it does not.
template <class Give>
void find_places(const std::int64_t* ordinals, std::size_t n, const std::int64_t* wanted, std::size_t n_wanted, Give give) {
  // A ranking as short as most are is read through sooner than it is sorted.
  constexpr std::size_t kFew = std::size_t{1} << 16;
  if (n * n_wanted <= kFew) {
    for (std::size_t i = 0; i < n_wanted; ++i)
      give(i, static_cast<std::size_t>(std::find(ordinals, ordinals + n, wanted[i]) - ordinals));
    return;
  }
  std::vector<std::pair<std::int64_t, std::size_t>> places(n);
  for (std::size_t place = 0; place < n; ++place) places[place] = {ordinals[place], place};
  std::sort(places.begin(), places.end());
  for (std::size_t i = 0; i < n_wanted; ++i) {
    const auto found = std::lower_bound(places.begin(), places.end(), std::pair{wanted[i], std::size_t{0}});
    give(i, found != places.end() && found->first == wanted[i] ? found->second : n);
  }
}

}  // namespace lexmax
