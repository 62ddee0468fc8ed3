#include "services/coordinator/api/event_log.h"

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/spec.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/supervision/fakes.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CountingFollower final : public EventLog::Follower {
 public:
  void OnNewEvents() override {
    ++woken;
    if (on_new_events) on_new_events();
  }

  int woken = 0;
  std::function<void()> on_new_events;
};

class EventLogTest : public testing::Test {
 protected:
  EventLogTest() { Open(); }

  void Open() {
    log_.reset();
    store_.reset();
    auto store = state::Store::Open(scratch_.path() + "/center.db");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    log_ = std::make_unique<EventLog>(*store_, clock_);
  }

  void Append(const std::string& reason, const std::string& subject = "web/0") {
    v1::Event event;
    event.set_type(v1::EVENT_TYPE_WORKER_STARTED);
    event.set_subject(subject);
    event.set_reason(reason);
    log_->Append(std::move(event));
  }

  EventLog::Page Read(const state::EventQuery& query = {}) {
    auto page = log_->Read(query);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.value_or(EventLog::Page());
  }
  static std::vector<std::string> Reasons(const EventLog::Page& page) {
    std::vector<std::string> reasons;
    for (const v1::Event& event : page.events) reasons.push_back(event.reason());
    return reasons;
  }

  ScratchDir scratch_;
  supervision::FakeClock clock_;
  std::unique_ptr<state::Store> store_;
  std::unique_ptr<EventLog> log_;
};

TEST_F(EventLogTest, AnEventGetsAnIdAndATime) {
  Append("first");
  v1::Event event;
  event.set_id(77);
  event.set_type(v1::EVENT_TYPE_WORKER_DIED);
  event.set_subject("web/1");
  event.set_reason("second");
  event.mutable_time()->set_seconds(12);
  (*event.mutable_details())["signal"] = "9";
  log_->Append(event);

  const auto page = Read();
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[0].id(), 1u);
  EXPECT_EQ(page.events[0].time().SerializeAsString(), FromTime(clock_.Wall()).SerializeAsString());
  EXPECT_EQ(page.events[1].id(), 2u) << "an id that the event came with means nothing";
  EXPECT_EQ(page.events[1].time().seconds(), 12);
  EXPECT_EQ(page.events[1].type(), v1::EVENT_TYPE_WORKER_DIED);
  EXPECT_EQ(page.events[1].details().at("signal"), "9");
}

TEST_F(EventLogTest, AReaderGoesOnWhereItStopped) {
  for (int i = 1; i <= 5; ++i) Append(absl::StrCat(i));
  auto page = Read({.limit = 2});
  EXPECT_THAT(Reasons(page), ElementsAre("1", "2"));
  page = Read({.since_id = page.seen_id, .limit = 2});
  EXPECT_THAT(Reasons(page), ElementsAre("3", "4"));
  Open();  // a new coordinator
  page = Read({.since_id = page.seen_id, .limit = 2});
  EXPECT_THAT(Reasons(page), ElementsAre("5"));
  page = Read({.since_id = page.seen_id, .limit = 2});
  EXPECT_THAT(Reasons(page), IsEmpty());
  EXPECT_FALSE(page.history_gone);
  Append("6");
  EXPECT_THAT(Reasons(Read({.since_id = page.seen_id})), ElementsAre("6"));
}

TEST_F(EventLogTest, OneServersEventsAreItsOwnAndItsWorkers) {
  Append("server", "web");
  Append("worker", "web/0");
  Append("other", "webmail/0");
  Append("coordinator", "coordinator");
  EXPECT_THAT(Reasons(Read({.server = "web"})), ElementsAre("server", "worker"));
}

TEST_F(EventLogTest, OnlyTheNewestAreKeptAndALateReaderIsTold) {
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::warn);  // ten thousand lines say nothing more than one
  for (uint64_t i = 1; i <= state::kEventsMax + 2; ++i) Append(absl::StrCat(i));
  spdlog::set_level(level);
  const auto late = Read({.since_id = 1, .limit = 1});
  EXPECT_TRUE(late.history_gone);
  EXPECT_THAT(Reasons(late), ElementsAre("3"));
  EXPECT_FALSE(Read({.since_id = 2, .limit = 1}).history_gone);
}

TEST_F(EventLogTest, FollowersAreWokenWhenTheEventCanBeRead) {
  CountingFollower follower;
  std::vector<std::string> seen;
  follower.on_new_events = [&] { seen = Reasons(Read()); };
  log_->AddFollower(&follower);
  Append("one");
  EXPECT_THAT(seen, ElementsAre("one"));
  Append("two");
  EXPECT_EQ(follower.woken, 2);
  log_->RemoveFollower(&follower);
  Append("three");
  EXPECT_EQ(follower.woken, 2);
}

