#include "services/coordinator/kube/curl_transport.h"

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "services/common/net_address.h"

namespace center::kube {
namespace {

using ::testing::HasSubstr;

// Answers each request of ours with the next of `answers`, byte by byte as they are, and closes its
// connection; keeps it open where the answer is empty. Whoever else connects is let wait.
class TinyServer {
 public:
  explicit TinyServer(std::vector<std::string> answers)
      : listener_(*ListenTcp("127.0.0.1", 0, 8)),
        port_(*LocalPort(listener_.get())),
        answers_(std::move(answers)),
        thread_([this] { Serve(); }) {}
  ~TinyServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }
  // REQUIRES: that many were answered.
  std::string request(size_t index) {
    absl::MutexLock lock(&mutex_);
    return requests_.at(index);
  }

 private:
  struct Peer {
    ScopedFd fd;
    std::string request;
  };

  void Serve() {
    std::vector<Peer> peers;
    for (;;) {
      std::vector<pollfd> waits = {{.fd = listener_.get(), .events = POLLIN}};
      for (const Peer& peer : peers) waits.push_back({.fd = peer.fd.get(), .events = POLLIN});
      if (::poll(waits.data(), waits.size(), -1) < 0) return;
      for (size_t i = peers.size(); i-- > 0;) {
        if (waits[i + 1].revents != 0 && !Read(peers[i])) {
          peers.erase(peers.begin() + static_cast<ptrdiff_t>(i));
        }
      }
      if (waits[0].revents == 0) continue;
      ScopedFd peer(::accept(listener_.get(), nullptr, nullptr));
      if (!peer.valid()) return;
      peers.push_back({std::move(peer), ""});
    }
  }

  // False: the connection is over.
  bool Read(Peer& peer) {
    char buffer[4096];
    const ssize_t size = ::recv(peer.fd.get(), buffer, sizeof buffer, 0);
    if (size <= 0) return false;
    peer.request.append(buffer, static_cast<size_t>(size));
    const bool complete = peer.request.find("\r\n\r\n") != std::string::npos;
    if (!complete || peer.request.find("center-coordinator/") == std::string::npos) return true;
    absl::MutexLock lock(&mutex_);
    requests_.push_back(std::exchange(peer.request, ""));
    if (requests_.size() > answers_.size()) return false;
    const std::string& answer = answers_[requests_.size() - 1];
    if (answer.empty()) return true;
    EXPECT_EQ(::send(peer.fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer.size()));
    return false;
  }

  ScopedFd listener_;
  const uint16_t port_;
  const std::vector<std::string> answers_;
  absl::Mutex mutex_;
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

std::string Http(const std::string& status, const std::string& body,
                 const std::string& header = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\n", header, "Content-Length: ", body.size(),
                      "\r\nConnection: close\r\n\r\n", body);
}

ClusterConfig At(const TinyServer& server) { return {.server = server.url(), .token = "secret"}; }

ReadFileFn NoFiles() {
  return [](const std::string& path) -> absl::StatusOr<std::string> {
    return absl::NotFoundError("open " + path);
  };
}

TEST(CurlTransportTest, CallsCarryTheTokenAndAnswersComeBackWhole) {
  TinyServer server({Http("200 OK", "{\"a\":1}"), Http("404 Not Found", "gone"),
                     Http("429 Too Many", "", "Retry-After: 3\r\n")});
  CurlTransport transport(At(server), NoFiles());
  const auto answer = transport.Call({.target = "/api/v1/x?y=z"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
  EXPECT_EQ(answer->body, "{\"a\":1}");
  EXPECT_THAT(server.request(0), HasSubstr("GET /api/v1/x?y=z HTTP/1.1"));
  EXPECT_THAT(server.request(0), HasSubstr("Authorization: Bearer secret\r\n"));
  EXPECT_EQ(transport.Call({.target = "/"})->code, 404);
  EXPECT_EQ(transport.Call({.target = "/"})->retry_after, absl::Seconds(3));
}

TEST(CurlTransportTest, ChangesCarryTheirBodyAndItsType) {
  TinyServer server({Http("200 OK", "")});
  CurlTransport transport(At(server), NoFiles());
  ASSERT_TRUE(transport
                  .Call({.method = "PATCH",
                         .target = "/s",
                         .body = "{}",
                         .content_type = "application/merge-patch+json"})
                  .ok());
  EXPECT_THAT(server.request(0), HasSubstr("PATCH /s HTTP/1.1"));
  EXPECT_THAT(server.request(0), HasSubstr("Content-Type: application/merge-patch+json"));
}

TEST(CurlTransportTest, ATokenThatWasReplacedIsUsedFromTheNextCallOn) {
  TinyServer server({Http("200 OK", ""), Http("200 OK", "")});
  std::string token = "first\n";
  ClusterConfig config = At(server);
  config.token_file = "/token";
  CurlTransport transport(
      config, [&token](const std::string&) -> absl::StatusOr<std::string> { return token; });
  ASSERT_TRUE(transport.Call({.target = "/"}).ok());
  token = "second";
  ASSERT_TRUE(transport.Call({.target = "/"}).ok());
  EXPECT_THAT(server.request(0), HasSubstr("Bearer first\r\n"));
  EXPECT_THAT(server.request(1), HasSubstr("Bearer second\r\n"));
}

TEST(CurlTransportTest, AStreamComesInPiecesAndEndsWhenItIsEnough) {
  TinyServer server({Http("200 OK", "one\ntwo\nthree\n"), Http("410 Gone", "old")});
  CurlTransport transport(At(server), NoFiles());
  std::string seen;
  bool begun = false;
  const auto answer = transport.Stream({.target = "/w"}, [&](absl::string_view piece) {
    absl::StrAppend(&seen, piece);
    return piece.empty() && !std::exchange(begun, true);
  });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(begun) << "before anything came";
  EXPECT_THAT(seen, HasSubstr("one\n"));
  // What is no success is no part of the stream.
  const auto gone = transport.Stream({.target = "/w"}, [](absl::string_view) { return true; });
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->code, 410);
  EXPECT_EQ(gone->body, "old");
}

TEST(CurlTransportTest, AServerThatIsAwayOrSilentIsToldApart) {
  std::string closed_url;
  {
    TinyServer server({});
    closed_url = server.url();
  }
  CurlTransport nobody({.server = closed_url}, NoFiles());
  EXPECT_TRUE(absl::IsUnavailable(nobody.Call({.target = "/"}).status()));
  TinyServer silent({""});
  CurlTransport transport(At(silent), NoFiles());
  const auto late = transport.Call({.target = "/", .timeout = absl::Milliseconds(100)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
}

TEST(CurlTransportTest, ATokenThatCannotBeReadIsNamed) {
  CurlTransport transport({.server = "http://127.0.0.1:1", .token_file = "/none"}, NoFiles());
  const auto answer = transport.Call({.target = "/"});
  EXPECT_TRUE(absl::IsUnauthenticated(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("/none"));
}

TEST(CurlTransportTest, AnInterruptEndsWhatWaits) {
  TinyServer silent({""});
  CurlTransport transport(At(silent), NoFiles());
  std::thread interrupter([&transport] { transport.Interrupt(); });
  const auto answer = transport.Stream({.target = "/", .timeout = absl::Minutes(10)},
                                       [](absl::string_view) { return true; });
  EXPECT_TRUE(absl::IsCancelled(answer.status())) << answer.status();
  interrupter.join();
}

}  // namespace
}  // namespace center::kube
