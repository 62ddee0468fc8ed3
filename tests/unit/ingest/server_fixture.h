// An ingest server on a loopback port with a fake journal, and producers for it. Everything runs on
// the test's thread: the event loop turns only inside RunUntil.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "asio/io_context.hpp"
#include "gtest/gtest.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/net_address.h"
#include "services/worker/ingest/ingest_server.h"
#include "tests/unit/ingest/fake_journal.h"

namespace center::ingest {

// A producer with a non-blocking socket.
class Producer {
 public:
  explicit Producer(uint16_t port) {
    auto fd = ConnectTcp("127.0.0.1", port);
    EXPECT_TRUE(fd.ok()) << fd.status();
    if (fd.ok()) fd_ = std::move(*fd);
  }

  // Sends what fits into the socket now; returns how much.
  size_t SendSome(absl::string_view bytes) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  void Send(absl::string_view bytes) { EXPECT_EQ(SendSome(bytes), bytes.size()); }
  void ShutdownWrite() { EXPECT_EQ(::shutdown(fd_.get(), SHUT_WR), 0); }
  void Close() { fd_.Reset(); }
  // Closes with RST instead of FIN.
  void Reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    EXPECT_EQ(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    fd_.Reset();
  }
  // True when the server has closed the connection.
  bool IsClosed() {
    char byte = 0;
    const ssize_t n = ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    reset_ = reset_ || (n < 0 && errno == ECONNRESET);  // told once
    return n == 0 || (n < 0 && errno != EAGAIN);
  }
  // True when the server has ended the stream, and has not reset the connection.
  bool EndsCleanly() {
    char byte = 0;
    int error = 0;
    socklen_t size = sizeof error;
    return ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 &&
           ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
  }
  // True when the server has closed it with a reset: not everything that was sent is stored.
  bool IsReset() { return IsClosed() && reset_; }
  // What the server has sent so far.
  std::string Received() {
    char buffer[8192];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT | MSG_PEEK);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
  }
  // "127.0.0.1:port" as the server sees it.
  std::string Name() const {
    const auto port = LocalPort(fd_.get());
    return "127.0.0.1:" + std::to_string(port.value_or(0));
  }

 private:
  ScopedFd fd_;
  bool reset_ = false;
};

class ServerFixture : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kDeadline{20};

  ServerFixture() { options_.worker_name = "default/0"; }

  void StartServer(Framing framing = Framing::kLine) {
    options_.framing = framing;
    auto listener = ListenTcp("127.0.0.1", 0, 1024);
    ASSERT_TRUE(listener.ok()) << listener.status();
    port_ = *LocalPort(listener->get());
    auto server = IngestServer::Create(
        io_, options_, std::move(*listener), nullptr, journal_.Port(), RealClock(),
        [this](const RejectedConnection& rejected) { rejected_.push_back(rejected); });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
    server_->Start();
  }

  std::unique_ptr<Producer> Connect() { return std::make_unique<Producer>(port_); }

  // Turns the event loop until `condition` holds; false when it does not within the deadline.
  bool RunUntil(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  bool RunUntilStored(uint64_t payloads) {
    return RunUntil([&] { return journal_.next_offset() >= payloads; });
  }
  bool RunUntilConnections(uint64_t connections) {
    return RunUntil([&] { return server_->counters().connections == connections; });
  }

  // Sends all, turning the event loop while the socket is full.
  bool SendAll(Producer& producer, absl::string_view bytes) {
    return RunUntil([&] {
      bytes.remove_prefix(producer.SendSome(bytes));
      return bytes.empty();
    });
  }

  asio::io_context io_;
  IngestOptions options_;
  FakeJournal journal_;
  uint16_t port_ = 0;
  std::vector<RejectedConnection> rejected_;
  std::unique_ptr<IngestServer> server_;
};

}  // namespace center::ingest
