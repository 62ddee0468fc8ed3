#include "services/worker/api/inherited_fds.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/common/scoreboard.h"

namespace center::worker {
namespace {

using ::testing::HasSubstr;

constexpr int kFirstFd = 3;
constexpr int kFdsMax = 4;  // that a test hands down
constexpr int kAside = 100;

// Makes this process look like one that has just been started with descriptors from 3 on. What it
// had there itself is put aside for the time of the test.
class InheritedFdsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int fd = kFirstFd; fd < kFirstFd + kFdsMax; ++fd) {
      const int aside = ::fcntl(fd, F_DUPFD_CLOEXEC, kAside);
      if (aside < 0) continue;
      aside_[fd] = aside;
      ::close(fd);
    }
  }
  void TearDown() override {
    for (int fd = kFirstFd; fd < kFirstFd + kFdsMax; ++fd) ::close(fd);
    for (const auto& [fd, aside] : aside_) {
      ::dup2(aside, fd);
      ::close(aside);
    }
    for (const char* name : kVariables) ::unsetenv(name);
  }

  void HandDown(const std::vector<int>& fds) {
    // First out of the way of what they become.
    std::vector<ScopedFd> moved;
    for (const int fd : fds) {
      moved.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, kAside));
      ::close(fd);
    }
    for (size_t i = 0; i < moved.size(); ++i) {
      ASSERT_EQ(::dup2(moved[i].get(), kFirstFd + static_cast<int>(i)),
                kFirstFd + static_cast<int>(i));
    }
    Set("LISTEN_FDS", absl::StrCat(fds.size()));
    Set("LISTEN_PID", absl::StrCat(::getpid()));
  }
  static void Set(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), /*overwrite=*/1);
  }
  static int Listener() { return ListenTcp("127.0.0.1", 0, 8)->Release(); }
  static int Board() { return Scoreboard::CreateMemfd()->Release(); }
  static bool IsCloexec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }
  static bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
  static absl::Status StatusOf() { return TakeInheritedFds().status(); }

  static constexpr const char* kVariables[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};

 private:
  std::map<int, int> aside_;
};

TEST_F(InheritedFdsTest, NoVariablesAreNoDescriptors) {
  const auto fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_FALSE(fds->listener.valid());
  EXPECT_FALSE(fds->scoreboard.valid());
}

TEST_F(InheritedFdsTest, ListenerAndScoreboardAreFoundByName) {
  for (const bool listener_first : {true, false}) {
    HandDown(listener_first ? std::vector<int>{Listener(), Board()}
                            : std::vector<int>{Board(), Listener()});
    Set("LISTEN_FDNAMES", listener_first ? "listen:scoreboard" : "scoreboard:listen");
    const auto fds = TakeInheritedFds();
    ASSERT_TRUE(fds.ok()) << fds.status();
    EXPECT_EQ(fds->listener.get(), listener_first ? 3 : 4);
    EXPECT_EQ(fds->scoreboard.get(), listener_first ? 4 : 3);
    EXPECT_TRUE(IsCloexec(3) && IsCloexec(4)) << "a child of ours must not get them";
    EXPECT_TRUE(Scoreboard::Map(fds->scoreboard.get()).ok());
    EXPECT_GT(LocalPort(fds->listener.get()).value_or(0), 0);
  }
}

TEST_F(InheritedFdsTest, ThePipesOfOurOwnOutputAreKept) {
  int out[2] = {-1, -1};
  int err[2] = {-1, -1};
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(err, O_CLOEXEC), 0);
  const ScopedFd out_write(::fcntl(out[1], F_DUPFD_CLOEXEC, kAside));
  ::close(out[1]);
  ::close(err[1]);
  HandDown({Listener(), Board(), out[0], err[0]});
  Set("LISTEN_FDNAMES", "listen:scoreboard:stdout:stderr");
  const auto fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_EQ(fds->stdout_pipe.get(), 5);
  EXPECT_EQ(fds->stderr_pipe.get(), 6);
  EXPECT_TRUE(IsCloexec(5) && IsCloexec(6));
  ASSERT_EQ(::write(out_write.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(fds->stdout_pipe.get(), &byte, 1), 1);
}

