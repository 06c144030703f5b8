// How fast is each reply? Sends HTTP requests over kept connections, closed loop or open loop.
//
// load HOST PORT REQUESTS OUT closed CONNECTIONS SECONDS
// load HOST PORT REQUESTS OUT open RATE SECONDS SEED MOST_CONNECTIONS
//
// REQUESTS: for each request its length (u32, little-endian) and its bytes; asked in turn. OUT: for
// each request four doubles: when it was due, sent and answered, in seconds from the start, and the
// status (0 where the connection failed). Open loop: arrivals are Poisson and wait for nobody; what
// finds no free connection waits here, and its time counts.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr double kDrainSeconds = 10.0;
constexpr std::size_t kReadBytes = 1 << 16;

struct Record {
  double due, sent, done, status;
};

struct Ask {
  double due;
  std::size_t request;
  bool retried = false;
};

double now() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string> read_requests(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::string> found;
  for (std::size_t at = 0; at + 4 <= all.size();) {
    std::uint32_t length = 0;
    std::memcpy(&length, all.data() + at, 4);
    if (length > all.size() - at - 4) throw std::runtime_error("the file of requests ends early");
    found.push_back(all.substr(at + 4, length));
    at += 4 + length;
  }
  if (found.empty()) throw std::runtime_error("the file holds no request");
  return found;
}

/// The reply to one request, as far as it has arrived.
class Reply {
 public:
  bool begun() const { return !bytes_.empty(); }
  int status() const { return status_; }
  bool closes() const { return closes_; }

  /// Whether the reply is whole now.
  bool add(const char* data, std::size_t size) {
    bytes_.append(data, size);
    if (wanted_ == 0) read_head();
    return wanted_ != 0 && bytes_.size() >= wanted_;
  }

  void clear() { bytes_.clear(), wanted_ = 0, status_ = 0, closes_ = false; }

 private:
  void read_head() {
    const std::size_t end = bytes_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    std::string head = bytes_.substr(0, end + 2);
    std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
    status_ = std::atoi(head.c_str() + std::min<std::size_t>(9, head.size()));
    closes_ = head.find("\r\nconnection: close") != std::string::npos;
    const std::size_t length = head.find("\r\ncontent-length:");
    if (length == std::string::npos) throw std::runtime_error("a reply without content-length");
    wanted_ = end + 4 + static_cast<std::size_t>(std::atoll(head.c_str() + length + 17));
  }

  std::string bytes_;
  std::size_t wanted_ = 0;
  int status_ = 0;
  bool closes_ = false;
};

struct Connection {
  int fd = -1;
  bool used = false;
  Ask ask{};
  double sent = 0;
  std::size_t written = 0;
  Reply reply;
};

