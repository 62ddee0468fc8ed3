// Producer connections against a plain TCP server.
#include "cli/tcp.h"

#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/tcp_sink.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class TcpTest : public CliTest {
 protected:
  TcpTest() : coordinator_(dir_.path()) {
    context_ = MakeContext({.address = coordinator_.address()});
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("games");
    server.set_state(v1::SERVER_STATE_RUNNING);
    server.set_address("127.0.0.1:5001");
  }
  // A port on which nobody listens any more.
  static Target DeadTarget() { return TcpSink().target(); }

  FakeCoordinator coordinator_;
  std::unique_ptr<Context> context_;
};

TEST_F(TcpTest, AnAddressNeedsNoCoordinator) {
  coordinator_.Down();
  const auto target = ResolveTarget(*context_, "localhost:5000");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->host, "localhost");
  EXPECT_EQ(target->port, 5000);
  EXPECT_FALSE(target->server.has_value());
  EXPECT_EQ(target->ToString(), "localhost:5000");
  EXPECT_EQ(ResolveTarget(*context_, "[::1]:5000")->host, "::1");
}

TEST_F(TcpTest, ANameIsLookedUp) {
  const auto target = ResolveTarget(*context_, "games");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->host, "127.0.0.1");
  EXPECT_EQ(target->port, 5001);
  EXPECT_EQ(target->ToString(), "server games at 127.0.0.1:5001");
}

TEST_F(TcpTest, AStoppedServerIsNotRunningAndTheHintStartsIt) {
  coordinator_.servers.servers[0].set_state(v1::SERVER_STATE_STOPPED);
  const auto target = ResolveTarget(*context_, "games");
  EXPECT_EQ(ExitCodeOf(target.status()), kExitNotRunning);
  EXPECT_EQ(Explain(target.status()),
            "server games is stopped\n  `centerctl server start games` starts it again.");
}

TEST_F(TcpTest, AnUnknownNameIsTheCoordinatorsAnswer) {
  EXPECT_EQ(ExitCodeOf(ResolveTarget(*context_, "nosuch").status()), 64 + 5);
}

TEST_F(TcpTest, WhatIsNeitherAddressNorNameIsAUsageError) {
  for (const char* text : {"unix:/tmp/x", "host:", "host:port", "1.2.3.4:99999", "a:b:c"}) {
    EXPECT_EQ(ExitCodeOf(ResolveTarget(*context_, text).status()), kExitUsage) << text;
  }
}

TEST_F(TcpTest, NobodyListeningIsNotRunning) {
  const auto fd = ConnectToTarget(DeadTarget());
  EXPECT_EQ(ExitCodeOf(fd.status()), kExitNotRunning);
  EXPECT_THAT(Explain(fd.status()),
              AllOf(HasSubstr("nobody listens at 127.0.0.1:"), HasSubstr("server list")));
}

TEST_F(TcpTest, EverythingArrivesAndTheEndIsWaitedFor) {
  const TcpSink sink(TcpSink::Manner::kReadAll, "a banner\n");
  std::string data;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&data, "line ", i, "\n");
  const auto fd = ConnectToTarget(sink.target());
  ASSERT_TRUE(fd.ok()) << fd.status();
  ASSERT_TRUE(SendAll(fd->get(), data, sink.target()).ok());
  ASSERT_TRUE(FinishSending(fd->get(), absl::Seconds(30), sink.target()).ok());
  EXPECT_TRUE(sink.all_received() == data) << "everything was read when it returns";
}

TEST_F(TcpTest, AServerThatDoesNotCloseIsGivenUp) {
  const TcpSink sink(TcpSink::Manner::kNeverClose);
  const auto fd = ConnectToTarget(sink.target());
  ASSERT_TRUE(fd.ok()) << fd.status();
  ASSERT_TRUE(SendAll(fd->get(), "x\n", sink.target()).ok());
  const absl::Status finished = FinishSending(fd->get(), absl::Milliseconds(30), sink.target());
  EXPECT_TRUE(absl::IsDeadlineExceeded(finished)) << finished;
  EXPECT_THAT(Explain(finished), AllOf(HasSubstr("within 30ms"), HasSubstr("worker list")));
}

TEST_F(TcpTest, AConnectionThatTheServerBreaksIsSaid) {
  const TcpSink sink(TcpSink::Manner::kReset);
  const auto fd = ConnectToTarget(sink.target());
  ASSERT_TRUE(fd.ok()) << fd.status();
  const std::string block(1 << 20, 'x');
  absl::Status status;
  while (status.ok()) status = SendAll(fd->get(), block, sink.target());
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_EQ(ExitCodeOf(status), kExitFailure);
  EXPECT_THAT(Explain(status), AllOf(HasSubstr(sink.address()), HasSubstr("closed the connection"),
                                     HasSubstr("`centerctl events` says why")));
}

TEST_F(TcpTest, AnEndBeforeEverythingWasTakenIsNoSuccess) {
  const auto listener = ListenTcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(listener.ok());
  const int small = 4096;
  ASSERT_EQ(setsockopt(listener->get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  const Target target{.host = "127.0.0.1", .port = *LocalPort(listener->get())};
  const auto fd = ConnectToTarget(target);
  ASSERT_TRUE(fd.ok()) << fd.status();
  const ScopedFd peer(accept(listener->get(), nullptr, nullptr));
  ASSERT_TRUE(peer.valid());
  // More than the peer's window, less than what a send takes without waiting.
  ASSERT_TRUE(SendAll(fd->get(), std::string(64 << 10, 'x'), target).ok());
  ASSERT_EQ(shutdown(peer.get(), SHUT_WR), 0);
  const absl::Status finished = FinishSending(fd->get(), absl::Seconds(30), target);
  EXPECT_TRUE(absl::IsAborted(finished)) << finished;
}

std::string Frame(v1::Framing framing, absl::string_view payload) {
  std::string out = "before";
  AppendFrame(ToFraming(framing), payload, &out);
  return out.substr(6);
}

TEST(AppendFrameTest, EachFramingAsItsServersReadIt) {
  EXPECT_EQ(Frame(v1::FRAMING_LINE, "hello"), "hello\n");
  EXPECT_EQ(Frame(v1::FRAMING_UNSPECIFIED, "hello"), "hello\n");
  EXPECT_EQ(Frame(v1::FRAMING_LENGTH, "hello"), std::string("\0\0\0\5hello", 9));
  EXPECT_EQ(Frame(v1::FRAMING_LENGTH, ""), std::string(4, '\0'));
  EXPECT_EQ(Frame(v1::FRAMING_LENGTH, std::string(0x010203, 'x')).substr(0, 4),
            std::string("\0\1\2\3", 4));
  EXPECT_EQ(Frame(v1::FRAMING_OCTET, "hello world"), "11 hello world");
  EXPECT_EQ(Frame(v1::FRAMING_CHUNK, "hello"), "hello");
}

}  // namespace
}  // namespace center::cli
