// A real process on the real file system, killed with -9 whenever it pleases us.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "tests/integration/process.h"
#include "tests/unit/journal/crash_child.h"
#include "tests/unit/journal/testing.h"

namespace center::journal {
namespace {

using ::testing::StartsWith;

// How much a child stores between two acknowledgements is the machine's affair: as many rounds as
// it takes until retention has deleted something, too.
constexpr int kRoundsMin = 12;
constexpr int kRoundsMax = 240;

struct Child {
  std::string mode;
  uint64_t acks_max;  // until the kill; with fdatasync they take much longer
};
void PrintTo(const Child& child, std::ostream* out) { *out << child.mode; }

// Reads what a child acknowledges.
class AckPipe {
 public:
  explicit AckPipe(const std::string& path) {
    if (::mkfifo(path.c_str(), 0600) != 0) ADD_FAILURE() << path;
    fd_.Reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    EXPECT_TRUE(fd_.valid());
  }
  // Reads until `count` acknowledgements have come, or the writer has gone (false), or it has said
  // nothing for too long (false, and the test fails).
  bool ReadUntil(uint64_t count) {
    while (count_ < count) {
      pollfd waiting = {fd_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, kPatienceMs) <= 0) {
        ADD_FAILURE() << "no acknowledgement after " << count_;
        return false;
      }
      uint64_t end = 0;
      // A write of 8 bytes to a pipe is one piece.
      if (::read(fd_.get(), &end, sizeof end) != sizeof end) return false;
      EXPECT_GT(end, last_) << "acknowledgements must grow";
      last_ = end;
      ++count_;
    }
    return true;
  }
  void ReadToEnd() {
    while (ReadUntil(count_ + 1)) {
    }
  }
  uint64_t count() const { return count_; }
  uint64_t last() const { return last_; }  // 0: none

 private:
  static constexpr int kPatienceMs = 30'000;
  ScopedFd fd_;
  uint64_t count_ = 0;
  uint64_t last_ = 0;
};

class KillTest : public ::testing::TestWithParam<Child> {
 protected:
  // Runs a child until it has acknowledged so much, kills it, and returns the last acknowledgement
  // that it made before it died; 0 when it made none.
  uint64_t RunAndKill(int round, uint64_t acks) {
    AckPipe pipe(folder_ / absl::StrCat("acks.", round));
    itest::Process child({.program = CRASH_CHILD,
                          .args = {directory_, GetParam().mode},
                          .stdout_path = folder_ / absl::StrCat("acks.", round),
                          .stderr_path = folder_ / "stderr"});
    EXPECT_TRUE(pipe.ReadUntil(acks)) << itest::ReadWholeFile(folder_ / "stderr");
    child.Signal(SIGKILL);
    pipe.ReadToEnd();
    const auto status = child.Wait(absl::Seconds(20));
    EXPECT_TRUE(status.has_value() && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL)
        << itest::ReadWholeFile(folder_ / "stderr");
    acks_ += pipe.count();
    return pipe.last();
  }

  // `committed`: what the child may not have deleted begins there, nor may we.
  absl::StatusOr<std::unique_ptr<Journal>> Reopen(uint64_t committed, EventLog* events) {
    const Durability durability =
        GetParam().mode == "synced" ? Durability::kSynced : Durability::kWritten;
    Options options = CrashChildOptions(directory_, durability);
    options.committed_offset = committed;
    return Journal::Open(options, {&PosixFileSystem(), &RealClock(), nullptr, events->Sink()});
  }

  const itest::TempDir folder_;
  const std::string directory_ = folder_ / "journal";
  uint64_t acks_ = 0;
};

class DurabilityKillTest : public KillTest {};

TEST_P(DurabilityKillTest, EveryAcknowledgedPayloadIsThereAfterKill9) {
  std::mt19937 random(4711);  // NOLINT: the moments differ from run to run anyway
  uint64_t acknowledged = 0;
  uint64_t first_offset = 0;
  const auto seen_enough = [&] { return first_offset > 0 && acks_ >= GetParam().acks_max; };
  for (int round = 0; round < kRoundsMin || (round < kRoundsMax && !seen_enough()); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    // Every third child dies while it opens or has hardly begun.
    const uint64_t acks = round % 3 == 2 ? random() % 2 : random() % GetParam().acks_max;
    acknowledged = std::max(acknowledged, RunAndKill(round, acks));
    const uint64_t committed = acknowledged - std::min(acknowledged, kCrashChildKeeps);
    EventLog events;
    const auto journal = Reopen(committed, &events);
    ASSERT_TRUE(journal.ok()) << journal.status();
    ASSERT_EQ(CheckConserved(**journal, committed, acknowledged), "");
    EXPECT_EQ(events.Count(JournalEvent::Type::kCorruption), 0u)
        << "a kill leaves at most an incomplete tail";
    for (const Gap& gap : ReadAll(**journal, (*journal)->first_offset()).gaps) {
      // Retention is at work again.
      EXPECT_EQ(gap.reason, Gap::Reason::kRetention) << gap.detail;
      EXPECT_LE(gap.to, committed) << "deleted before it was committed";
    }
    first_offset = (*journal)->first_offset();
    // What is visible now is promised to readers from now on.
    acknowledged = (*journal)->visible_end();
  }
  EXPECT_GE(acks_, GetParam().acks_max) << "the kills came too early to mean anything";
  EXPECT_GT(first_offset, 0u) << "retention has never deleted anything";
}

INSTANTIATE_TEST_SUITE_P(All, DurabilityKillTest,
                         ::testing::Values(Child{"written", 1'500}, Child{"synced", 16}),
                         ::testing::PrintToStringParamName());

class BoastingKillTest : public KillTest {};

TEST_P(BoastingKillTest, AnAcknowledgementThatIsNotKeptIsFoundOut) {
  const uint64_t acknowledged = RunAndKill(0, GetParam().acks_max);
  EventLog events;
  const auto journal = Reopen(0, &events);
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_THAT(CheckConserved(**journal, acknowledged - kCrashChildKeeps, acknowledged),
              StartsWith("lost: acknowledged up to "));
}

INSTANTIATE_TEST_SUITE_P(Control, BoastingKillTest, ::testing::Values(Child{"boasting", 10}));

}  // namespace
}  // namespace center::journal
