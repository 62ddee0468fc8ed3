// The books of `drill`: what is wrong is seen, and what is not is not.
#include "cli/drill_ledger.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

SteadyTime At(int seconds) { return SteadyTime(std::chrono::seconds(seconds)); }

// A ledger with a subscriber and journals that a test fills by hand.
class DrillLedgerTest : public testing::Test {
 protected:
  DrillLedgerTest() { ledger_.BeginRow(); }

  // A connection that has sent `count` payloads.
  uint32_t Sent(uint32_t count, SteadyTime opened = At(1)) {
    const uint32_t connection = ledger_.Connected(opened, opened, 0);
    ledger_.Sending(connection, count);
    return connection;
  }
  static void Fill(DrillTally& tally, uint32_t connection, uint32_t from, uint32_t to,
                   absl::string_view worker = "s/0") {
    for (uint32_t i = from; i < to; ++i) tally.Add(worker, DrillPayloadText({connection, i}));
  }
  void Both(uint32_t connection, uint32_t from, uint32_t to, absl::string_view worker = "s/0") {
    Fill(stored_, connection, from, to, worker);
    Fill(seen_, connection, from, to, worker);
  }
  DrillFigures Settle() { return ledger_.Settle(seen_, stored_); }

  DrillLedger ledger_;
  DrillTally stored_;
  DrillTally seen_;
};

TEST(DrillRunTest, ARunHasItsOwnPayloadsAndNoOthers) {
  DrillTally tally("1f2e");
  tally.Add("s/0", DrillPayloadText({1, 0}, "1f2e"));
  tally.Add("s/0", DrillPayloadText({1, 1}, "1f2e"));
  tally.Add("s/1", DrillPayloadText({2, 0}, "1f2e"));
  tally.Add("s/1", DrillPayloadText({3, 0}, "77aa"));
  tally.Add("s/1", DrillPayloadText({4, 0}));
  tally.Add("s/1", "{\"of\": \"somebody else\"}");
  EXPECT_EQ(tally.payloads(), 3u);
  EXPECT_EQ(tally.damaged(), 0u);
  EXPECT_THAT(tally.PayloadsByWorker(), ElementsAre(Pair("s/0", 2u), Pair("s/1", 1u)));
  EXPECT_EQ(tally.Find(3), nullptr);
}

TEST(DrillRunTest, APayloadOfTheRunThatWasChangedIsDamage) {
  std::string text = DrillPayloadText({1, 0}, "1f2e");
  EXPECT_TRUE(ParseDrillPayload(text, "1f2e").has_value());
  EXPECT_FALSE(ParseDrillPayload(text, "").has_value());
  EXPECT_FALSE(ParseDrillPayload(text, "1f2").has_value());
  text[text.find(',') + 1] = '9';
  DrillTally tally("1f2e");
  tally.Add("s/0", text);
  EXPECT_EQ(tally.payloads(), 0u);
  EXPECT_EQ(tally.damaged(), 1u);
}

TEST_F(DrillLedgerTest, TalliesAreTheSameWhenEachHasAllOfTheOther) {
  Both(0, 0, 3);
  Both(1, 0, 2, "s/1");
  EXPECT_TRUE(seen_.SameAs(stored_));
  Fill(seen_, 0, 3, 4);
  EXPECT_FALSE(seen_.SameAs(stored_));
  // As many, but others.
  Fill(stored_, 1, 2, 3, "s/1");
  EXPECT_EQ(seen_.payloads(), stored_.payloads());
  EXPECT_FALSE(seen_.SameAs(stored_));
  Fill(stored_, 0, 3, 4);
  Fill(seen_, 1, 2, 3, "s/1");
  EXPECT_TRUE(seen_.SameAs(stored_));
  Fill(seen_, 1, 2, 3, "s/1");
  EXPECT_FALSE(seen_.SameAs(stored_)) << "one is there twice";
}

TEST(DrillPayloadTest, IsReadBackAndDiffersFromEveryOther) {
  std::set<std::string> texts;
  for (uint32_t connection : {0u, 1u, 77u, 4'000'000'000u}) {
    for (uint32_t sequence = 0; sequence < 200; ++sequence) {
      const std::string text = DrillPayloadText({connection, sequence});
      EXPECT_TRUE(texts.insert(text).second) << text;
      const auto payload = ParseDrillPayload(text);
      ASSERT_TRUE(payload.has_value()) << text;
      EXPECT_EQ(payload->connection, connection);
      EXPECT_EQ(payload->sequence, sequence);
    }
  }
}

TEST(DrillPayloadTest, WhatIsChangedOrCutOffIsNone) {
  const std::string text = DrillPayloadText({12, 34});
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_FALSE(ParseDrillPayload(changed).has_value()) << changed;
    EXPECT_FALSE(ParseDrillPayload(text.substr(0, i)).has_value()) << i;
  }
  EXPECT_FALSE(ParseDrillPayload(absl::StrCat(text, "0")).has_value());
}

