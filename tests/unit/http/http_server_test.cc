#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/http/server.h"

namespace center::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::string_view kGet = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

NetAddress AnyPort() { return {.host = "127.0.0.1", .port = 0}; }
Response Fine(const Request&) { return {.body = "fine\n"}; }

class HttpServerTest : public testing::Test {
 protected:
  void Start(Handler handler, ServerLimits limits = {}) {
    auto started = Server::Start(AnyPort(), std::move(handler), limits);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  ScopedFd Connect() {
    auto connection = ConnectTcp("127.0.0.1", server_->address().port);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return connection.ok() ? *std::move(connection) : ScopedFd();
  }
  static void Send(const ScopedFd& connection, absl::string_view text) {
    EXPECT_EQ(::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  static std::string ReadAll(const ScopedFd& connection) {
    std::string text;
    char buffer[4096];
    for (;;) {
      pollfd waiting{connection.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 60'000) <= 0) return text + " (no end)";
      const ssize_t got = ::recv(connection.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return text;
      text.append(buffer, static_cast<size_t>(got));
    }
  }
  std::string Get() {
    const ScopedFd connection = Connect();
    Send(connection, kGet);
    return ReadAll(connection);
  }

  std::unique_ptr<Server> server_;
};

TEST_F(HttpServerTest, AnswersAndCloses) {
  Start(Fine);
  EXPECT_THAT(Get(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Get(), HasSubstr("\r\n\r\nfine\n"));
}

TEST_F(HttpServerTest, APortThatIsTakenIsSaid) {
  Start(Fine);
  EXPECT_TRUE(absl::IsAlreadyExists(Server::Start(server_->address(), Fine).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Server::Start({.is_unix = true, .path = "/tmp/x"}, Fine).status()));
}

TEST_F(HttpServerTest, ALongHeadIsRefused) {
  Start(Fine, {.head_bytes_max = 1024});
  const ScopedFd connection = Connect();
  Send(connection, absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(1024, 'x')));
  EXPECT_THAT(ReadAll(connection), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, AHeadInPiecesIsAHead) {
  Start(Fine);
  const ScopedFd connection = Connect();
  for (const char byte : kGet) Send(connection, absl::string_view(&byte, 1));
  EXPECT_THAT(ReadAll(connection), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ASlowHeadIsRefused) {
  Start(Fine, {.head_timeout = milliseconds(50)});
  const ScopedFd connection = Connect();
  Send(connection, "GET / HT");
  EXPECT_THAT(ReadAll(connection), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, SilentConnectionsHoldTheThreadsNoLongerThanTheirTimeout) {
  Start(Fine, {.threads = 2, .head_timeout = milliseconds(50)});
  std::vector<ScopedFd> silent;
  for (int i = 0; i < 6; ++i) silent.push_back(Connect());
  EXPECT_THAT(Get(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, NoMoreRequestsThanThreadsAreHandledAtATime) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  absl::Notification go_on;
  Start(
      [&](const Request&) -> Response {
        const int mine = ++now;
        for (int seen = most; seen < mine && !most.compare_exchange_weak(seen, mine);) {
        }
        if (mine == 2) go_on.Notify();
        go_on.WaitForNotificationWithTimeout(absl::Seconds(60));
        --now;
        return {};
      },
      {.threads = 2});
  std::vector<ScopedFd> connections;
  for (int i = 0; i < 2; ++i) {
    connections.push_back(Connect());
    Send(connections.back(), kGet);
  }
  for (const ScopedFd& connection : connections) {
    EXPECT_THAT(ReadAll(connection), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_EQ(most, 2);
}

TEST_F(HttpServerTest, EndsAtOnceUnderSilentConnections) {
  Start(Fine, {.threads = 1, .head_timeout = std::chrono::hours(1)});
  const ScopedFd held = Connect();
  const ScopedFd waiting = Connect();
  server_.reset();
  // Reset or closed: nothing comes any more.
  EXPECT_THAT(ReadAll(waiting), testing::Not(HasSubstr("no end")));
}

TEST_F(HttpServerTest, ABodyThatNobodyReadsDoesNotCostTheAnswer) {
  Start(Fine);
  const ScopedFd connection = Connect();
  Send(connection,
       absl::StrCat("POST / HTTP/1.1\r\nContent-Length: 4096\r\n\r\n", std::string(4096, 'x')));
  EXPECT_THAT(ReadAll(connection), StartsWith("HTTP/1.1 405 "));
}

}  // namespace
}  // namespace center::http
