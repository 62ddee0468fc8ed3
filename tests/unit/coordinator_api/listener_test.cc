#include "services/coordinator/api/listener.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "tests/unit/coordinator_api/posted_tasks.h"

namespace center::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Takes the right to listen below 1024 from this thread (root has it), for good.
void DropBindPrivilege() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(::syscall(SYS_capget, &header, data), 0);
  data[0].effective &= ~(1u << CAP_NET_BIND_SERVICE);
  ASSERT_EQ(::syscall(SYS_capset, &header, data), 0);
}

class ListenerTest : public testing::Test {
 protected:
  using Result = absl::StatusOr<ScopedFd>;

  // The answer, or nothing as long as there is none.
  void Listen(const std::string& host, uint16_t port) {
    answer_.reset();
    listener_.Listen(host, port, [this](Result result) {
      EXPECT_FALSE(answer_.has_value()) << "answered twice";
      answer_ = std::move(result);
    });
  }
  Result ListenAtOnce(const std::string& host, uint16_t port) {
    Listen(host, port);
    EXPECT_TRUE(answer_.has_value()) << host;
    EXPECT_EQ(posted_.size(), 0u);
    return answer_.has_value() ? *std::move(answer_) : absl::UnknownError("no answer");
  }

  PostedTasks posted_;
  absl::optional<Result> answer_;
  Listener listener_{posted_.poster()};
};

TEST_F(ListenerTest, PortZeroIsAnyFreePort) {
  const Result first = ListenAtOnce("127.0.0.1", 0);
  const Result second = ListenAtOnce("127.0.0.1", 0);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  const uint16_t port = *LocalPort(first->get());
  EXPECT_NE(port, 0);
  EXPECT_NE(port, *LocalPort(second->get()));
  EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
}

TEST_F(ListenerTest, TheSocketIsReadyForWorkers) {
  const Result socket = ListenAtOnce("127.0.0.1", 0);
  ASSERT_TRUE(socket.ok());
  EXPECT_NE(::fcntl(socket->get(), F_GETFD) & FD_CLOEXEC, 0) << "handed over on purpose only";
  EXPECT_NE(::fcntl(socket->get(), F_GETFL) & O_NONBLOCK, 0);
  int listens = 0;
  socklen_t length = sizeof listens;
  ASSERT_EQ(::getsockopt(socket->get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length), 0);
  EXPECT_EQ(listens, 1);
}

TEST_F(ListenerTest, ATakenPortIsSaidWithItsAddress) {
  const Result taken = ListenAtOnce("127.0.0.1", 0);
  ASSERT_TRUE(taken.ok());
  const uint16_t port = *LocalPort(taken->get());
  const Result refused = ListenAtOnce("127.0.0.1", port);
  ASSERT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()),
              AllOf(HasSubstr(absl::StrCat("127.0.0.1:", port)), HasSubstr("in use")));
}

TEST_F(ListenerTest, APortIsFreeAgainWhenItsSocketIsClosedEvenAfterConnections) {
  Result first = ListenAtOnce("127.0.0.1", 0);
  ASSERT_TRUE(first.ok());
  const uint16_t port = *LocalPort(first->get());
  {
    auto client = ConnectTcp("127.0.0.1", port);
    ASSERT_TRUE(client.ok());
    const ScopedFd served(::accept(first->get(), nullptr, nullptr));
    ASSERT_TRUE(served.valid());
  }  // our side closed first: it is in TIME_WAIT now
  first->Reset();
  EXPECT_TRUE(ListenAtOnce("127.0.0.1", port).ok());
}

TEST_F(ListenerTest, APortThatNeedsAPrivilegeIsRefusedWithoutIt) {
  auto start = ReadSmallFile("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  ASSERT_TRUE(start.ok()) << start.status();
  int unprivileged = 0;
  ASSERT_TRUE(absl::SimpleAtoi(*start, &unprivileged));
  std::thread([this, unprivileged] {
    DropBindPrivilege();
    const absl::Status status = ListenAtOnce("127.0.0.1", 1).status();
    if (unprivileged > 1) {
      EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:1"));
    } else {
      // This machine lets everybody listen everywhere.
      EXPECT_FALSE(absl::IsPermissionDenied(status)) << status;
    }
  }).join();
}

TEST_F(ListenerTest, LocalhostIsBoundAtOnce) {
  const Result socket = ListenAtOnce("localhost", 0);
  EXPECT_TRUE(socket.ok()) << socket.status();
}

TEST_F(ListenerTest, ANameIsLookedUpElsewhereAndAnsweredOnTheControlThread) {
  Listen("127.1", 0);  // no address literal, but the resolver knows it
  EXPECT_FALSE(answer_.has_value());
  ASSERT_TRUE(posted_.RunOne());
  ASSERT_TRUE(answer_.has_value());
  ASSERT_TRUE(answer_->ok()) << answer_->status();
  EXPECT_TRUE(ConnectTcp("127.0.0.1", *LocalPort((*answer_)->get())).ok());
}

TEST_F(ListenerTest, AHostThatDoesNotResolveIsNamed) {
  Listen("no..such..host", 0);
  ASSERT_TRUE(posted_.RunOne());
  ASSERT_TRUE(answer_.has_value());
  EXPECT_TRUE(absl::IsNotFound(answer_->status())) << answer_->status();
  EXPECT_THAT(std::string(answer_->status().message()), HasSubstr("'no..such..host'"));
}

}  // namespace
}  // namespace center::coordinator
