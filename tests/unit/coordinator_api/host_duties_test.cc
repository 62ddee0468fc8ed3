#include "services/coordinator/api/host_duties.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/coordinator_api/posted_tasks.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class HostDutiesTest : public testing::Test {
 protected:
  HostDutiesTest() : path_(scratch_.path() + "/n.sock") {
    manager_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(manager_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~HostDutiesTest() override { ::unsetenv("WATCHDOG_USEC"); }

  void Make() {
    HostDuties::Dependencies dependencies{
        .loop = &loop_,
        .notifier = Notifier(path_),
        .is_ours = [](int64_t) { return true; },
        .status = [this] { return status_; },
        .set_log_level = [this](const std::string& level) { levels_.push_back(level); },
        .tell = [this](const std::string& reason) { told_.push_back(reason); },
        .log_level = "info",
    };
    if (has_file_) dependencies.read_again = [this] { return reloaded_; };
    duties_ = std::make_unique<HostDuties>(std::move(dependencies));
  }
  // The next message to the service manager, within its time; "" when there is none.
  std::string Heard() {
    const absl::Time deadline = absl::Now() + kPatience;
    char text[4096];
    while (absl::Now() < deadline) {
      const ssize_t size = ::recv(manager_.get(), text, sizeof text, MSG_DONTWAIT);
      if (size > 0) return std::string(text, static_cast<size_t>(size));
      loop_.context().run_one_for(std::chrono::milliseconds(5));
    }
    return "";
  }

  ScratchDir scratch_;
  const std::string path_;
  ScopedFd manager_;
  supervision::EventLoop loop_;
  std::string status_ = "1 servers, 2 workers";
  bool has_file_ = true;
  absl::StatusOr<Reloaded> reloaded_ = Reloaded{.log_level = "info"};
  std::vector<std::string> levels_;
  std::vector<std::string> told_;
  std::unique_ptr<HostDuties> duties_;
};

TEST_F(HostDutiesTest, ReadyAndStoppingAreSaid) {
  Make();
  duties_->Ready();
  EXPECT_THAT(Heard(), HasSubstr("READY=1\nMAINPID="));
  duties_->Stopping("workers finish their connections");
  EXPECT_EQ(Heard(), "STOPPING=1\nSTATUS=workers finish their connections");
}

TEST_F(HostDutiesTest, TheWatchdogIsFedAndHearsHowManyThereAre) {
  ::setenv("WATCHDOG_USEC", "20000", /*overwrite=*/1);
  Make();
  duties_->Ready();
  EXPECT_THAT(Heard(), StartsWith("READY=1"));
  EXPECT_EQ(Heard(), "WATCHDOG=1");
  EXPECT_EQ(Heard(), "WATCHDOG=1");
  status_ = "2 servers, 4 workers";
  std::string heard;
  for (int i = 0; i < 1000 && heard != "STATUS=2 servers, 4 workers"; ++i) heard = Heard();
  EXPECT_EQ(heard, "STATUS=2 servers, 4 workers");
  EXPECT_EQ(Heard(), "WATCHDOG=1");
}

TEST_F(HostDutiesTest, AReloadIsSaidBeforeAndAfter) {
  reloaded_ = Reloaded{.log_level = "debug"};
  Make();
  duties_->Reload("SIGHUP");
  EXPECT_THAT(Heard(), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_THAT(Heard(), StartsWith("READY=1"));
  EXPECT_THAT(levels_, ElementsAre("debug"));
  EXPECT_THAT(told_, ElementsAre("SIGHUP: log-level is debug, was info"));
  duties_->Reload("SIGHUP");
  EXPECT_THAT(levels_, ElementsAre("debug"));
  EXPECT_THAT(told_.back(), HasSubstr("no setting has changed"));
}

TEST_F(HostDutiesTest, WhatNeedsARestartIsNamed) {
  reloaded_ = Reloaded{.log_level = "info", .need_restart = {"listen", "jobs-max"}};
  Make();
  duties_->Reload("SIGHUP");
  EXPECT_THAT(levels_, IsEmpty());
  EXPECT_THAT(told_.back(), HasSubstr("restart of the coordinator applies it: listen, jobs-max"));
}

TEST_F(HostDutiesTest, AConfigurationThatCannotBeReadChangesNothing) {
  reloaded_ = absl::InvalidArgumentError("/etc/center.toml: jobs-max: 0 not in range");
  Make();
  duties_->Reload("SIGHUP");
  EXPECT_THAT(levels_, IsEmpty());
  EXPECT_THAT(told_.back(), HasSubstr("stay as they are: /etc/center.toml: jobs-max"));
  EXPECT_THAT(Heard(), StartsWith("RELOADING=1"));
  EXPECT_THAT(Heard(), StartsWith("READY=1"));
}

TEST_F(HostDutiesTest, WithoutAFileThatIsSaid) {
  has_file_ = false;
  Make();
  duties_->Reload("SIGHUP");
  EXPECT_THAT(told_.back(), HasSubstr("no configuration file"));
}

}  // namespace
}  // namespace center::coordinator
