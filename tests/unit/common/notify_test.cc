#include "services/common/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "services/common/scoreboard.h"

namespace center {
namespace {

using testing::HasSubstr;

// The service manager's end.
class Listener {
 public:
  explicit Listener(const std::string& name) {
    fd_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const size_t length = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '@' ? 0 : 1);
    EXPECT_EQ(
        ::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length)),
        0);
  }
  // The next message; "" when there is none.
  std::string Next() const {
    char text[4096];
    const ssize_t size = ::recv(fd_.get(), text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

 private:
  ScopedFd fd_;
};

class NotifyTest : public testing::Test {
 protected:
  NotifyTest() {
    std::string name = testing::TempDir() + "/notify.XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~NotifyTest() override {
    std::filesystem::remove_all(folder_);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  static void Set(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), /*overwrite=*/1);
  }

  std::string folder_;
};

TEST_F(NotifyTest, WithoutASocketNothingIsSaid) {
  ::unsetenv("NOTIFY_SOCKET");
  const Notifier notifier = Notifier::FromEnvironment();
  EXPECT_FALSE(notifier.active());
  EXPECT_TRUE(notifier.Ready("up").ok());
}

TEST_F(NotifyTest, EveryStateIsADatagram) {
  const std::string path = folder_ + "/n.sock";
  const Listener manager(path);
  Set("NOTIFY_SOCKET", path);
  const Notifier notifier = Notifier::FromEnvironment();
  EXPECT_TRUE(notifier.active());
  ASSERT_TRUE(notifier.Ready("2 servers").ok());
  EXPECT_EQ(manager.Next(), absl::StrCat("READY=1\nMAINPID=", ::getpid(), "\nSTATUS=2 servers"));
  ASSERT_TRUE(notifier.Status("two\nlines").ok());
  EXPECT_EQ(manager.Next(), "STATUS=two lines");
  ASSERT_TRUE(notifier.Watchdog().ok());
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  ASSERT_TRUE(notifier.Stopping("bye").ok());
  EXPECT_EQ(manager.Next(), "STOPPING=1\nSTATUS=bye");
}

TEST_F(NotifyTest, AReloadSaysWhenItBegan) {
  const std::string path = folder_ + "/n.sock";
  const Listener manager(path);
  const int64_t before_ms = Scoreboard::MonotonicMs();
  ASSERT_TRUE(Notifier(path).Reloading().ok());
  const std::string said = manager.Next();
  absl::string_view number = said;
  ASSERT_TRUE(absl::ConsumePrefix(&number, "RELOADING=1\nMONOTONIC_USEC=")) << said;
  int64_t usec = 0;
  ASSERT_TRUE(absl::SimpleAtoi(number, &usec));
  EXPECT_GE(usec / 1000, before_ms);
  EXPECT_LE(usec / 1000, Scoreboard::MonotonicMs());
}

TEST_F(NotifyTest, AbstractSocketsAreReached) {
  const std::string name = absl::StrCat("@center-notify-test-", ::getpid());
  const Listener manager(name);
  ASSERT_TRUE(Notifier(name).Ready("up").ok());
  EXPECT_THAT(manager.Next(), HasSubstr("READY=1"));
}

TEST_F(NotifyTest, ASocketThatIsNotThereOrNoAddressIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(Notifier(folder_ + "/none").Ready("")));
  EXPECT_TRUE(absl::IsInvalidArgument(Notifier("relative").Ready("")));
  EXPECT_TRUE(absl::IsInvalidArgument(Notifier("/" + std::string(200, 'x')).Ready("")));
}

TEST_F(NotifyTest, TheWatchdogIsFedTwiceInItsTime) {
  ::unsetenv("WATCHDOG_USEC");
  EXPECT_EQ(WatchdogInterval(), absl::nullopt);
  Set("WATCHDOG_USEC", "3000000");
  EXPECT_EQ(WatchdogInterval(), absl::Milliseconds(1500));
  Set("WATCHDOG_PID", absl::StrCat(::getpid()));
  EXPECT_EQ(WatchdogInterval(), absl::Milliseconds(1500));
  Set("WATCHDOG_PID", "1");
  EXPECT_EQ(WatchdogInterval(), absl::nullopt) << "meant for another process";
  ::unsetenv("WATCHDOG_PID");
  for (const char* nonsense : {"", "0", "-5", "soon"}) {
    Set("WATCHDOG_USEC", nonsense);
    EXPECT_EQ(WatchdogInterval(), absl::nullopt) << nonsense;
  }
}

}  // namespace
}  // namespace center
