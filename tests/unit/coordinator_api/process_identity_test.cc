#include "services/coordinator/api/process_identity.h"

#include <unistd.h>

#include <filesystem>

#include "gtest/gtest.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/coordinator_api/test_child.h"

namespace center::coordinator {
namespace {

TEST(ProcessIdentityTest, AProcessIsKnownAgain) {
  const state::ProcessRecord self = IdentifyProcess("web/0", ::getpid());
  EXPECT_EQ(self.worker, "web/0");
  EXPECT_EQ(self.pid, ::getpid());
  EXPECT_NE(self.start_ticks, 0u);
  EXPECT_FALSE(self.boot_id.empty());
  EXPECT_TRUE(IsSameProcess(self));
}

TEST(ProcessIdentityTest, AnotherStartTimeOrBootIsAnotherProcess) {
  const state::ProcessRecord self = IdentifyProcess("web/0", ::getpid());
  state::ProcessRecord other = self;
  ++other.start_ticks;
  EXPECT_FALSE(IsSameProcess(other));
  other = self;
  other.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_FALSE(IsSameProcess(other));
}

TEST(ProcessIdentityTest, AnIncompleteRecordMatchesNothing) {
  const state::ProcessRecord self = IdentifyProcess("web/0", ::getpid());
  state::ProcessRecord incomplete = self;
  incomplete.start_ticks = 0;
  EXPECT_FALSE(IsSameProcess(incomplete));
  incomplete = self;
  incomplete.boot_id.clear();
  EXPECT_FALSE(IsSameProcess(incomplete));
  EXPECT_FALSE(IsSameProcess({}));
}

TEST(ProcessIdentityTest, AZombieLivesNoMoreAndThePidOfAReapedProcessIsNobodys) {
  TestChild child(TestChild::Sleeper());
  const state::ProcessRecord record = IdentifyProcess("web/0", child.pid());
  EXPECT_TRUE(IsSameProcess(record));
  child.Signal(SIGKILL);
  child.WaitForDeath();
  EXPECT_FALSE(IsSameProcess(record));
  child.Reap();
  EXPECT_FALSE(IsSameProcess(record));
  EXPECT_EQ(IdentifyProcess("web/0", record.pid).start_ticks, 0u);
}

TEST(ProcessIdentityTest, OnlyTheRecordedProcessIsOpened) {
  TestChild child(TestChild::Sleeper());
  const state::ProcessRecord record = IdentifyProcess("web/0", child.pid());
  EXPECT_TRUE(OpenProcess(record).valid());
  state::ProcessRecord reused = record;
  ++reused.start_ticks;
  EXPECT_FALSE(OpenProcess(reused).valid());
  child.Signal(SIGKILL);
  child.WaitForDeath();
  EXPECT_FALSE(OpenProcess(record).valid());
}

TEST(ProcessIdentityTest, AProgramsNameCannotForgeTheFields) {
  const ScratchDir scratch;
  const std::string program = scratch.path() + "/x) Z 1 (y";
  std::filesystem::copy_file("/bin/sh", program);
  TestChild child({program, "-c", "echo; kill -STOP $$"});
  const state::ProcessRecord named = IdentifyProcess("web/0", child.pid());
  EXPECT_TRUE(IsSameProcess(named));
  // Field 22 of a process that was started later is not smaller.
  EXPECT_GE(named.start_ticks, IdentifyProcess("self", ::getpid()).start_ticks);
}

}  // namespace
}  // namespace center::coordinator
