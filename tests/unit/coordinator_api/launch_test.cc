#include "services/coordinator/api/launch.h"

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/spec.h"
#include "tests/unit/common/scratch_dir.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

class LaunchTest : public testing::Test {
 protected:
  LaunchTest() {
    auto dir = DataDir::Open(scratch_.path() + "/data");
    EXPECT_TRUE(dir.ok()) << dir.status();
    dir_ = std::make_unique<DataDir>(*std::move(dir));
    context_ = {.data_dir = dir_.get(),
                .worker_program = "/opt/center-worker",
                .coordinator_address = "unix:/run/center.sock",
                .log_format = "json",
                .log_level = "debug"};
  }

  std::vector<std::string> Arguments() const { return WorkerArguments(context_, spec_, seat_); }

  ScratchDir scratch_;
  std::unique_ptr<DataDir> dir_;
  LaunchContext context_;
  v1::ServerSpec spec_ = DefaultSpec();
  WorkerSeat seat_{
      .server = "web", .slot = 2, .token = "secret", .listener_fd = 7, .scoreboard_fd = 9};
};

TEST_F(LaunchTest, TheDefaultSettingsBecomeFlags) {
  const std::string data = dir_->path();
  EXPECT_THAT(Arguments(),
              UnorderedElementsAre(
                  "--name=web/2", absl::StrCat("--data-dir=", data, "/servers/web/2"),
                  absl::StrCat("--listen=unix:", data, "/run/web.2.sock"),
                  "--coordinator=unix:/run/center.sock", "--framing=line", "--durability=written",
                  "--overflow=block", "--max-payload-bytes=1048576", "--max-connections=10000",
                  "--max-connections-per-peer=0", "--frame-timeout=30s", "--idle-timeout=0",
                  "--max-buffer-bytes=67108864", "--retain-bytes=1073741824", "--retain-age=0",
                  "--segment-bytes=67108864", "--sync-interval=1s", "--drain-timeout=10s",
                  "--orphan-timeout=0", "--compute-threads=1", "--cancel-grace=1s",
                  "--log-format=json", "--log-level=debug"));
}

TEST_F(LaunchTest, AShortLivenessTimeoutMakesHeartbeatsMoreFrequent) {
  *spec_.mutable_liveness_timeout() = FromDuration(absl::Seconds(1));
  EXPECT_THAT(Arguments(), Contains("--heartbeat-interval=250ms"));
  *spec_.mutable_liveness_timeout() = FromDuration(absl::Seconds(4));
  EXPECT_THAT(Arguments(), Not(Contains(HasSubstr("--heartbeat-interval"))));
}

TEST_F(LaunchTest, EverySettingReachesTheWorker) {
  spec_.set_framing(v1::FRAMING_OCTET);
  spec_.set_durability(v1::DURABILITY_SYNCED);
  spec_.set_overflow(v1::OVERFLOW_DROP_OLDEST);
  spec_.set_max_payload_bytes(11);
  spec_.set_banner("hello");
  spec_.set_max_connections(12);
  spec_.set_max_connections_per_peer(13);
  *spec_.mutable_frame_timeout() = FromDuration(absl::Milliseconds(1500));
  *spec_.mutable_idle_timeout() = FromDuration(absl::Minutes(2));
  spec_.set_max_buffer_bytes(14);
  spec_.set_retain_bytes(15);
  *spec_.mutable_retain_age() = FromDuration(absl::Hours(48));
  spec_.set_segment_bytes(16);
  *spec_.mutable_sync_interval() = FromDuration(absl::Milliseconds(250));
  *spec_.mutable_drain_timeout() = FromDuration(absl::Seconds(61));
  spec_.set_compute_threads(17);
  spec_.mutable_task_modules()->add_paths("/a.so");
  spec_.mutable_task_modules()->add_paths("/b.so");
  *spec_.mutable_cancel_grace() = FromDuration(absl::Milliseconds(2500));
  const auto arguments = Arguments();
  for (const char* flag :
       {"--framing=octet", "--durability=synced", "--overflow=drop-oldest",
        "--max-payload-bytes=11", "--banner=hello", "--max-connections=12",
        "--max-connections-per-peer=13", "--frame-timeout=1.5s", "--idle-timeout=2m",
        "--max-buffer-bytes=14", "--retain-bytes=15", "--retain-age=48h", "--segment-bytes=16",
        "--sync-interval=250ms", "--drain-timeout=1m1s", "--compute-threads=17",
        "--task-module=/a.so", "--task-module=/b.so", "--cancel-grace=2.5s"}) {
    EXPECT_THAT(arguments, Contains(flag));
  }
}

