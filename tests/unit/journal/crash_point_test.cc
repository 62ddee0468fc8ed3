// A crash at every single operation on the file system, and what the next process finds.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crc32c.h"
#include "services/common/log.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/record.h"
#include "tests/unit/journal/testing.h"

namespace center::journal {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A workload needs at least this many operations to be worth crashing.
constexpr uint64_t kCrashPointsMin = 60;
// And certainly no more.
constexpr uint64_t kCrashPointsMax = 2'000;

struct Scenario {
  Durability durability;
  Crash crash;
  bool torn;  // the write that is interrupted has happened by half

  friend void PrintTo(const Scenario& s, std::ostream* out) { *out << s.Name(); }
  std::string Name() const {
    return absl::StrCat(durability == Durability::kSynced ? "Synced" : "Written",
                        crash == Crash::kProcess     ? "ProcessCrash"
                        : crash == Crash::kPowerLoss ? "PowerLoss"
                                                     : "PowerLossMixed",
                        torn ? "Torn" : "");
  }
};

std::string NameOf(const ::testing::TestParamInfo<Scenario>& param) { return param.param.Name(); }

// What a process told the world before it died.
struct Promises {
  std::atomic<uint64_t> visible{0};   // on_visible said so
  std::atomic<uint64_t> synced{0};    // Flush or synced_end said so
  std::atomic<uint64_t> appended{0};  // Append said Ok, not more
  uint64_t committed = 0;             // subscriptions need nothing below