TEST_F(DrillLedgerTest, WhatIsAcknowledgedStoredAndSeenOnceIsClean) {
  const uint32_t connection = Sent(5);
  ledger_.Acknowledged(connection, At(2));
  Both(connection, 0, 5);
  const DrillFigures figures = Settle();
  EXPECT_TRUE(figures.clean());
  EXPECT_EQ(figures.connects, 1u);
  EXPECT_EQ(figures.acknowledged, 5u);
  EXPECT_THAT(ledger_.notes(), IsEmpty());
}

TEST_F(DrillLedgerTest, AnAcknowledgedPayloadThatTheJournalsLackIsLost) {
  const uint32_t connection = Sent(5);
  ledger_.Acknowledged(connection, At(2));
  Both(connection, 0, 2);
  Both(connection, 3, 5);
  EXPECT_EQ(Settle().lost, 1u);
  EXPECT_THAT(ledger_.notes(),
              ElementsAre(absl::StrCat("payload ", connection, ",2 is lost: it was acknowledged")));
}

TEST_F(DrillLedgerTest, AWholeAcknowledgedConnectionThatIsMissingIsLost) {
  ledger_.Acknowledged(Sent(5), At(2));
  EXPECT_EQ(Settle().lost, 5u);
}

TEST_F(DrillLedgerTest, AnUnacknowledgedPayloadMayBeMissingUnlessSomebodySawIt) {
  const uint32_t connection = Sent(5);
  ledger_.Fault("s/0", At(2), At(3));
  ledger_.Broken(connection, At(3), "reset");
  Fill(stored_, connection, 0, 2);
  Fill(seen_, connection, 0, 3);
  const DrillFigures figures = Settle();
  EXPECT_EQ(figures.lost, 1u);
  EXPECT_THAT(ledger_.notes(), ElementsAre(HasSubstr("a subscriber has seen it")));
}

TEST_F(DrillLedgerTest, AHoleBeforeAStoredPayloadIsALossEvenWithoutAcknowledgement) {
  const uint32_t connection = Sent(5);
  ledger_.Fault("s/0", At(2), At(3));
  ledger_.Broken(connection, At(3), "reset");
  Both(connection, 0, 1);
  Both(connection, 2, 3);
  EXPECT_EQ(Settle().lost, 1u);
  EXPECT_THAT(ledger_.notes(), ElementsAre(HasSubstr("a later one of its connection is stored")));
}

TEST_F(DrillLedgerTest, APayloadThatIsStoredTwiceIsDuplicatedAndOneThatIsSeenTwiceToo) {
  const uint32_t connection = Sent(3);
  ledger_.Acknowledged(connection, At(2));
  Both(connection, 0, 3);
  Fill(stored_, connection, 1, 2);
  Fill(seen_, connection, 2, 3);
  const DrillFigures figures = Settle();
  EXPECT_EQ(figures.duplicated, 2u);
  EXPECT_EQ(figures.lost, 0u);
}

TEST_F(DrillLedgerTest, WhatAProducerSendsAgainIsNoDuplicate) {
  const uint32_t first = Sent(3);
  ledger_.Fault("s/0", At(2), At(3));
  ledger_.Broken(first, At(3), "reset");
  Both(first, 0, 3);
  const uint32_t second = ledger_.Connected(At(4), At(4), 3);
  ledger_.Sending(second, 3);
  ledger_.Acknowledged(second, At(5));
  Both(second, 0, 3, "s/1");
  const DrillFigures figures = Settle();
  EXPECT_TRUE(figures.clean());
  EXPECT_EQ(figures.resent, 3u);
  EXPECT_EQ(figures.cut, 1u);
}

TEST_F(DrillLedgerTest, AStoredPayloadThatTheSubscriberNeverSawIsTold) {
  const uint32_t connection = Sent(3);
  ledger_.Acknowledged(connection, At(2));
  Fill(stored_, connection, 0, 3);
  Fill(seen_, connection, 0, 2);
  EXPECT_EQ(Settle().unseen, 1u);
}

