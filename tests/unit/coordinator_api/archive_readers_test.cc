#include "services/coordinator/api/archive_readers.h"

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/supervision/fakes.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ArchiveReadersTest : public testing::Test {
 protected:
  using Slot = ArchiveReaders::Slot;

  ArchiveReadersTest() {
    readers_ = std::make_unique<ArchiveReaders>(ArchiveReaders::Dependencies{
        .launcher = &launcher_,
        .clock = &clock_,
        .launch =
            [this](const Slot& slot, const std::string& token) {
              token_ = token;
              return supervision::LaunchSpec{.program = "reader",
                                             .log_name = absl::StrCat(slot.server, "/", slot.slot)};
            },
        .on_change = [this](const std::string& server) { changed_.push_back(server); },
        .arm_timer = [](SteadyTime) {}});
  }
  // Wants a reader of the slot and lets it register; its process.
  int64_t Up(const Slot& slot) {
    readers_->Want(slot);
    const int64_t pid = LastPid();
    EXPECT_TRUE(readers_->Register(slot, pid, token_, "unix:/r"));
    return pid;
  }
  int64_t LastPid() const { return launcher_.processes.rbegin()->first; }

  supervision::FakeClock clock_;
  supervision::FakeLauncher launcher_;
  std::string token_;  // of the last launch
  std::vector<std::string> changed_;
  std::unique_ptr<ArchiveReaders> readers_;
};

TEST_F(ArchiveReadersTest, AReaderIsKnownWhenItHasRegistered) {
  readers_->Want({"s", 3});
  EXPECT_EQ(readers_->Look({"s", 3}).address, "");
  EXPECT_EQ(readers_->processes(), 1u);
  const int64_t pid = LastPid();
  EXPECT_FALSE(readers_->Register({"s", 2}, pid, token_, "unix:/r"));
  EXPECT_FALSE(readers_->Register({"s", 3}, pid + 1, token_, "unix:/r"));
  EXPECT_FALSE(readers_->Register({"s", 3}, pid, "another", "unix:/r"));
  EXPECT_TRUE(readers_->Register({"s", 3}, pid, token_, "unix:/r"));
  EXPECT_EQ(readers_->Look({"s", 3}).address, "unix:/r");
  EXPECT_THAT(changed_, ElementsAre("s", "s"));
}

TEST_F(ArchiveReadersTest, OneReaderForAllWhoAsk) {
  Up({"s", 3});
  readers_->Want({"s", 3});
  EXPECT_EQ(launcher_.launches, 1);
}

TEST_F(ArchiveReadersTest, AReaderThatHasEndedIsStartedAnewByTheNextWhoAsks) {
  const int64_t pid = Up({"s", 3});
  launcher_.ExitWithCode(pid, 0);
  EXPECT_EQ(readers_->Look({"s", 3}).address, "");
  EXPECT_EQ(readers_->Look({"s", 3}).error, "");
  EXPECT_EQ(launcher_.launches, 1) << "by itself nothing is started";
  Up({"s", 3});
  EXPECT_EQ(readers_->Look({"s", 3}).generation, 2u);
}

TEST_F(ArchiveReadersTest, AReaderThatDoesNotComeUpSaysWhy) {
  readers_->Want({"s", 3});
  launcher_.Exit(LastPid(), {.exit_code = 1, .stderr_tail = "no such journal\n"});
  EXPECT_THAT(readers_->Look({"s", 3}).error,
              testing::AllOf(HasSubstr("exited with code 1"), HasSubstr("no such journal")));
  readers_->Want({"s", 3});
  EXPECT_EQ(readers_->Look({"s", 3}).error, "");
}

TEST_F(ArchiveReadersTest, AReaderThatCannotBeLaunchedSaysWhy) {
  launcher_.launch_error = absl::ResourceExhaustedError("EAGAIN");
  readers_->Want({"s", 3});
  EXPECT_EQ(readers_->Look({"s", 3}).error, "EAGAIN");
  EXPECT_EQ(readers_->processes(), 0u);
}

TEST_F(ArchiveReadersTest, AReaderThatNeverRegistersIsKilled) {
  readers_->Want({"s", 3});
  EXPECT_EQ(readers_->Tick() - clock_.Steady(), kReaderStartTimeout);
  clock_.Advance(kReaderStartTimeout);
  readers_->Tick();
  EXPECT_THAT(launcher_.signals(LastPid()), ElementsAre(SIGKILL));
}

TEST_F(ArchiveReadersTest, ARegisteredReaderHasNoDeadline) {
  Up({"s", 3});
  EXPECT_EQ(readers_->Tick(), SteadyTime::max());
}

TEST_F(ArchiveReadersTest, EndWaitsForThoseThatAreMeant) {
  const int64_t low = Up({"s", 2});
  const int64_t high = Up({"s", 3});
  const int64_t other = Up({"t", 9});
  int done = 0;
  readers_->End("s", 3, [&] { ++done; });
  EXPECT_THAT(launcher_.signals(high), ElementsAre(SIGTERM));
  EXPECT_THAT(launcher_.signals(low), IsEmpty());
  EXPECT_THAT(launcher_.signals(other), IsEmpty());
  EXPECT_EQ(readers_->Look({"s", 3}).address, "") << "nobody new is sent there";
  EXPECT_EQ(done, 0);
  launcher_.ExitWithCode(high, 0);
  EXPECT_EQ(done, 1);
}

TEST_F(ArchiveReadersTest, EndOfNothingIsDoneAtOnce) {
  int done = 0;
  readers_->End("s", 0, [&] { ++done; });
  EXPECT_EQ(done, 1);
}

TEST_F(ArchiveReadersTest, AReaderThatDoesNotEndIsKilled) {
  const int64_t pid = Up({"s", 3});
  readers_->End("s", 0, [] {});
  clock_.Advance(kReaderEndTimeout);
  readers_->Tick();
  EXPECT_THAT(launcher_.signals(pid), ElementsAre(SIGTERM, SIGKILL));
  launcher_.DieOf(pid, SIGKILL);
  EXPECT_EQ(readers_->Look({"s", 3}).error, "") << "it was asked to end";
}

TEST_F(ArchiveReadersTest, ExitsAfterItsEndAreNobodysBusiness) {
  Up({"s", 3});
  const int64_t pid = LastPid();
  readers_.reset();
  launcher_.ExitWithCode(pid, 0);
}

}  // namespace
}  // namespace center::coordinator