TEST_F(InheritedFdsTest, WhatIsNoPipeIsNotTakenForOutput) {
  HandDown({Listener(), Board()});
  Set("LISTEN_FDNAMES", "listen:stderr");
  EXPECT_TRUE(absl::IsFailedPrecondition(StatusOf()));
}

TEST_F(InheritedFdsTest, ASystemdSocketUnitNeedsNoNames) {
  HandDown({Listener()});
  auto fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_EQ(fds->listener.get(), 3);
  HandDown({Listener()});
  Set("LISTEN_FDNAMES", "center.socket");
  fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_EQ(fds->listener.get(), 3);
}

TEST_F(InheritedFdsTest, WithoutLISTEN_PIDTheyAreOurs) {
  HandDown({Listener()});
  ::unsetenv("LISTEN_PID");
  const auto fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_TRUE(fds->listener.valid());
}

TEST_F(InheritedFdsTest, AnotherProcessesDescriptorsAreLeftAlone) {
  HandDown({Listener()});
  Set("LISTEN_PID", absl::StrCat(::getpid() + 1));
  const auto fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_FALSE(fds->listener.valid());
  EXPECT_TRUE(IsOpen(3));
  EXPECT_FALSE(IsCloexec(3));
}

TEST_F(InheritedFdsTest, TheVariablesAreGoneAfterwards) {
  HandDown({Listener()});
  Set("LISTEN_FDNAMES", "listen");
  ASSERT_TRUE(StatusOf().ok());
  for (const char* name : kVariables) EXPECT_EQ(::getenv(name), nullptr) << name;
  EXPECT_FALSE(TakeInheritedFds()->listener.valid()) << "nothing is taken twice";
}

TEST_F(InheritedFdsTest, ACountThatIsNoneIsRefused) {
  for (const char* count : {"one", "-1", "17", "1x", "99999999999"}) {
    Set("LISTEN_FDS", count);
    const absl::Status status = StatusOf();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << count;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("LISTEN_FDS=", count)));
  }
  Set("LISTEN_FDS", "0");
  EXPECT_TRUE(StatusOf().ok());
}

TEST_F(InheritedFdsTest, TwoListenersAreOneTooMany) {
  HandDown({Listener(), Listener()});
  const absl::Status status = StatusOf();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than one listening socket"));
  EXPECT_FALSE(IsOpen(3));
}

TEST_F(InheritedFdsTest, WhatDoesNotListenIsRefused) {
  const auto expect_refused = [](absl::string_view what) {
    const absl::Status status = StatusOf();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << what;
    EXPECT_THAT(std::string(status.message()), HasSubstr("descriptor 3 (listen) is no listening"))
        << what;
  };
  HandDown({::open("/dev/null", O_RDONLY)});
  Set("LISTEN_FDNAMES", "listen");
  expect_refused("a file");
  HandDown({::socket(AF_INET, SOCK_STREAM, 0)});
  Set("LISTEN_FDNAMES", "listen");
  expect_refused("a socket that was not told to listen");
  HandDown({::socket(AF_INET, SOCK_DGRAM, 0)});
  Set("LISTEN_FDNAMES", "listen");
  expect_refused("a datagram socket");
}

TEST_F(InheritedFdsTest, ADescriptorThatIsNotThereIsRefused) {
  Set("LISTEN_FDS", "1");
  Set("LISTEN_FDNAMES", "listen");
  const absl::Status status = StatusOf();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("inherited descriptor 3 (listen)"));
}

TEST_F(InheritedFdsTest, AScoreboardAloneIsNoListener) {
  HandDown({Board()});
  Set("LISTEN_FDNAMES", "scoreboard");
  const auto fds = TakeInheritedFds();
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_FALSE(fds->listener.valid());
  EXPECT_EQ(fds->scoreboard.get(), 3);
}

}  // namespace
}  // namespace center::worker
