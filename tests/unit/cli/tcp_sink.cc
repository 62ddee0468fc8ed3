#include "tests/unit/cli/tcp_sink.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"

namespace center::cli {

TcpSink::TcpSink(Manner manner, std::string banner, OnBytes on_bytes)
    : manner_(manner),
      banner_(std::move(banner)),
      on_bytes_(std::move(on_bytes)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  auto listener = ListenTcp("127.0.0.1", 0, 1024);
  EXPECT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
  thread_ = std::thread([this] { Run(); });
}

TcpSink::~TcpSink() {
  const uint64_t one = 1;
  EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  thread_.join();
}

Target TcpSink::target() const {
  Target target;
  target.host = "127.0.0.1";
  target.port = *LocalPort(listener_.get());
  return target;
}

std::vector<std::string> TcpSink::received() const {
  absl::MutexLock lock(&mutex_);
  return received_;
}

std::string TcpSink::all_received() const {
  absl::MutexLock lock(&mutex_);
  return absl::StrJoin(received_, "");
}

void TcpSink::Run() {
  for (;;) {
    std::vector<pollfd> fds = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (manner_ != Manner::kReadNothing) {
      for (const auto& [fd, owner] : connections_) fds.push_back({fd, POLLIN, 0});
    }
    ASSERT_GT(::poll(fds.data(), fds.size(), -1), 0);
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) Accept();
    for (size_t i = 2; i < fds.size(); ++i) {
      if (fds[i].revents != 0 && !Receive(fds[i].fd)) connections_.erase(fds[i].fd);
    }
  }
}

void TcpSink::Accept() {
  ScopedFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd.valid()) return;
  if (!banner_.empty()) {
    EXPECT_EQ(::send(fd.get(), banner_.data(), banner_.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(banner_.size()));
  }
  absl::MutexLock lock(&mutex_);
  index_[fd.get()] = received_.size();
  received_.emplace_back();
  connections_[fd.get()] = std::move(fd);
}

bool TcpSink::Receive(int fd) {
  char block[65536];
  const ssize_t got = ::recv(fd, block, sizeof block, 0);
  if (got > 0 && on_bytes_ != nullptr) on_bytes_({block, static_cast<size_t>(got)});
  if (got > 0) {
    absl::MutexLock lock(&mutex_);
    received_[index_[fd]].append(block, static_cast<size_t>(got));
  }
  if (manner_ == Manner::kReset) {
    const linger at_once{1, 0};
    EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    return false;
  }
  if (got == 0 && manner_ == Manner::kNeverClose) {
    // Nothing more to read: kept, but no longer looked at.
    kept_.push_back(std::move(connections_.at(fd)));
    return false;
  }
  return got > 0;
}

}  // namespace center::cli
