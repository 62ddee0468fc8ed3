#include "services/client/load/load.h"

#include <poll.h>
#include <sys/socket.h>

#include <asio/io_context.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "services/common/net_address.h"

namespace center::client {
namespace {

using ::testing::HasSubstr;

// A server that the test drives by hand, beside the load's event loop.
class LoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = ListenTcp("127.0.0.1", 0, 64);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    auto port = LocalPort(listener_.get());
    ASSERT_TRUE(port.ok());
    options_.target.host = "127.0.0.1";
    options_.target.port = *port;
    options_.pace = PaceKind::kUnlimited;
    options_.backoff_min = std::chrono::milliseconds(1);
    options_.backoff_max = std::chrono::milliseconds(2);
  }

  void TearDown() override {
    if (load_ == nullptr) return;
    load_->Stop(/*now=*/true);
    RunUntil([this] { return ended_; });
    EXPECT_TRUE(ended_);
  }

  void Start() {
    load_ = std::make_unique<Load>(io_, options_);
    load_->Start([this] { ended_ = true; }, [this] { ++tried_; });
  }

  // Turns the loop until the condition holds, for at most 30 s.
  template <typename Condition>
  bool RunUntil(Condition&& condition) {
    const SteadyTime give_up = RealClock().Steady() + std::chrono::seconds(30);
    while (!condition()) {
      if (RealClock().Steady() > give_up) return false;
      io_.restart();
      io_.run_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  ScopedFd Accept() {
    ScopedFd accepted;
    EXPECT_TRUE(RunUntil([&] {
      accepted = ScopedFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return accepted.valid();
    }));
    return accepted;
  }

  // Everything until the load's end of the stream.
  std::string ReadToEnd(const ScopedFd& socket) {
    std::string all;
    EXPECT_TRUE(RunUntil([&] {
      char buffer[4096];
      const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got > 0) all.append(buffer, static_cast<size_t>(got));
      return got == 0;
    }));
    return all;
  }

  asio::io_context io_;
  ScopedFd listener_;
  LoadOptions options_;
  std::unique_ptr<Load> load_;
  bool ended_ = false;
  int tried_ = 0;
};

TEST_F(LoadTest, SendsItsCountAndEndsInOrder) {
  options_.count = 3;
  Start();
  ScopedFd socket = Accept();
  EXPECT_EQ(ReadToEnd(socket), "JSON|{\"proto_cnt\": 1}\nSTRING|2\nJSON|{\"proto_cnt\": 3}\n");
  EXPECT_FALSE(ended_);  // the server has not closed yet
  EXPECT_EQ(load_->stats().payloads_acknowledged, 0u);
  socket.Reset();
  EXPECT_TRUE(RunUntil([this] { return ended_; }));
  EXPECT_EQ(load_->stats().payloads_sent, 3u);
  EXPECT_EQ(load_->stats().payloads_acknowledged, 3u);
  EXPECT_EQ(load_->stats().errors, 0u);
  EXPECT_EQ(load_->stats().connections, 0u);
}

TEST_F(LoadTest, TheCountIsThatOfAllConnections) {
  options_.count = 5;
  options_.connections = 3;
  options_.payloads.json = 0;
  Start();
  std::vector<ScopedFd> sockets;
  for (int i = 0; i < 3; ++i) sockets.push_back(Accept());
  std::string all;
  for (const ScopedFd& socket : sockets) all += ReadToEnd(socket);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 5);
  sockets.clear();
  EXPECT_TRUE(RunUntil([this] { return ended_; }));
  EXPECT_EQ(load_->stats().payloads_acknowledged, 5u);
}