class Load {
 public:
  Load(const char* host, int port, std::vector<std::string> requests, std::size_t most)
      : requests_(std::move(requests)), most_(most), epoll_(epoll_create1(0)) {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET, host, &address_.sin_addr) != 1) throw std::runtime_error("HOST is no IPv4 address");
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(timer_, nullptr, EPOLLIN);
  }

  void closed(std::size_t connections, double seconds) {
    for (std::size_t i = 0; i < connections; ++i) ask(now());
    while (now() < seconds + kDrainSeconds && n_open_ > 0) {
      step(seconds + kDrainSeconds, [&] {
        if (now() < seconds) ask(now());
      });
    }
  }

  void open(double rate, double seconds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::exponential_distribution<double> gap(rate);
    double due = gap(random);
    while (due < seconds || (n_open_ > 0 && now() < seconds + kDrainSeconds)) {
      for (; due < seconds && due <= now(); due += gap(random)) ask(due);
      step(std::min(due, seconds + kDrainSeconds), [] {});
    }
  }

  void write(const char* path) {
    for (const auto& one : connections_) {
      if (one->fd >= 0 && one->sent > 0) failed(*one);
    }
    for (const Ask& ask : waiting_) records_.push_back({ask.due, now(), now(), 0});
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(records_.data()), static_cast<std::streamsize>(records_.size() * sizeof(Record)));
    std::printf("{\"connections\": %zu}\n", n_connections_);
  }

 private:
  void watch(int fd, Connection* one, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = one;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) throw std::runtime_error("epoll_ctl failed");
  }

  void ask(double due) {
    ++n_open_;
    waiting_.push_back({due, next_++ % requests_.size()});
    dispatch();
  }

  /// Give waiting requests to connections: the one used last first, a new one where none is free.
  void dispatch() {
    while (!waiting_.empty()) {
      Connection* one = nullptr;
      if (!idle_.empty()) {
        one = idle_.back();
        idle_.pop_back();
      } else if (n_alive_ < most_) {
        one = connected();
      } else {
        return;
      }
      one->ask = waiting_.front();
      waiting_.pop_front();
      one->sent = now();
      one->written = 0;
      send_more(*one);
    }
  }

  Connection* connected() {
    connections_.push_back(std::make_unique<Connection>());
    Connection* one = connections_.back().get();
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (one->fd < 0) throw std::runtime_error("no socket left");
    const int on = 1;
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++n_alive_, ++n_connections_;
    if (connect(one->fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0 && errno != EINPROGRESS) {
      throw std::runtime_error("the address cannot be reached");
    }
    watch(one->fd, one, EPOLLIN | EPOLLOUT | EPOLLET);
    return one;
  }

  void send_more(Connection& one) {
    const std::string& bytes = requests_[one.ask.request];
    while (one.written < bytes.size()) {
      const ssize_t n = send(one.fd, bytes.data() + one.written, bytes.size() - one.written, MSG_NOSIGNAL);
      if (n <= 0) return;  // a later event says that there is room, or that it is closed
      one.written += static_cast<std::size_t>(n);
    }
  }

  template <class Then>
  void step(double until, const Then& answered) {
    const double wait = std::max(until - now(), 1e-6);
    itimerspec at{};
    at.it_value.tv_sec = static_cast<time_t>(wait);
    at.it_value.tv_nsec = static_cast<long>((wait - static_cast<double>(at.it_value.tv_sec)) * 1e9);
    timerfd_settime(timer_, 0, &at, nullptr);
    epoll_event events[256];
    const int n = epoll_wait(epoll_, events, 256, -1);
    for (int i = 0; i < n; ++i) {
      auto* one = static_cast<Connection*>(events[i].data.ptr);
      if (one == nullptr) {
        std::uint64_t times = 0;
        [[maybe_unused]] const ssize_t ignored = read(timer_, &times, sizeof times);
      } else if (one->fd >= 0) {
        if (one->sent > 0 && (events[i].events & EPOLLOUT) != 0) send_more(*one);
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(*one, answered);
      }
    }
    dispatch();
  }

  template <class Then>
  void receive(Connection& one, const Then& answered) {
    static std::vector<char> buffer(kReadBytes);
    while (one.fd >= 0) {
      const ssize_t n = recv(one.fd, buffer.data(), buffer.size(), 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (n <= 0) {
        lost(one, answered);
        return;
      }
      if (one.sent > 0 && one.reply.add(buffer.data(), static_cast<std::size_t>(n))) done(one, answered);
    }
  }

  template <class Then>
  void done(Connection& one, const Then& answered) {
    records_.push_back({one.ask.due, one.sent, now(), static_cast<double>(one.reply.status())});
    --n_open_;
    const bool closes = one.reply.closes();
    one.reply.clear();
    one.sent = 0;
    one.used = true;
    if (closes) {
      drop(one);
    } else {
      idle_.push_back(&one);
    }
    answered();
  }

  /// The server has closed the connection; a kept one may be closed just when it is used again.
  template <class Then>
  void lost(Connection& one, const Then& answered) {
    const bool asked = one.sent > 0;
    const bool again = asked && one.used && !one.reply.begun() && !one.ask.retried;
    if (again) {
      one.ask.retried = true;
      waiting_.push_front(one.ask);
    } else if (asked) {
      failed(one);
      --n_open_;
    }
    drop(one);
    if (asked && !again) answered();
  }

  void failed(const Connection& one) { records_.push_back({one.ask.due, one.sent, now(), 0}); }

  void drop(Connection& one) {
    std::erase(idle_, &one);
    close(one.fd);
    one.fd = -1;
    --n_alive_;
  }

  std::vector<std::string> requests_;
  std::size_t most_, n_alive_ = 0, n_connections_ = 0, n_open_ = 0, next_ = 0;
  int epoll_, timer_;
  sockaddr_in address_{};
  std::deque<Ask> waiting_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;
  std::vector<Record> records_;
};

}  // namespace

int main(int n, char** given) try {
  if (n < 8) throw std::runtime_error("HOST PORT REQUESTS OUT closed N SECONDS | open RATE SECONDS SEED MOST");
  const bool is_open = std::string_view(given[5]) == "open";
  if (is_open && n < 10) throw std::runtime_error("open RATE SECONDS SEED MOST_CONNECTIONS");
  const auto number = [&](int i) { return std::atof(given[i]); };
  const std::size_t most = static_cast<std::size_t>(number(is_open ? 9 : 6));
  Load load(given[1], std::atoi(given[2]), read_requests(given[3]), most);
  now();
  if (is_open) {
    load.open(number(6), number(7), static_cast<std::uint64_t>(number(8)));
  } else {
    load.closed(most, number(7));
  }
  load.write(given[4]);
} catch (const std::exception& error) {
  std::fprintf(stderr, "load: %s\n", error.what());
  return 1;
}
