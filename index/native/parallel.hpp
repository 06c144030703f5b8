// How is work shared among threads? Each takes the next piece when it has finished one.
#pragma once
#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace lexmax {

/// Runs `work(i)` for i below `n` on at most `threads` threads; rethrows the first exception.
template <class Work>
void in_parallel(std::size_t n, std::size_t threads, Work work) {
  std::exception_ptr failure;
  std::mutex mutex;
  std::size_t next = 0;
  const auto run = [&] {
    for (;;) {
      std::size_t mine;
      {
        const std::lock_guard lock(mutex);
        if (next >= n || failure) return;
        mine = next++;
      }
      try {
        work(mine);
      } catch (...) {
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> others;
  try {
    for (std::size_t t = 1; t < std::min(threads, n); ++t) others.emplace_back(run);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do all of the work.
  }
  run();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lexmax