TEST_F(LoadTest, ABrokenConnectionIsAnErrorAndIsMadeAgain) {
  options_.pace = PaceKind::kInterval;
  options_.interval = std::chrono::milliseconds(1);
  Start();
  ScopedFd first = Accept();
  // The kernel connects before the load has noticed.
  ASSERT_TRUE(RunUntil([this] { return load_->stats().connections == 1; }));
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(first.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  first.Reset();
  const ScopedFd second = Accept();
  EXPECT_TRUE(RunUntil([this] { return load_->stats().reconnects == 1; }));
  EXPECT_EQ(load_->stats().errors, 1u);
  EXPECT_THAT(load_->stats().last_error, HasSubstr("broke"));
  EXPECT_EQ(load_->stats().payloads_acknowledged, 0u);
}

TEST_F(LoadTest, AServerThatEndsFirstAndReadsAllIsNoError) {
  options_.pace = PaceKind::kInterval;
  options_.interval = std::chrono::milliseconds(1);
  Start();
  ScopedFd first = Accept();
  ASSERT_EQ(::shutdown(first.get(), SHUT_WR), 0);
  const std::string got = ReadToEnd(first);
  first.Reset();
  const ScopedFd second = Accept();
  const auto lines = static_cast<uint64_t>(std::count(got.begin(), got.end(), '\n'));
  EXPECT_EQ(load_->stats().payloads_acknowledged, lines);
  EXPECT_EQ(load_->stats().errors, 0u);
}

TEST_F(LoadTest, NobodyThereIsAnErrorUntilSomebodyIs) {
  listener_.Reset();
  Start();
  EXPECT_TRUE(RunUntil([this] { return load_->stats().errors >= 2; }));
  EXPECT_EQ(tried_, 1) << "a refusal is an answer";
  EXPECT_THAT(load_->stats().last_error, HasSubstr("cannot connect to 127.0.0.1:"));
}

TEST_F(LoadTest, WhenAllHaveBeenTriedIsToldOnce) {
  options_.connections = 2;
  Start();
  EXPECT_EQ(tried_, 0);
  EXPECT_TRUE(RunUntil([this] { return tried_ > 0; }));
  EXPECT_EQ(load_->stats().connections, 2u);
  EXPECT_EQ(tried_, 1);
}

TEST_F(LoadTest, ATargetThatHasMovedIsFoundWithoutWaitingForTheBackoff) {
  const uint16_t port = options_.target.port;
  options_.target.port = 1;  // nobody listens there
  options_.backoff_min = options_.backoff_max = std::chrono::hours(1);
  options_.count = 2;
  Start();
  ASSERT_TRUE(RunUntil([this] { return load_->stats().errors == 1; }));
  load_->SetTarget({.host = "127.0.0.1", .port = port, .framing = Framing::kOctet});
  ScopedFd socket = Accept();
  EXPECT_EQ(ReadToEnd(socket), "21 JSON|{\"proto_cnt\": 1}8 STRING|2");
  EXPECT_TRUE(RunUntil([this] { return load_->stats().reconnects == 1; }));
}

TEST_F(LoadTest, AnOpenConnectionKeepsItsFraming) {
  options_.count = 2;
  options_.pace = PaceKind::kRate;
  options_.rate = 100;
  options_.payloads.json = 0;
  Start();
  ScopedFd socket = Accept();
  ASSERT_TRUE(RunUntil([this] { return load_->stats().payloads_sent >= 1; }));
  LoadTarget octets = options_.target;
  octets.framing = Framing::kOctet;
  load_->SetTarget(octets);
  EXPECT_EQ(ReadToEnd(socket), "STRING|1\nSTRING|2\n");
}

TEST_F(LoadTest, RenewEndsWhatIsOpenInOrderAndConnectsAnewAtOnce) {
  options_.pace = PaceKind::kInterval;
  options_.interval = std::chrono::hours(1);
  options_.backoff_min = options_.backoff_max = std::chrono::hours(1);
  Start();
  ScopedFd first = Accept();
  ASSERT_TRUE(RunUntil([this] { return load_->stats().payloads_sent == 1; }));
  load_->Renew();
  EXPECT_EQ(ReadToEnd(first), "JSON|{\"proto_cnt\": 1}\n");
  first.Reset();
  const ScopedFd second = Accept();
  EXPECT_TRUE(RunUntil([this] { return load_->stats().connections == 1; }));
  EXPECT_EQ(load_->stats().payloads_acknowledged, 1u);
  EXPECT_EQ(load_->stats().errors, 0u);
  EXPECT_EQ(load_->stats().reconnects, 0u) << "nothing had broken";
}

TEST_F(LoadTest, HoldEndsWhatIsOpenAndMakesNothingUntilItIsOver) {
  options_.backoff_min = options_.backoff_max = std::chrono::hours(1);
  Start();
  ScopedFd first = Accept();
  ASSERT_TRUE(RunUntil([this] { return load_->stats().payloads_sent > 0; }));
  load_->Hold(true);
  ReadToEnd(first);
  first.Reset();
  ASSERT_TRUE(RunUntil([this] { return load_->stats().connections == 0; }));
  EXPECT_EQ(load_->stats().payloads_acknowledged, load_->stats().payloads_sent);
  // Everything that is ready has been done, and nobody has connected.
  for (int turn = 0; turn < 3; ++turn) {
    io_.restart();
    io_.run_for(std::chrono::milliseconds(1));
  }
  pollfd waiting{listener_.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 0);
  load_->Hold(false);
  const ScopedFd second = Accept();
  EXPECT_EQ(load_->stats().errors, 0u);
}

TEST_F(LoadTest, StopEndsOneThatIsHeld) {
  Start();
  ScopedFd first = Accept();
  load_->Hold(true);
  ReadToEnd(first);
  first.Reset();
  load_->Stop(/*now=*/false);
  EXPECT_TRUE(RunUntil([this] { return ended_; }));
}

TEST_F(LoadTest, StopEndsInOrderAndStopNowAtOnce) {
  options_.pace = PaceKind::kInterval;
  options_.interval = std::chrono::hours(1);
  Start();
  ScopedFd socket = Accept();
  EXPECT_TRUE(RunUntil([this] { return load_->stats().payloads_sent == 1; }));
  load_->Stop(/*now=*/false);
  EXPECT_EQ(ReadToEnd(socket), "JSON|{\"proto_cnt\": 1}\n");
  EXPECT_FALSE(ended_);
  load_->Stop(/*now=*/true);
  EXPECT_TRUE(RunUntil([this] { return ended_; }));
  EXPECT_EQ(load_->stats().payloads_acknowledged, 0u);
}

TEST_F(LoadTest, AServerThatDoesNotReadIsGivenUpAfterTheDrainTimeout) {
  options_.drain_timeout = std::chrono::milliseconds(20);
  Start();
  const ScopedFd socket = Accept();  // never read
  EXPECT_TRUE(RunUntil([this] { return load_->stats().payloads_sent > 0; }));
  load_->Stop(/*now=*/false);
  EXPECT_TRUE(RunUntil([this] { return ended_; }));
  EXPECT_EQ(load_->stats().payloads_acknowledged, 0u);
}

}  // namespace
}  // namespace center::client