TEST_F(DrillLedgerTest, AConnectionIsCutOnlyIfItsOwnWorkerWasEnded) {
  ledger_.Fault("s/0", At(10), At(12));
  const uint32_t of_victim = Sent(2, At(5));
  Both(of_victim, 0, 1, "s/0");
  ledger_.Broken(of_victim, At(11), "reset");
  const uint32_t of_sibling = Sent(2, At(5));
  Both(of_sibling, 0, 1, "s/1");
  ledger_.Broken(of_sibling, At(11), "reset by peer");
  const uint32_t of_nobody_known = Sent(2, At(5));
  ledger_.Broken(of_nobody_known, At(11), "reset");
  const DrillFigures figures = Settle();
  EXPECT_EQ(figures.cut, 2u);
  EXPECT_EQ(figures.reset, 1u);
  EXPECT_THAT(ledger_.notes(),
              ElementsAre(absl::StrCat("connection ", of_sibling, " to s/1 broke: reset by peer")));
}

TEST_F(DrillLedgerTest, AConnectionThatBreaksBeforeOrBeginsAfterTheFaultIsReset) {
  ledger_.Fault("s/0", At(10), At(12));
  ledger_.Broken(Sent(1, At(5)), At(9), "early");
  ledger_.Broken(Sent(1, At(13)), At(14), "late");
  EXPECT_EQ(Settle().reset, 2u);
}

TEST_F(DrillLedgerTest, EveryFailedConnectIsRefused) {
  ledger_.ConnectFailed(At(1), At(4), "Connection refused");
  ledger_.ConnectFailed(At(1), At(2), "Connection refused");
  const DrillFigures figures = Settle();
  EXPECT_EQ(figures.connects, 2u);
  EXPECT_EQ(figures.refused, 2u);
  EXPECT_EQ(figures.slowest_connect, std::chrono::seconds(3));
  EXPECT_FALSE(figures.clean());
  EXPECT_THAT(ledger_.notes(), ElementsAre("Connection refused (2 times)"));
}

TEST(DrillSocketsTest, AConnectThatFailsWhileAWorkerIsAwayWithItsSocketIsCut) {
  DrillLedger ledger(DrillLedger::Sockets::kOwn);
  ledger.BeginRow();
  ledger.Fault("s/0", At(10), At(12));
  ledger.ConnectFailed(At(11), At(11), "Connection refused");
  ledger.ConnectFailed(At(13), At(14), "Connection refused, later");
  const DrillFigures figures = ledger.Settle(DrillTally(), DrillTally());
  EXPECT_EQ(figures.connects, 2u);
  EXPECT_EQ(figures.cut, 1u);
  EXPECT_EQ(figures.refused, 1u);
  EXPECT_THAT(ledger.notes(), ElementsAre("Connection refused, later"));
}

TEST_F(DrillLedgerTest, WhereTheSocketIsSharedAConnectThatFailsIsRefusedWheneverItIs) {
  ledger_.Fault("s/0", At(10), At(12));
  ledger_.ConnectFailed(At(11), At(11), "Connection refused");
  EXPECT_EQ(Settle().refused, 1u);
}

TEST_F(DrillLedgerTest, WhatNobodySentIsDamage) {
  const uint32_t connection = Sent(1);
  ledger_.Acknowledged(connection, At(2));
  Both(connection, 0, 1);
  stored_.Add("s/0", "not a payload of a drill");
  Fill(stored_, connection + 1, 0, 2);
  EXPECT_EQ(Settle().damaged, 3u);
}

TEST_F(DrillLedgerTest, ARowReportsOnlyWhatIsNew) {
  const uint32_t connection = Sent(3);
  ledger_.Acknowledged(connection, At(2));
  Both(connection, 0, 2);
  EXPECT_EQ(Settle().lost, 1u);
  ledger_.BeginRow();
  const DrillFigures second = Settle();
  EXPECT_EQ(second.lost, 0u);
  EXPECT_EQ(second.acknowledged, 0u);
  // What vanishes later is the later row's.
  DrillTally less;
  Fill(less, connection, 0, 1);
  ledger_.BeginRow();
  EXPECT_EQ(ledger_.Settle(seen_, less).lost, 1u);
}

TEST(DrillFiguresTest, AddUp) {
  DrillFigures sum{.connects = 1, .lost = 2, .slowest_connect = std::chrono::seconds(2)};
  sum += {.connects = 10, .refused = 3, .slowest_connect = std::chrono::seconds(1)};
  EXPECT_EQ(sum.connects, 11u);
  EXPECT_EQ(sum.refused, 3u);
  EXPECT_EQ(sum.lost, 2u);
  EXPECT_EQ(sum.slowest_connect, std::chrono::seconds(2));
}

}  // namespace
}  // namespace center::cli
