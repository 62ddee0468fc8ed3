#include "services/coordinator/supervision/roll_order.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::supervision {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kBegan = 10;

class RollOrderTest : public ::testing::Test {
 protected:
  // All three serve, with processes from before.
  RollOrderTest() {
    for (int i = 0; i < 3; ++i) {
      slots_.push_back({.stays = true, .serves = true, .incarnation = i + 1, .process = "old"});
    }
  }

  void Begin(RollOptions options = {}) {
    std::vector<uint32_t> meant = {0, 1, 2};
    if (options.only_slot.has_value()) meant = {*options.only_slot};
    ASSERT_TRUE(RollOrder::Begin("s", options, meant, kBegan, &roll_).ok());
  }
  void Replace(uint32_t slot, bool serves = true) {
    slots_[slot].process = "new";
    slots_[slot].incarnation = ++incarnation_;
    slots_[slot].serves = serves;
  }
  void ExpectReplaces(uint32_t slot) {
    const RollOrder::Step step = roll_->Next(slots_);
    EXPECT_EQ(step.what, RollOrder::What::kReplace);
    EXPECT_EQ(step.slot, slot);
  }
  RollOrder::What Next() { return roll_->Next(slots_).what; }

  std::vector<RolledSlot> slots_;
  absl::optional<RollOrder> roll_;
  int64_t incarnation_ = kBegan;
};

TEST_F(RollOrderTest, OneAfterTheOtherEachWhenTheOneBeforeServes) {
  Begin();
  for (uint32_t slot = 0; slot < 3; ++slot) {
    ExpectReplaces(slot);
    slots_[slot].serves = false;  // it drains
    EXPECT_EQ(Next(), RollOrder::What::kWait);
    Replace(slot, /*serves=*/false);
    EXPECT_EQ(Next(), RollOrder::What::kWait);
    slots_[slot].serves = true;
  }
  EXPECT_EQ(Next(), RollOrder::What::kEnd);
  EXPECT_EQ(roll_->progress().replaced, 3u);
}

TEST_F(RollOrderTest, AProcessThatServesStillIsNotItsReplacement) {
  Begin();
  ExpectReplaces(0);
  EXPECT_EQ(Next(), RollOrder::What::kWait);
}

TEST_F(RollOrderTest, WhatDoesNotServeGoesFirstAndCostsNothing) {
  slots_[2].serves = false;
  Begin();
  ExpectReplaces(2);
}

TEST_F(RollOrderTest, NoneIsTakenAwayWhileAnotherIsMissing) {
  Begin();
  ExpectReplaces(0);
  Replace(0);
  Replace(1, /*serves=*/false);  // it was launched for another reason: it is new already
  EXPECT_EQ(Next(), RollOrder::What::kWait);
  slots_[1].given_up = true;  // it never will
  ExpectReplaces(2);
}

TEST_F(RollOrderTest, TheOnlyOneThatIsMeantWaitsForNobody) {
  slots_[1].serves = false;
  Begin({.only_slot = 2});
  ExpectReplaces(2);
}

TEST_F(RollOrderTest, ItEndsWithTheFirstFailure) {
  Begin();
  ExpectReplaces(0);
  roll_->Fail(0, "s/0", "it exited with 7");
  roll_->Fail(1, "s/1", "another reason");
  RollOrder::Step step = roll_->Next(slots_);
  ASSERT_EQ(step.what, RollOrder::What::kEnd);
  EXPECT_EQ(step.result.outcome, RollOutcome::kFailed);
  EXPECT_EQ(step.result.slot, 0u);
  EXPECT_THAT(step.result.reason, HasSubstr("worker s/0 did not become READY: it exited with 7"));
}

TEST_F(RollOrderTest, ASlotThatIsScaledAwayIsLeftOut) {
  Begin();
  ExpectReplaces(0);
  slots_.resize(1);
  Replace(0);
  EXPECT_EQ(Next(), RollOrder::What::kEnd);
}

TEST_F(RollOrderTest, TheOnlyOneThatIsScaledAwayStopsIt) {
  Begin({.only_slot = 2});
  ExpectReplaces(2);
  slots_[2].stays = false;
  EXPECT_EQ(roll_->Next(slots_).result.outcome, RollOutcome::kStopped);
}

TEST_F(RollOrderTest, TheEndSaysHowManyWereReplaced) {
  RollResult heard;
  Begin({.done = [&](const RollResult& result) { heard = result; }});
  ExpectReplaces(0);
  Replace(0);
  ExpectReplaces(1);
  std::move(*roll_).Ended({.outcome = RollOutcome::kStopped, .reason = "stop"})();
  EXPECT_EQ(heard.replaced, 1u);
  EXPECT_EQ(heard.reason, "stop");
}

TEST_F(RollOrderTest, ASecondOneAndAnUnknownWorkerAreRefused) {
  Begin();
  EXPECT_TRUE(absl::IsAlreadyExists(RollOrder::Begin("s", {}, {0}, kBegan, &roll_)));
  absl::optional<RollOrder> other;
  EXPECT_TRUE(absl::IsNotFound(RollOrder::Begin("s", {.only_slot = 7}, {}, kBegan, &other)));
}

}  // namespace
}  // namespace center::supervision
