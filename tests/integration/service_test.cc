// The coordinator as a service: what whoever runs it tells it by signals, and hears from it.
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "tests/integration/fleet.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

pid_t CoordinatorPid(Fleet& fleet) {
  grpc::ClientContext context;
  v1::GetCoordinatorResponse response;
  EXPECT_TRUE(
      v1::ServerService::NewStub(fleet.channel())->GetCoordinator(&context, {}, &response).ok());
  return static_cast<pid_t>(response.coordinator().pid());
}

// As systemd: the coordinator that is started while this lives speaks to it.
class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path) {
    socket_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), /*overwrite=*/1);
    ::setenv("WATCHDOG_USEC", "200000", /*overwrite=*/1);
  }
  ~ServiceManager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }
  // Waits for a message that begins so; "" when none came.
  std::string Hear(absl::string_view begin) const {
    std::string found;
    EXPECT_TRUE(WaitFor([&] {
      char text[4096];
      const ssize_t size = ::recv(socket_.get(), text, sizeof text, MSG_DONTWAIT);
      found.assign(text, size < 0 ? 0 : static_cast<size_t>(size));
      return !found.empty() && found.compare(0, begin.size(), begin.data(), begin.size()) == 0;
    })) << begin;
    return found;
  }

 private:
  ScopedFd socket_;
};

TEST(ServiceTest, SystemdHearsHowItIs) {
  const TempDir dir;
  const ServiceManager manager(dir / "notify.sock");
  Fleet fleet;
  EXPECT_THAT(manager.Hear("READY=1"),
              HasSubstr(absl::StrCat("MAINPID=", CoordinatorPid(fleet), "\nSTATUS=0 servers")));
  manager.Hear("WATCHDOG=1");
  manager.Hear("WATCHDOG=1");
  fleet.MustStart("default", SmallSpec(2));
  manager.Hear("STATUS=1 servers, 2 workers");
  ASSERT_EQ(::kill(CoordinatorPid(fleet), SIGHUP), 0);
  EXPECT_THAT(manager.Hear("RELOADING=1"), HasSubstr("MONOTONIC_USEC="));
  manager.Hear("READY=1");
  fleet.Stop();
  EXPECT_THAT(manager.Hear("STOPPING=1"), HasSubstr("workers finish"));
}

TEST(ServiceTest, AHangupReadsTheConfigurationAgain) {
  const TempDir dir;
  const std::string config = dir / "center.toml";
  WriteWholeFile(config, "# Center\nlog-level = \"debug\"\njobs-max = 7\n");
  Fleet fleet({.extra_args = {"--config", config, "--job-history", "9"}});
  const auto reason_of = [&fleet](size_t count) {
    std::string reason;
    EXPECT_TRUE(WaitFor([&] {
      const RunResult events = fleet.Ctl({"events", "-o", "json"});
      size_t found = 0;
      for (size_t at = events.out.find("COORDINATOR_RELOADED"); at != std::string::npos;
           at = events.out.find("COORDINATOR_RELOADED", at + 1)) {
        if (++found == count) reason = events.out.substr(at > 600 ? at - 600 : 0, 1500);
      }
      return found >= count;
    }));
    return reason;
  };
  const auto hang_up = [&fleet] { ASSERT_EQ(::kill(CoordinatorPid(fleet), SIGHUP), 0); };

  WriteWholeFile(config, "log-level = \"warn\"\njobs-max = 8\njob-history = 10\n");
  hang_up();
  const std::string first = reason_of(1);
  EXPECT_THAT(first, HasSubstr("log-level is warn, was debug"));
  EXPECT_THAT(first, HasSubstr("only a restart of the coordinator applies it: jobs-max"));
  EXPECT_THAT(first, ::testing::Not(HasSubstr("job-history"))) << "the command line wins";

  WriteWholeFile(config, "log-levels = \"info\"\n");
  hang_up();
  EXPECT_THAT(reason_of(2), HasSubstr("all settings stay as they are"));
}

TEST(ServiceTest, AWrongConfigurationIsToldAtTheStart) {
  const TempDir dir;
  const std::string config = dir / "center.toml";
  const auto start = [&] {
    return RunToEnd(Binary("center-coordinator"),
                    {"--config", config, "--data-dir", dir / "data", "--listen",
                     absl::StrCat("unix:", dir / "c.sock")});
  };
  RunResult result = start();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("center.toml"));
  WriteWholeFile(config, "jobs-maximum = 7\n");
  result = start();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("jobs-maximum"));
  WriteWholeFile(config, "jobs-max = 0\n");
  result = start();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("jobs-max"));
}

}  // namespace
}  // namespace center::itest