TEST_F(LaunchTest, EachFramingHasItsFlag) {
  const std::pair<v1::Framing, const char*> framings[] = {{v1::FRAMING_LINE, "--framing=line"},
                                                          {v1::FRAMING_LENGTH, "--framing=length"},
                                                          {v1::FRAMING_OCTET, "--framing=octet"},
                                                          {v1::FRAMING_CHUNK, "--framing=chunk"}};
  for (const auto& [framing, flag] : framings) {
    spec_.set_framing(framing);
    EXPECT_THAT(Arguments(), Contains(flag));
  }
}

TEST_F(LaunchTest, AValueIsNeverTakenForAFlag) {
  spec_.set_banner("--log-level=trace \"x\"\n$HOME");
  const auto arguments = Arguments();
  EXPECT_THAT(arguments, Contains("--banner=--log-level=trace \"x\"\n$HOME"));
  EXPECT_THAT(arguments, Each(StartsWith("--")));
}

TEST_F(LaunchTest, WithoutABannerThereIsNoFlagForIt) {
  EXPECT_THAT(Arguments(), Not(Contains(StartsWith("--banner"))));
}

TEST_F(LaunchTest, SlotsDifferInNameFolderAndSocketOnly) {
  const auto first = Arguments();
  seat_.slot = 3;
  const auto second = Arguments();
  ASSERT_EQ(first.size(), second.size());
  std::vector<std::string> different;
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] != second[i]) different.push_back(first[i].substr(0, first[i].find('=')));
  }
  EXPECT_THAT(different, ElementsAre("--name", "--data-dir", "--listen"));
}

TEST_F(LaunchTest, TheDescriptorsAreHandedOverAsSystemdDoes) {
  const supervision::LaunchSpec launch = WorkerLaunch(context_, spec_, seat_);
  EXPECT_EQ(launch.program, "/opt/center-worker");
  EXPECT_EQ(launch.args, Arguments());
  EXPECT_EQ(launch.log_name, "web/2");
  EXPECT_THAT(launch.inherited_fds, ElementsAre(7, 9));
  EXPECT_TRUE(launch.keeps_output);
  EXPECT_THAT(launch.env,
              UnorderedElementsAre("LISTEN_FDS=4", "LISTEN_FDNAMES=listen:scoreboard:stdout:stderr",
                                   "CENTER_WORKER_TOKEN=secret"));
}

TEST_F(LaunchTest, APurePoolGetsNoListener) {
  EXPECT_THAT(Arguments(), Not(Contains("--no-listen")));
  spec_.set_no_listen(true);
  seat_.listener_fd = -1;
  const supervision::LaunchSpec launch = WorkerLaunch(context_, spec_, seat_);
  EXPECT_THAT(launch.args, Contains("--no-listen"));
  EXPECT_THAT(launch.inherited_fds, ElementsAre(9));
  EXPECT_THAT(launch.env,
              UnorderedElementsAre("LISTEN_FDS=3", "LISTEN_FDNAMES=scoreboard:stdout:stderr",
                                   "CENTER_WORKER_TOKEN=secret"));
}

TEST_F(LaunchTest, TheTokenIsNotOnTheCommandLine) {
  // Every user of the machine can read that.
  for (const std::string& argument : WorkerLaunch(context_, spec_, seat_).args) {
    EXPECT_FALSE(absl::StrContains(argument, "secret")) << argument;
  }
}

}  // namespace
}  // namespace center::coordinator