  static void Raise(std::atomic<uint64_t>& to, uint64_t value) {
    uint64_t current = to.load();
    while (current < value && !to.compare_exchange_weak(current, value)) {
    }
  }
  // The end of what must be there after this kind of crash.
  uint64_t MustEnd(const Scenario& scenario) const {
    if (scenario.durability == Durability::kSynced) {
      return std::max(visible.load(), synced.load());
    }
    if (scenario.crash == Crash::kProcess) return std::max(visible.load(), appended.load());
    return synced.load();
  }
};

struct Opening {
  Durability durability = Durability::kWritten;
  uint64_t committed = 0;
  Promises* promises = nullptr;  // filled
  EventLog* events = nullptr;    // filled
};

absl::StatusOr<std::unique_ptr<Journal>> OpenJournal(FaultFs& fs, const Opening& opening) {
  static FakeClock clock;
  Options options;
  options.dir = kDir;
  options.segment_bytes = 500;
  options.retain_bytes = 2'000;
  options.durability = opening.durability;
  options.min_free_bytes = 0;
  options.committed_offset = opening.committed;
  // Syncs happen when the workload asks for them, so that crash points come in order.
  options.sync_interval = absl::Hours(1);
  Dependencies dependencies{&fs, &clock};
  if (Promises* const promises = opening.promises; promises != nullptr) {
    dependencies.on_visible = [promises](uint64_t end) { Promises::Raise(promises->visible, end); };
  }
  if (opening.events != nullptr) dependencies.on_event = opening.events->Sink();
  return Journal::Open(options, dependencies);
}

// Several segments, a sync now and then, and a subscription that commits no more than it must for
// the journal to go on. Ends early when the journal fails, which must be because of the crash.
void RunWorkload(Journal& journal, const FaultFs& fs, Promises* promises) {
  constexpr uint32_t kGroups = 24;
  for (uint32_t group = 0; group < kGroups; ++group) {
    absl::Status status = AppendGroup(journal, {1 + group % 4, 2});
    while (absl::IsResourceExhausted(status)) {
      journal.SetCommittedOffset(++promises->committed);
      status = AppendGroup(journal, {1 + group % 4, 2});
    }
    if (!status.ok()) {
      EXPECT_TRUE(fs.crashed()) << status;
      return;
    }
    const uint64_t end = journal.next_offset();
    Promises::Raise(promises->appended, end);
    if (group % 2 == 0) {
      if (!journal.Flush().ok()) return;
      Promises::Raise(promises->synced, end);
    }
    Promises::Raise(promises->synced, journal.synced_end());
  }
}

class CrashPointTest : public ::testing::TestWithParam<Scenario> {
 protected:
  // Thousands of crashes, each of which the journal warns about.
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::err); }
  static void TearDownTestSuite() { spdlog::set_level(spdlog::level::info); }

  // Runs the workload up to operation `op`. False when it ended before.
  bool RunAndCrash(FaultFs& fs, uint64_t op, Promises* promises) {
    fs.CrashAtOp(op, GetParam().torn);
    {
      auto journal = OpenJournal(fs, {GetParam().durability, 0, promises});
      if (journal.ok()) RunWorkload(**journal, fs, promises);
    }
    return fs.crashed();
  }

  // Opens what the crash has left, crashing at operation `op` of that, too. False when the opening
  // needs fewer operations.
  bool CrashAgainWhileOpening(FaultFs& fs, uint64_t committed, uint64_t op) {
    fs.CrashAtOp(op, GetParam().torn);
    static_cast<void>(OpenJournal(fs, {GetParam().durability, committed}).ok());
    const bool crashed = fs.crashed();
    fs.Restart(GetParam().crash, static_cast<uint32_t>(op));
    return crashed;
  }

  // The oracle: what was promised is there, and life goes on. "" when all is well.
  std::string Verdict(FaultFs& fs, const Promises& promises) {
    uint64_t must_from = promises.committed;
    uint64_t must_end = promises.MustEnd(GetParam());
    for (const bool first : {true, false}) {
      EventLog events;
      auto journal = OpenJournal(fs, {GetParam().durability, must_from, nullptr, &events});
      if (!journal.ok()) return absl::StrCat("cannot be opened: ", journal.status().ToString());
      // Torn writes and lost blocks are at the end; only where blocks are lost at random may a
      // complete record be found damaged.
      if (GetParam().crash != Crash::kPowerLossMixed &&
          events.Count(JournalEvent::Type::kCorruption) > 0) {
        return absl::StrCat("damage found: ", events.all()[0].detail);
      }
      std::string wrong = CheckConserved(**journal, must_from, must_end);
      if (!wrong.empty()) return absl::StrCat(first ? "" : "of what came after: ", wrong);
      if (!first) break;
      // The subscription has read it all, and more comes.
      must_from = (*journal)->next_offset();
      must_end = must_from + 4;
      (*journal)->SetCommittedOffset(must_from);
      const absl::Status appended = AppendGroup(**journal, {3, 1});
      if (!appended.ok()) return absl::StrCat("takes no more: ", appended.ToString());
      if (!(*journal)->Flush().ok()) return "cannot be flushed";
      wrong = CheckConserved(**journal, must_from, must_end);
      if (!wrong.empty()) return absl::StrCat("of what came after: ", wrong);
      journal->reset();
      fs.Restart(GetParam().crash);
    }
    for (const std::string& path : fs.Paths()) {
      if (absl::EndsWith(path, kTemporarySuffix)) return absl::StrCat("left behind: ", path);
    }
    return "";
  }
};

TEST_P(CrashPointTest, WhatWasAcknowledgedIsThereOnceAndInOrder) {
  uint64_t op = 0;
  for (;; ++op) {
    SCOPED_TRACE(absl::StrCat("crash at operation ", op));
    ASSERT_LT(op, kCrashPointsMax);
    FaultFs fs;
    Promises promises;
    if (!RunAndCrash(fs, op, &promises)) break;
    fs.Restart(GetParam().crash, static_cast<uint32_t>(op));
    ASSERT_EQ(Verdict(fs, promises), "");
  }
  EXPECT_GE(op, kCrashPointsMin);
}

