#include "services/coordinator/api/spec_changes.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Changes(const absl::StatusOr<SpecUpdate>& update) {
  std::vector<std::string> lines;
  EXPECT_TRUE(update.ok()) << update.status();
  if (!update.ok()) return lines;
  for (const v1::SettingChange& change : update->changes) {
    lines.push_back(absl::StrCat(
        change.field(), " ", change.before(), " > ", change.after(), " ",
        v1::ChangeEffect_Name(change.effect()).substr(std::string("CHANGE_EFFECT_").size())));
  }
  return lines;
}

TEST(SpecChangesTest, EveryChangeSaysWhatItNeeds) {
  v1::UpdateServerRequest request;
  v1::ServerSpec& spec = *request.mutable_spec();
  spec.set_workers(3);
  spec.set_framing(v1::FRAMING_OCTET);
  spec.set_banner("hi \"you\"");
  spec.set_max_payload_bytes(4096);
  spec.mutable_frame_timeout()->set_nanos(1'500'000);
  spec.set_restart(v1::RESTART_POLICY_NEVER);
  spec.mutable_task_modules()->add_paths("/a.so");
  EXPECT_THAT(
      Changes(PlanUpdate(DefaultSpec(), request, true)),
      ElementsAre("workers 1 > 3 SCALE", "framing FRAMING_LINE > FRAMING_OCTET ROLLING_RESTART",
                  "max_payload_bytes 1048576 > 4096 ROLLING_RESTART",
                  "banner  > hi \\\"you\\\" ROLLING_RESTART",
                  "frame_timeout 30s > 0.001500s ROLLING_RESTART",
                  "restart RESTART_POLICY_ALWAYS > RESTART_POLICY_NEVER IMMEDIATE",
                  "task_modules {} > {\"paths\":[\"/a.so\"]} ROLLING_RESTART"));
}

TEST(SpecChangesTest, WhatStaysIsNoChange) {
  v1::UpdateServerRequest request;
  *request.mutable_spec() = DefaultSpec();
  EXPECT_THAT(Changes(PlanUpdate(DefaultSpec(), request, true)), ElementsAre());
}

TEST(SpecChangesTest, ResetGivesTheDefaultAgain) {
  v1::ServerSpec before = DefaultSpec();
  before.set_max_connections_per_peer(7);
  before.mutable_idle_timeout()->set_seconds(60);
  before.mutable_task_modules()->add_paths("/a.so");
  before.set_no_listen(true);
  v1::UpdateServerRequest request;
  for (const char* field :
       {"max_connections_per_peer", "idle_timeout", "task_modules", "no_listen"}) {
    request.add_reset(field);
  }
  EXPECT_THAT(Changes(PlanUpdate(before, request, false)),
              ElementsAre("max_connections_per_peer 7 > 0 IMMEDIATE",
                          "idle_timeout 60s > 0s IMMEDIATE", "no_listen true > false IMMEDIATE",
                          "task_modules {\"paths\":[\"/a.so\"]} > {} IMMEDIATE"));
}

TEST(SpecChangesTest, ResetOfWhatIsSetOrUnknownIsRefused) {
  v1::UpdateServerRequest request;
  request.add_reset("workers");
  request.add_reset("colour");
  request.mutable_spec()->set_workers(2);
  const auto update = PlanUpdate(DefaultSpec(), request, true);
  EXPECT_TRUE(absl::IsInvalidArgument(update.status()));
  EXPECT_THAT(std::string(update.status().message()),
              testing::AllOf(HasSubstr("'workers' is set by spec as well"),
                             HasSubstr("there is no setting 'colour'")));
}

TEST(SpecChangesTest, SettingsOfASocketNeedAStopUnlessItIsADryRun) {
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_host("::1");
  request.mutable_spec()->set_no_listen(true);
  const auto refused = PlanUpdate(DefaultSpec(), request, true);
  EXPECT_EQ(rpc::ReasonOf(refused.status()), "NEEDS_STOP");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("host, no_listen"));
  EXPECT_TRUE(PlanUpdate(DefaultSpec(), request, false).ok());
  request.set_dry_run(true);
  EXPECT_THAT(Changes(PlanUpdate(DefaultSpec(), request, true)),
              ElementsAre("host 127.0.0.1 > ::1 NEEDS_STOP", "no_listen false > true NEEDS_STOP"));
}

}  // namespace
}  // namespace center::coordinator
