#include "services/coordinator/api/orphan_reaper.h"

#include <unistd.h>

#include <memory>

#include "gtest/gtest.h"
#include "services/coordinator/api/process_identity.h"
#include "tests/unit/coordinator_api/posted_tasks.h"
#include "tests/unit/coordinator_api/test_child.h"

namespace center::coordinator {
namespace {

class OrphanReaperTest : public testing::Test {
 protected:
  bool End(const state::ProcessRecord& process, absl::Duration grace = absl::Hours(1)) {
    return reaper_->End(process, grace, [this] { ++ended_; });
  }
  bool End(const TestChild& child, absl::Duration grace = absl::Hours(1)) {
    return End(IdentifyProcess("web/0", child.pid()), grace);
  }
  // A SIGTERM that was sent before would be delivered before this one, whose number is higher.
  static void ExpectUntouched(TestChild& child) {
    child.Signal(SIGVTALRM);
    EXPECT_EQ(child.Reap(), SIGVTALRM);
  }

  PostedTasks posted_;
  std::unique_ptr<OrphanReaper> reaper_ = std::make_unique<OrphanReaper>(posted_.poster());
  int ended_ = 0;
};

TEST_F(OrphanReaperTest, ARecordedProcessIsAskedToEndAndWaitedFor) {
  TestChild child(TestChild::Sleeper());
  ASSERT_TRUE(End(child));
  ASSERT_TRUE(posted_.RunOne());
  EXPECT_EQ(ended_, 1);
  EXPECT_EQ(child.Reap(), SIGTERM);
}

TEST_F(OrphanReaperTest, ItsEndIsToldWhenItHasComeAndNotBefore) {
  TestChild patient(TestChild::Stubborn());
  TestChild quick(TestChild::Sleeper());
  ASSERT_TRUE(End(patient));
  ASSERT_TRUE(End(quick));
  ASSERT_TRUE(posted_.RunOne());
  quick.Reap();
  EXPECT_EQ(posted_.size(), 0u) << "the other one lives";
  patient.Signal(SIGVTALRM);
  ASSERT_TRUE(posted_.RunOne());
  EXPECT_EQ(ended_, 2);
  EXPECT_EQ(patient.Reap(), SIGVTALRM) << "it was given an hour";
}

TEST_F(OrphanReaperTest, AProcessThatTakesTooLongIsKilled) {
  TestChild child(TestChild::Stubborn());
  ASSERT_TRUE(End(child, absl::ZeroDuration()));
  ASSERT_TRUE(posted_.RunOne());
  EXPECT_EQ(child.Reap(), SIGKILL);
}

TEST_F(OrphanReaperTest, AProcessWithAnotherStartTimeIsNeverTouched) {
  TestChild child(TestChild::Sleeper());
  state::ProcessRecord record = IdentifyProcess("web/0", child.pid());
  ++record.start_ticks;
  EXPECT_FALSE(End(record));
  record.start_ticks -= 2;
  EXPECT_FALSE(End(record));
  ExpectUntouched(child);
  EXPECT_EQ(posted_.size(), 0u);
}

TEST_F(OrphanReaperTest, ARecordOfAnotherBootIsNeverFollowed) {
  TestChild child(TestChild::Sleeper());
  state::ProcessRecord record = IdentifyProcess("web/0", child.pid());
  record.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_FALSE(End(record));
  record.boot_id.clear();
  EXPECT_FALSE(End(record));
  ExpectUntouched(child);
}

TEST_F(OrphanReaperTest, AnIncompleteRecordIsNeverFollowed) {
  TestChild child(TestChild::Sleeper());
  EXPECT_FALSE(End(state::ProcessRecord{.worker = "web/0", .pid = child.pid()}));
  ExpectUntouched(child);
  EXPECT_FALSE(End(state::ProcessRecord{.worker = "web/0", .pid = 0}));
  EXPECT_FALSE(End(state::ProcessRecord{.worker = "web/0", .pid = -1}));
}

TEST_F(OrphanReaperTest, AProcessThatIsDeadIsNotWaitedFor) {
  TestChild child(TestChild::Sleeper());
  const state::ProcessRecord record = IdentifyProcess("web/0", child.pid());
  child.Signal(SIGKILL);
  child.WaitForDeath();
  EXPECT_FALSE(End(record)) << "a zombie";
  child.Reap();
  EXPECT_FALSE(End(record));
  EXPECT_EQ(posted_.size(), 0u);
}

TEST_F(OrphanReaperTest, DestroyingItForgetsWhatStillLives) {
  TestChild child(TestChild::Stubborn());
  ASSERT_TRUE(End(child));
  reaper_.reset();
  child.Signal(SIGVTALRM);
  EXPECT_EQ(child.Reap(), SIGVTALRM) << "it was left alone";
  EXPECT_EQ(posted_.size(), 0u);
}

}  // namespace
}  // namespace center::coordinator