TEST_F(EventLogTest, WhatIsStoredSoonKeepsItsTimeAndItsPlace) {
  CountingFollower follower;
  log_->AddFollower(&follower);
  const absl::Time began = clock_.Wall();
  log_->AppendSoon(CoordinatorEvent(v1::EVENT_TYPE_JOB_STARTED, "one"));
  clock_.Advance(EventLog::kSoon);
  log_->AppendSoon(CoordinatorEvent(v1::EVENT_TYPE_JOB_ENDED, "two"));
  EXPECT_EQ(follower.woken, 0);
  log_->Flush();
  EXPECT_EQ(follower.woken, 1);
  log_->Flush();
  EXPECT_EQ(follower.woken, 1) << "there is nothing new";
  log_->AppendSoon(CoordinatorEvent(v1::EVENT_TYPE_JOB_STARTED, "three"));
  Append("four");
  log_->AppendSoon(CoordinatorEvent(v1::EVENT_TYPE_JOB_ENDED, "five"));
  const auto page = Read();
  EXPECT_THAT(Reasons(page), ElementsAre("one", "two", "three", "four", "five"))
      << "who reads has not to wait";
  ASSERT_FALSE(page.events.empty());
  EXPECT_EQ(absl::FromUnixSeconds(page.events[0].time().seconds()) +
                absl::Nanoseconds(page.events[0].time().nanos()),
            began);
}

TEST_F(EventLogTest, AFollowerIsNotCalledWhileItReads) {
  CountingFollower follower;
  bool reading = false;
  follower.on_new_events = [&] { EXPECT_FALSE(reading); };
  log_->AddFollower(&follower);
  log_->AppendSoon(CoordinatorEvent(v1::EVENT_TYPE_JOB_STARTED, "one"));
  reading = true;
  EXPECT_THAT(Reasons(Read()), ElementsAre("one"));
  reading = false;
  EXPECT_EQ(follower.woken, 0);
  log_->Flush();
  EXPECT_EQ(follower.woken, 1) << "others do not know of it yet";
}

TEST_F(EventLogTest, WhatIsStoredSoonIsStoredAtTheEnd) {
  log_->AppendSoon(CoordinatorEvent(v1::EVENT_TYPE_JOB_ENDED, "one"));
  Open();
  EXPECT_THAT(Reasons(Read()), ElementsAre("one"));
}

TEST_F(EventLogTest, AFollowerMayLeaveAndTakeAnotherWithItWhileItIsTold) {
  CountingFollower first;
  CountingFollower second;
  const auto both_leave = [&] {
    log_->RemoveFollower(&first);
    log_->RemoveFollower(&second);
  };
  first.on_new_events = both_leave;
  second.on_new_events = both_leave;
  log_->AddFollower(&first);
  log_->AddFollower(&second);
  Append("one");
  Append("two");
  EXPECT_EQ(first.woken + second.woken, 1) << "who has left is not told any more";
}

TEST_F(EventLogTest, TextThatIsNoUtf8IsEscapedRatherThanStoredDamaged) {
  v1::Event event;
  event.set_subject("coordinator");
  event.set_reason("data directory /tmp/\xff");
  (*event.mutable_details())["stderr"] = "cut \xc3";
  log_->Append(event);
  const auto page = Read();
  EXPECT_THAT(Reasons(page), ElementsAre("data directory /tmp/\\xff"));
  EXPECT_EQ(page.events[0].details().at("stderr"), "cut \\xc3");
}

TEST_F(EventLogTest, AReasonIsOneLineAndEscapedOnce) {
  std::ostringstream lines;
  auto logger = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines));
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(logger);
  Append("killed by \"C:\\kill\"\nWORKER_STARTED: forged");
  spdlog::set_default_logger(before);
  const std::string once = R"(killed by "C:\\kill"\nWORKER_STARTED: forged)";
  EXPECT_THAT(Reasons(Read()), ElementsAre(once));
  EXPECT_THAT(lines.str(), testing::HasSubstr(absl::StrCat("WORKER_STARTED: ", once, "\n")));
}

TEST_F(EventLogTest, ALimitThatIsReachedAgainAndAgainIsToldOnceInAMinute) {
  for (int i = 0; i < 100; ++i) log_->LimitReached("SERVER_LIMIT", "coordinator", "too many");
  log_->LimitReached("STREAM_LIMIT", "coordinator", "too many streams");
  EXPECT_THAT(Reasons(Read()), ElementsAre("too many", "too many streams"));
  clock_.Advance(absl::ToChronoNanoseconds(EventLog::kLimitInterval));
  log_->LimitReached("SERVER_LIMIT", "coordinator", "again");
  const auto page = Read();
  EXPECT_THAT(Reasons(page), ElementsAre("too many", "too many streams", "again"));
  EXPECT_EQ(page.events[2].type(), v1::EVENT_TYPE_LIMIT_REACHED);
  EXPECT_EQ(page.events[2].details().at("limit"), "SERVER_LIMIT");
}

TEST_F(EventLogTest, ADamagedEventIsAnErrorThatNamesIt) {
  Append("good");
  ASSERT_TRUE(store_->AppendEvent({.time = clock_.Wall(), .subject = "web", .body = "\xff"}).ok());
  const absl::Status status = log_->Read({}).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("event 2"));
}

}  // namespace
}  // namespace center::coordinator
