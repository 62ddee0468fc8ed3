// Rates, lags and sums from the coordinator's answers.
#include "cli/top_data.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/top_testing.h"

namespace center::cli {
namespace {

using ::testing::DoubleNear;
using ::testing::Eq;
using ::testing::Optional;
using ::testing::SizeIs;

TEST(TopHistoryTest, ThereAreNoRatesUntilTwoAnswersHaveCome) {
  TopHistory history;
  EXPECT_FALSE(history.any());
  history.Add(AnswerAt(0, {MakeServer("games", 2, {.payloads = 50})}));
  ASSERT_TRUE(history.any());
  const TopData data = history.Data();
  ASSERT_THAT(data.workers, SizeIs(2));
  EXPECT_FALSE(data.workers[0].figures.payloads_per_s.has_value());
  EXPECT_FALSE(data.total.cpu.has_value());
  EXPECT_EQ(data.total.connections, 3u);
  EXPECT_EQ(data.servers[0].figures.resident_bytes, uint64_t{20 << 20});
}

TEST(TopHistoryTest, RatesAreDifferencesOverTime) {
  TopHistory history;
  history.Add(AnswerAt(0, {MakeServer("games", 2, {.payloads = 50, .bytes = 100})}));
  history.Add(
      AnswerAt(2, {MakeServer("games", 2, {.payloads = 250, .bytes = 1100, .cpu_seconds = 1})}));
  const TopData data = history.Data();
  EXPECT_THAT(data.workers[1].figures.payloads_per_s, Optional(DoubleNear(100, 1e-6)));
  EXPECT_THAT(data.workers[1].figures.bytes_per_s, Optional(DoubleNear(500, 1e-6)));
  EXPECT_THAT(data.workers[1].figures.cpu, Optional(DoubleNear(0.5, 1e-6)));
  EXPECT_THAT(data.servers[0].figures.payloads_per_s, Optional(DoubleNear(200, 1e-6)));
  EXPECT_THAT(data.total.cpu, Optional(DoubleNear(1, 1e-6)));
}

TEST(TopHistoryTest, ClientsHaveARowForEachProcessOrOneForAllThatRest) {
  TopHistory history;
  for (const uint64_t second : {0, 2}) {
    TopAnswer answer = AnswerAt(static_cast<double>(second), {});
    answer.clients = {MakeClient("load", "games", 2, 100 * second),
                      MakeClient("resting", "games", 0, 0)};
    history.Add(std::move(answer));
  }
  const TopData data = history.Data();
  ASSERT_THAT(data.clients, SizeIs(3));
  EXPECT_EQ(data.clients[1].name(), "load/1");
  EXPECT_THAT(data.clients[1].figures.payloads_per_s, Optional(DoubleNear(100, 1e-6)));
  EXPECT_THAT(data.clients[1].figures.bytes_per_s, Optional(DoubleNear(1000, 1e-6)));
  EXPECT_THAT(data.clients[1].acknowledged_per_s, Optional(DoubleNear(50, 1e-6)));
  EXPECT_EQ(data.clients[2].name(), "resting");
  EXPECT_FALSE(data.clients[2].figures.payloads_per_s.has_value());
}

TEST(TopHistoryTest, WhatIsOlderThanTheWindowNoLongerCounts) {
  TopHistory history;
  history.Add(AnswerAt(0, {MakeServer("games", 1, {.payloads = 0})}));
  for (int second = 1; second <= 10; ++second) {
    history.Add(AnswerAt(second, {MakeServer("games", 1, {.payloads = 1000})}));
  }
  EXPECT_THAT(history.Data().total.payloads_per_s, Optional(Eq(0.0)));
}

TEST(TopHistoryTest, ANewProcessCountsFromNothing) {
  TopHistory history;
  history.Add(AnswerAt(0, {MakeServer("games", 1, {.payloads = 1000, .pid = 7})}));
  history.Add(AnswerAt(1, {MakeServer("games", 1, {.payloads = 1, .pid = 8})}));
  EXPECT_FALSE(history.Data().total.payloads_per_s.has_value());
  history.Add(AnswerAt(2, {MakeServer("games", 1, {.payloads = 11, .pid = 8})}));
  EXPECT_THAT(history.Data().total.payloads_per_s, Optional(DoubleNear(10, 1e-6)));
}

TEST(TopHistoryTest, TheLagIsThatOfTheSlowestSubscription) {
  const auto subscription = [](const std::string& name, uint64_t first, uint64_t second) {
    v1::Subscription made;
    made.set_name(name);
    made.set_server("games");
    (*made.mutable_cursor()->mutable_next_offsets())["games/0"] = first;
    (*made.mutable_cursor()->mutable_next_offsets())["games/1"] = second;
    return made;
  };
  TopHistory history;
  TopAnswer answer = AnswerAt(
      0, {MakeServer("games", 3, {.payloads = 100}), MakeServer("logs", 1, {.payloads = 5})});
  answer.subscriptions = {subscription("a", 100, 40), subscription("b", 90, 100)};
  history.Add(answer);
  const TopData data = history.Data();
  EXPECT_THAT(data.workers[0].figures.lag, Optional(Eq(10u)));
  EXPECT_THAT(data.workers[1].figures.lag, Optional(Eq(60u)));
  // Of a worker that a subscription has never committed everything is still to come.
  EXPECT_THAT(data.workers[2].figures.lag, Optional(Eq(100u)));
  EXPECT_THAT(data.servers[0].figures.lag, Optional(Eq(100u)));
  EXPECT_FALSE(data.servers[1].figures.lag.has_value());
}

TEST(TopHistoryTest, JobsThatRunStandFirstAndHaveRates) {
  const auto job = [](const std::string& id, v1::JobState state, uint64_t done) {
    v1::Job made;
    made.set_id(id);
    made.set_state(state);
    made.set_inputs(1000);
    made.set_inputs_complete(true);
    made.set_inputs_succeeded(done);
    return made;
  };
  TopHistory history;
  for (int second = 0; second < 2; ++second) {
    TopAnswer answer = AnswerAt(second, {});
    answer.jobs = {job("j3", v1::JOB_STATE_SUCCEEDED, 1000),
                   job("j2", v1::JOB_STATE_RUNNING, 100 + 50 * second),
                   job("j1", v1::JOB_STATE_FAILED, 3)};
    history.Add(answer);
  }
  const TopData data = history.Data();
  ASSERT_THAT(data.jobs, SizeIs(3));
  EXPECT_EQ(data.jobs[0].job.id(), "j2");
  EXPECT_THAT(data.jobs[0].inputs_per_s, Optional(DoubleNear(50, 1e-6)));
  EXPECT_EQ(data.jobs[1].job.id(), "j3");
  EXPECT_FALSE(data.jobs[1].inputs_per_s.has_value());
}

TEST(TopHistoryTest, EventsAreTheNewestAndNotMoreThanTheLimit) {
  TopHistory history;
  history.Add(AnswerAt(0, {}));
  for (uint64_t id = 1; id <= kTopEventsMax + 5; ++id) {
    history.AddEvent(MakeEvent(id, "games/0", "because"));
  }
  const TopData data = history.Data();
  ASSERT_THAT(data.events, SizeIs(kTopEventsMax));
  EXPECT_EQ(data.events.front().id(), kTopEventsMax + 5);
}

}  // namespace
}  // namespace center::cli
