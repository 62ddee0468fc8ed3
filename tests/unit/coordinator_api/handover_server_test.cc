#include "services/coordinator/api/handover_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/coordinator_api/posted_tasks.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HandoverServerTest : public testing::Test {
 protected:
  HandoverServerTest() : path_(scratch_.path() + "/h.sock") {
    auto server = HandoverServer::Listen(loop_, path_, [this](Handover handover, int64_t pid) {
      EXPECT_EQ(pid, ::getpid());
      taken_.push_back(handover.worker);
      return absl::OkStatus();
    });
    EXPECT_TRUE(server.ok()) << server.status();
    if (server.ok()) server_ = *std::move(server);
  }

  // Runs the loop until it is so.
  void RunUntil(const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!condition() && absl::Now() < deadline) {
      loop_.context().run_one_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(condition());
  }
  ScopedFd Connect() const {
    ScopedFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  static bool HungUp(const ScopedFd& fd) {
    char byte = 0;
    return ::recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }

  ScratchDir scratch_;
  const std::string path_;
  supervision::EventLoop loop_;
  std::vector<std::string> taken_;
  std::unique_ptr<HandoverServer> server_;
};

TEST_F(HandoverServerTest, EachConnectionBringsOneHandover) {
  ASSERT_TRUE(SendHandover(path_, {.worker = "a/0", .token = "t"}).ok());
  ASSERT_TRUE(SendHandover(path_, {.worker = "a/1", .token = "t"}).ok());
  RunUntil([&] { return taken_.size() == 2; });
  EXPECT_THAT(taken_, ElementsAre("a/0", "a/1"));
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(HandoverServerTest, GarbageIsHungUpOnAndHarmsNobody) {
  const ScopedFd rude = Connect();
  ASSERT_EQ(::send(rude.get(), "garbage", 7, 0), 7);
  RunUntil([&] { return HungUp(rude); });
  ASSERT_TRUE(SendHandover(path_, {.worker = "a/0", .token = "t"}).ok());
  RunUntil([&] { return !taken_.empty(); });
  EXPECT_THAT(taken_, ElementsAre("a/0"));
}

TEST_F(HandoverServerTest, AMessageThatComesLateIsTaken) {
  const ScopedFd slow = Connect();
  RunUntil([&] { return server_->connections() == 1; });
  const std::string text = "center-handover 1\na/7\nt\n";
  ASSERT_EQ(::send(slow.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  RunUntil([&] { return !taken_.empty(); });
  EXPECT_THAT(taken_, ElementsAre("a/7"));
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(HandoverServerTest, SilenceIsNotWaitedForLong) {
  const ScopedFd silent = Connect();
  RunUntil([&] { return server_->connections() == 1; });
  RunUntil([&] { return HungUp(silent); });
  EXPECT_EQ(server_->connections(), 0u);
  EXPECT_THAT(taken_, IsEmpty());
}

TEST_F(HandoverServerTest, OfTooManyTheOldestIsHungUpOn) {
  std::vector<ScopedFd> silent;
  for (size_t i = 0; i < HandoverServer::kConnectionsMax; ++i) silent.push_back(Connect());
  RunUntil([&] { return server_->connections() == HandoverServer::kConnectionsMax; });
  const ScopedFd one_more = Connect();
  RunUntil([&] { return HungUp(silent.front()); });
  EXPECT_LE(server_->connections(), HandoverServer::kConnectionsMax);
  ASSERT_TRUE(SendHandover(path_, {.worker = "a/0", .token = "t"}).ok());
  RunUntil([&] { return !taken_.empty(); });
}

TEST_F(HandoverServerTest, ItCanGoWhileConnectionsAreOpen) {
  const ScopedFd silent = Connect();
  RunUntil([&] { return server_->connections() == 1; });
  server_.reset();
  RunUntil([&] { return HungUp(silent); });
}

}  // namespace
}  // namespace center::coordinator
