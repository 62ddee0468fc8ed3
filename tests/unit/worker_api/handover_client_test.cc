#include "services/worker/api/handover_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/common/scoreboard.h"
#include "tests/unit/common/scratch_dir.h"

namespace center::worker {
namespace {

class HandoverClientTest : public ::testing::Test {
 protected:
  HandoverClientTest() {
    fds_.listener = *ListenTcp("127.0.0.1", 0, 8);
    fds_.scoreboard = *Scoreboard::CreateMemfd();
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    fds_.stdout_pipe.Reset(ends[0]);
    out_write_.Reset(ends[1]);
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    fds_.stderr_pipe.Reset(ends[0]);
    err_write_.Reset(ends[1]);
    client_.emplace(*HandoverClient::Create("web/3", "secret", fds_));
  }
  void Listen() { listening_ = *ListenHandover(path_); }
  // What has been brought; nothing when nobody has come.
  absl::optional<Handover> Brought() const {
    const ScopedFd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) return absl::nullopt;
    auto handover = ReceiveHandover(socket.get());
    EXPECT_TRUE(handover.ok()) << handover.status();
    if (!handover.ok()) return absl::nullopt;
    return *std::move(handover);
  }

  ScratchDir scratch_;
  const std::string path_ = scratch_.path() + "/h.sock";
  InheritedFds fds_;
  ScopedFd out_write_;
  ScopedFd err_write_;
  ScopedFd listening_;
  absl::optional<HandoverClient> client_;
};

TEST_F(HandoverClientTest, BringsCopiesToWhoAsksAgainAndAgain) {
  Listen();
  fds_ = InheritedFds();  // the ingest server has taken its own, and may close it
  for (int coordinator = 0; coordinator < 2; ++coordinator) {
    client_->Ask(path_);
    const auto brought = Brought();
    ASSERT_TRUE(brought.has_value());
    EXPECT_EQ(brought->worker, "web/3");
    EXPECT_EQ(brought->token, "secret");
    EXPECT_TRUE(*IsListeningSocket(brought->listener.get()));
    EXPECT_TRUE(Scoreboard::Map(brought->scoreboard.get()).ok());
    EXPECT_TRUE(IsPipeReadEnd(brought->stdout_pipe.get()));
    EXPECT_TRUE(IsPipeReadEnd(brought->stderr_pipe.get()));
  }
  client_->Tick();
  EXPECT_FALSE(Brought().has_value()) << "nobody has asked";
}

TEST_F(HandoverClientTest, TriesAgainWhileNobodyListensYet) {
  client_->Ask(path_);
  client_->Tick();
  Listen();
  EXPECT_FALSE(Brought().has_value());
  client_->Tick();
  EXPECT_TRUE(Brought().has_value());
}

TEST_F(HandoverClientTest, DoesNotTryForEver) {
  client_->Ask(path_);
  for (int i = 0; i < HandoverClient::kAttemptsMax; ++i) client_->Tick();
  Listen();
  client_->Tick();
  EXPECT_FALSE(Brought().has_value());
  client_->Ask(path_);
  EXPECT_TRUE(Brought().has_value());
}

TEST_F(HandoverClientTest, ASocketThatWasShutDownIsNothingToBring) {
  EXPECT_TRUE(client_->CanBringListener());
  ASSERT_EQ(::shutdown(fds_.listener.get(), SHUT_RDWR), 0);
  EXPECT_FALSE(client_->CanBringListener());
}

TEST_F(HandoverClientTest, AWorkerThatDrainsKeepsNoSocketOpen) {
  EXPECT_TRUE(client_->CanBringListener());
  Listen();
  const uint16_t port = *LocalPort(fds_.listener.get());
  fds_.listener.Reset();
  client_->DropListener();
  EXPECT_FALSE(client_->CanBringListener());
  EXPECT_TRUE(absl::IsUnavailable(ConnectTcp("127.0.0.1", port).status()));
  client_->Ask(path_);
  const auto brought = Brought();
  ASSERT_TRUE(brought.has_value());
  EXPECT_FALSE(brought->listener.valid());
  EXPECT_TRUE(brought->stdout_pipe.valid());
}

TEST_F(HandoverClientTest, OutputThatNobodyReadsIsDroppedInsteadOfWaitedFor) {
  const int saved = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  ASSERT_GE(saved, 0);
  ASSERT_EQ(::dup2(out_write_.get(), STDOUT_FILENO), STDOUT_FILENO);
  InheritedFds only_stdout;
  only_stdout.stdout_pipe = ScopedFd(::dup(fds_.stdout_pipe.get()));
  NeverWaitForOutput(only_stdout);
  const std::string line(1000, 'x');
  bool dropped = false;
  for (int i = 0; i < 2000 && !dropped; ++i) {
    dropped = ::write(STDOUT_FILENO, line.data(), line.size()) < 0 && errno == EAGAIN;
  }
  const int err_flags = ::fcntl(STDERR_FILENO, F_GETFL);
  ASSERT_EQ(::dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
  ::close(saved);
  EXPECT_TRUE(dropped);
  EXPECT_EQ(err_flags & O_NONBLOCK, 0) << "not ours to change";
}

}  // namespace
}  // namespace center::worker