TEST_P(CrashPointTest, AnotherCrashWhileOpeningLosesNothingEither) {
  uint64_t recoveries = 0;
  uint64_t op = 0;
  for (;; op += 3) {
    FaultFs probe;
    Promises ignored;
    if (!RunAndCrash(probe, op, &ignored)) break;
    for (uint64_t second = 0;; ++second, ++recoveries) {
      SCOPED_TRACE(absl::StrCat("crash at operation ", op, ", then ", second));
      ASSERT_LT(second, kCrashPointsMax);
      FaultFs fs;
      Promises promises;
      if (!RunAndCrash(fs, op, &promises)) break;  // threads: another order, one operation less
      fs.Restart(GetParam().crash, static_cast<uint32_t>(op));
      const bool crashed = CrashAgainWhileOpening(fs, promises.committed, second);
      ASSERT_EQ(Verdict(fs, promises), "");
      if (!crashed) break;
    }
  }
  EXPECT_GE(op, kCrashPointsMin);
  // kWritten opens an intact journal without changing anything, so there is no such crash there.
  if (GetParam().durability == Durability::kSynced) {
    EXPECT_GE(recoveries, op / 3);
  }
}

TEST_P(CrashPointTest, TheWorkloadExercisesSegmentsRetentionAndSyncs) {
  FaultFs fs;
  Promises promises;
  auto journal = OpenJournal(fs, {GetParam().durability, 0, &promises});
  ASSERT_TRUE(journal.ok());
  RunWorkload(**journal, fs, &promises);
  EXPECT_TRUE(Eventually([&] { return (*journal)->first_offset() > 0; }));
  EXPECT_GE(fs.CountOf(Op::kCreate), 5u);
  EXPECT_GE(fs.CountOf(Op::kSync), 10u);
  EXPECT_TRUE(Eventually([&] { return fs.CountOf(Op::kRemove) > 0; }));
  EXPECT_GT(promises.MustEnd(GetParam()), promises.committed);
  EXPECT_EQ(CheckConserved(**journal, promises.committed, promises.MustEnd(GetParam())), "");
}

