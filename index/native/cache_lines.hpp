// Memory that is used a cache line at a time.
#pragma once
#include <cstddef>
#include <vector>

namespace lexmax {

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

}  // namespace lexmax