std::vector<Scenario> Scenarios() {
  std::vector<Scenario> all;
  for (const Durability durability : {Durability::kWritten, Durability::kSynced}) {
    for (const Crash crash : {Crash::kProcess, Crash::kPowerLoss, Crash::kPowerLossMixed}) {
      for (const bool torn : {false, true}) all.push_back({durability, crash, torn});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, CrashPointTest, ::testing::ValuesIn(Scenarios()), NameOf);

class SyncedCrashPointTest : public CrashPointTest {};

TEST_P(SyncedCrashPointTest, WhatTheNextProcessShowsItsReadersSurvivesAPowerLoss) {
  for (uint64_t op = 0; op < kCrashPointsMin; ++op) {
    SCOPED_TRACE(absl::StrCat("crash at operation ", op));
    FaultFs fs;
    Promises promises;
    ASSERT_TRUE(RunAndCrash(fs, op, &promises));
    fs.Restart(Crash::kProcess);
    const Opening opening = {GetParam().durability, promises.committed};
    auto journal = OpenJournal(fs, opening);
    ASSERT_TRUE(journal.ok()) << journal.status();
    const uint64_t shown = (*journal)->visible_end();
    journal->reset();
    fs.Restart(Crash::kPowerLoss);
    journal = OpenJournal(fs, opening);
    ASSERT_TRUE(journal.ok()) << journal.status();
    ASSERT_EQ(CheckConserved(**journal, promises.committed, shown), "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, SyncedCrashPointTest,
                         ::testing::Values(Scenario{Durability::kSynced, Crash::kProcess, false},
                                           Scenario{Durability::kSynced, Crash::kProcess, true}),
                         NameOf);

// ---- The oracle can fail ----------------------------------------------------------------------

class OracleTest : public CrashPointTest {
 protected:
  // How many of the crash points the oracle finds a loss at.
  uint64_t LossesSeen(const Scenario& judged_as, bool lying_sync) {
    uint64_t losses = 0;
    for (uint64_t op = 0; op < kCrashPointsMin; ++op) {
      FaultFs fs;
      fs.SetLyingSync(lying_sync);
      Promises promises;
      if (!RunAndCrash(fs, op, &promises)) break;
      fs.Restart(GetParam().crash, static_cast<uint32_t>(op));
      const auto journal = OpenJournal(fs, {judged_as.durability, promises.committed});
      if (!journal.ok()) continue;
      const std::string wrong =
          CheckConserved(**journal, promises.committed, promises.MustEnd(judged_as));
      if (wrong.empty()) continue;
      EXPECT_THAT(wrong, StartsWith("lost: "));
      ++losses;
    }
    return losses;
  }
};

TEST_P(OracleTest, ALyingFdatasyncIsFoundOut) {
  EXPECT_EQ(LossesSeen(GetParam(), false), 0u);
  // Only what is promised before the first acknowledgement, which is nothing, cannot be lost.
  EXPECT_GE(LossesSeen(GetParam(), true), kCrashPointsMin / 2);
}

INSTANTIATE_TEST_SUITE_P(PowerLoss, OracleTest,
                         ::testing::Values(Scenario{Durability::kSynced, Crash::kPowerLoss, false},
                                           Scenario{Durability::kWritten, Crash::kPowerLoss, true}),
                         NameOf);

using WrittenOracleTest = OracleTest;

TEST_P(WrittenOracleTest, APowerLossThatIsJudgedAsAProcessCrashIsALoss) {
  EXPECT_GE(LossesSeen({Durability::kWritten, Crash::kProcess, false}, false), 5u);
}

INSTANTIATE_TEST_SUITE_P(PowerLoss, WrittenOracleTest,
                         ::testing::Values(Scenario{Durability::kWritten, Crash::kPowerLoss,
                                                    false}),
                         NameOf);

// Changes the bytes of an intact segment and asks the oracle.
std::string VerdictAfter(const std::function<void(std::string*)>& change) {
  FaultFs fs;
  {
    auto journal = OpenJournal(fs, {});
    if (!journal.ok() || !AppendGroup(**journal, {2, 2, 2}).ok()) return "no journal";
  }
  const std::string path = JoinPath(kDir, SegmentName(0));
  std::string bytes = fs.Content(path);
  change(&bytes);
  fs.SetContent(path, bytes);
  auto journal = OpenJournal(fs, {});
  if (!journal.ok()) return journal.status().ToString();
  return CheckConserved(**journal, 0, 6);
}

TEST(ConservationOracleTest, SaysNothingAboutAnIntactJournal) {
  EXPECT_EQ(VerdictAfter([](std::string*) {}), "");
}

TEST(ConservationOracleTest, SeesAMissingTail) {
  EXPECT_THAT(VerdictAfter([](std::string* bytes) { bytes->pop_back(); }), StartsWith("lost: "));
}

TEST(ConservationOracleTest, SeesAGap) {
  EXPECT_THAT(VerdictAfter([](std::string* bytes) { bytes->at(kHeaderBytes) ^= 1; }),
              StartsWith("lost: [0, 2)"));
}

TEST(ConservationOracleTest, SeesARecordWithOtherBytesThanWereAppended) {
  EXPECT_THAT(VerdictAfter([](std::string* bytes) {
                auto header = DecodeHeader(*bytes);
                bytes->at(kHeaderBytes) ^= 1;
                header->payload_crc =
                    Crc32c(absl::string_view(*bytes).substr(kHeaderBytes, header->length));
                EncodeHeader(*header, bytes->data());
              }),
              HasSubstr("record 0 is not what was written"));
}

TEST(ConservationOracleTest, SeesALostBeginning) {
  FaultFs fs;
  auto journal = OpenJournal(fs, {});
  ASSERT_TRUE(journal.ok());
  ASSERT_TRUE(AppendGroup(**journal, {2, 2}).ok());
  journal->reset();
  ASSERT_TRUE(WriteLowOffset(fs, kDir, 2).ok());
  journal = OpenJournal(fs, {});
  ASSERT_TRUE(journal.ok());
  EXPECT_THAT(CheckConserved(**journal, 0, 4), StartsWith("lost: must begin at 0, begins at 2"));
}

}  // namespace
}  // namespace center::journal
