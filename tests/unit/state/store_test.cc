#include "services/coordinator/state/store.h"

#include <unistd.h>

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::state {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class StoreTest : public testing::Test {
 protected:
  StoreTest()
      : folder_(absl::StrCat(testing::TempDir(), "/store_", ::getpid(), "_",
                             testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(folder_);
    Reopen();
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string path() const { return folder_ + "/center.db"; }

  void Reopen() {
    store_.reset();
    auto store = Store::Open(path());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  absl::StatusOr<Offsets> Commit(const std::string& subscription, Offsets offsets,
                                 bool rewind = false) {
    return store_->CommitCursor({.server = "default",
                                 .subscription = subscription,
                                 .offsets = std::move(offsets),
                                 .rewind = rewind,
                                 .time = kNow});
  }

  uint64_t Append(const std::string& subject, absl::Time time = kNow) {
    auto id = store_->AppendEvent({.time = time, .subject = subject, .body = "body"});
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or(0);
  }

  EventPage Events(const EventQuery& query) {
    auto page = store_->ListEvents(query);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.value_or(EventPage());
  }

  const std::string folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, ServersSurviveAReopening) {
  const ServerRecord web{.name = "web",
                         .spec = std::string("\0\xff", 2),
                         .desired_running = true,
                         .create_time = kNow,
                         .port = 5001};
  ASSERT_TRUE(store_->PutServer(web).ok());
  ASSERT_TRUE(store_->PutServer({.name = "app", .create_time = kNow}).ok());
  Reopen();
  auto found = store_->GetServer("web");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->spec, web.spec);
  EXPECT_TRUE(found->desired_running);
  EXPECT_EQ(found->create_time, kNow);
  EXPECT_EQ(found->port, 5001u);
  auto all = store_->ListServers();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].name, "app");
}

TEST_F(StoreTest, APutReplacesAndADeleteForgets) {
  ASSERT_TRUE(store_->PutServer({.name = "web", .desired_running = true}).ok());
  ASSERT_TRUE(store_->PutServer({.name = "web", .desired_running = false}).ok());
  EXPECT_FALSE(store_->GetServer("web")->desired_running);
  ASSERT_TRUE(store_->DeleteServer("web").ok());
  ASSERT_TRUE(store_->DeleteServer("web").ok());
  EXPECT_TRUE(absl::IsNotFound(store_->GetServer("web").status()));
}

TEST_F(StoreTest, ProcessesAreRecordedUntilTheyAreDeleted) {
  ASSERT_TRUE(
      store_->PutProcess({.worker = "a/0", .pid = 7, .start_ticks = 99, .boot_id = "b"}).ok());
  ASSERT_TRUE(store_->PutProcess({.worker = "a/1", .pid = 8}).ok());
  ASSERT_TRUE(store_->DeleteProcess("a/1").ok());
  Reopen();
  auto processes = store_->ListProcesses();
  ASSERT_TRUE(processes.ok());
  ASSERT_EQ(processes->size(), 1u);
  EXPECT_EQ(processes->front().worker, "a/0");
  EXPECT_EQ(processes->front().pid, 7);
  EXPECT_EQ(processes->front().start_ticks, 99u);
  EXPECT_EQ(processes->front().boot_id, "b");
}

TEST_F(StoreTest, ACommitKeepsWhatItLeavesOut) {
  EXPECT_THAT(*Commit("s", {{"default/0", 5}}), ElementsAre(Pair("default/0", 5)));
  EXPECT_THAT(*Commit("s", {{"default/1", 7}}),
              ElementsAre(Pair("default/0", 5), Pair("default/1", 7)));
}

TEST_F(StoreTest, AnOffsetMovesBackOnlyByRewind) {
  ASSERT_TRUE(Commit("s", {{"default/0", 5}}).ok());
  EXPECT_THAT(*Commit("s", {{"default/0", 3}}), ElementsAre(Pair("default/0", 5)));
  EXPECT_THAT(*Commit("s", {{"default/0", 3}}, /*rewind=*/true), ElementsAre(Pair("default/0", 3)));
}

TEST_F(StoreTest, AnOffsetThatCannotBeStoredIsRefusedAndNothingIs) {
  const auto refused = Commit("s", {{"default/0", 1}, {"default/1", uint64_t{1} << 63}});
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetCursor("default", "s").status()));
  EXPECT_TRUE(Commit("s", {{"default/1", (uint64_t{1} << 63) - 1}}).ok());
}

TEST_F(StoreTest, AnEmptyCommitCreatesTheSubscription) {
  EXPECT_THAT(*Commit("s", {}), IsEmpty());
  Reopen();
  auto cursor = store_->GetCursor("default", "s");
  ASSERT_TRUE(cursor.ok());
  EXPECT_EQ(cursor->commit_time, kNow);
  EXPECT_THAT(cursor->next_offsets, IsEmpty());
}

TEST_F(StoreTest, SubscriptionsAreListedByNameInPages) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(Commit(name, {{"default/0", 1}}).ok());
  auto page = store_->ListSubscriptions("default", "", 2);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ((*page)[0].name, "a");
  EXPECT_THAT((*page)[0].next_offsets, ElementsAre(Pair("default/0", 1)));
  EXPECT_EQ((*page)[1].name, "b");
  page = store_->ListSubscriptions("default", "b", 2);
  ASSERT_EQ(page->size(), 1u);
  EXPECT_EQ(page->front().name, "c");
  EXPECT_THAT(*store_->ListSubscriptions("other", "", 2), IsEmpty());
}

TEST_F(StoreTest, ADeletedSubscriptionLeavesNothingForItsSuccessor) {
  ASSERT_TRUE(Commit("s", {{"default/0", 5}}).ok());
  ASSERT_TRUE(store_->DeleteSubscription("default", "s").ok());
  EXPECT_TRUE(absl::IsNotFound(store_->DeleteSubscription("default", "s")));
  EXPECT_THAT(*Commit("s", {}), IsEmpty());
}

TEST_F(StoreTest, SubscriptionsOfAServerAreLimited) {
  {
    auto database = Database::Open(path());
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(
        database
            ->Execute(
                absl::StrCat("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
                             "WHERE i + 1 < ",
                             kSubscriptionsPerServerMax,
                             ") INSERT INTO subscriptions SELECT 'default', 's' || i, 0 FROM n")
                    .c_str())
            .ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(Commit("one-more", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->GetCursor("default", "one-more").status()));
  EXPECT_TRUE(Commit("s0", {{"default/0", 1}}).ok());
}

TEST_F(StoreTest, MinCommittedIsTheLeastOfAllSubscriptions) {
  EXPECT_FALSE(store_->MinCommitted("default", "default/0")->has_value());
  ASSERT_TRUE(Commit("a", {{"default/0", 9}}).ok());
  ASSERT_TRUE(Commit("b", {{"default/0", 4}, {"default/1", 2}}).ok());
  EXPECT_EQ(**store_->MinCommitted("default", "default/0"), 4u);
  // "a" has committed nothing of this worker, so everything is kept for it.
  EXPECT_EQ(**store_->MinCommitted("default", "default/1"), 0u);
  ASSERT_TRUE(store_->DeleteSubscription("default", "b").ok());
  EXPECT_EQ(**store_->MinCommitted("default", "default/0"), 9u);
}

TEST_F(StoreTest, EventIdsAscendAcrossReopenings) {
  EXPECT_EQ(Append("coordinator"), 1u);
  EXPECT_EQ(Append("coordinator"), 2u);
  Reopen();
  EXPECT_EQ(Append("coordinator"), 3u);
}

TEST_F(StoreTest, EventIdsAreNotUsedAgainAfterABoot) {
  EXPECT_EQ(Append("coordinator"), 1u);
  {
    auto database = Database::Open(path());
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->Execute("UPDATE meta SET value = 'other' WHERE key = 'boot_id'").ok());
  }
  Reopen();
  EXPECT_GT(Append("coordinator"), 1u + kEventsMax);
}

TEST_F(StoreTest, EventsAreFilteredByServer) {
  for (const char* subject : {"coordinator", "web", "web/0", "web-2", "web-2/0", "w"}) {
    Append(subject);
  }
  const EventPage page = Events({.server = "web"});
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[0].subject, "web");
  EXPECT_EQ(page.events[1].subject, "web/0");
  EXPECT_EQ(page.events[1].body, "body");
  EXPECT_EQ(page.seen_id, 6u);
}

TEST_F(StoreTest, EventsArePagedByIdAndFilteredByTime) {
  for (int i = 0; i < 5; ++i) Append("web", kNow + absl::Seconds(i));
  EventPage page = Events({.limit = 2});
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.seen_id, 2u);
  page = Events({.since_id = page.seen_id, .limit = 10});
  EXPECT_EQ(page.events.size(), 3u);
  EXPECT_EQ(page.seen_id, 5u);
  page = Events({.since_time = kNow + absl::Seconds(3)});
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[0].time, kNow + absl::Seconds(3));
}

TEST_F(StoreTest, OnlyTheNewestEventsAreKeptAndTheLossIsSaid) {
  for (uint64_t i = 0; i < kEventsMax + 3; ++i) {
    Append("web", kNow + absl::Seconds(static_cast<int64_t>(i)));
  }
  EventPage page = Events({.limit = 1});
  EXPECT_EQ(page.events.front().id, 4u);
  EXPECT_FALSE(page.history_gone) << "from the oldest that there is";
  EXPECT_TRUE(Events({.since_id = 2, .limit = 1}).history_gone);
  EXPECT_FALSE(Events({.since_id = 3, .limit = 1}).history_gone);
  EXPECT_TRUE(Events({.since_time = kNow + absl::Seconds(2), .limit = 1}).history_gone);
  EXPECT_FALSE(Events({.since_time = kNow + absl::Seconds(3), .limit = 1}).history_gone);
  Reopen();
  Append("web");
  EXPECT_EQ(Events({.limit = 1}).events.front().id, 5u);
}

TEST_F(StoreTest, FewerEventsAreKeptWhereFewerAreAskedFor) {
  for (int i = 0; i < 10; ++i) Append("web");
  store_.reset();
  auto store = Store::Open(path(), {.events_max = 4});
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  EXPECT_EQ(Events({.limit = 100}).events.size(), 4u);
  EXPECT_TRUE(Events({.since_id = 5, .limit = 1}).history_gone);
  Append("web");
  const EventPage page = Events({.limit = 100});
  ASSERT_EQ(page.events.size(), 4u);
  EXPECT_EQ(page.events.front().id, 8u);
}

TEST_F(StoreTest, AnswersAreRememberedForADay) {
  const std::string answer("\0x", 2);
  ASSERT_TRUE(store_->RememberAnswer("start/1", answer, kNow).ok());
  Reopen();
  EXPECT_EQ(**store_->FindAnswer("start/1", kNow), answer);
  EXPECT_FALSE(store_->FindAnswer("start/2", kNow)->has_value());
  EXPECT_TRUE(store_->FindAnswer("start/1", kNow + kAnswerAge)->has_value());
  EXPECT_FALSE(
      store_->FindAnswer("start/1", kNow + kAnswerAge + absl::Nanoseconds(1))->has_value());
}

TEST_F(StoreTest, TheOldestAnswersMakeRoomForNewOnes) {
  for (uint64_t i = 0; i < kAnswersMax + 200; ++i) {
    ASSERT_TRUE(store_
                    ->RememberAnswer(absl::StrCat(i), "answer",
                                     kNow + absl::Nanoseconds(static_cast<int64_t>(i)))
                    .ok());
  }
  EXPECT_FALSE(store_->FindAnswer("0", kNow)->has_value());
  EXPECT_TRUE(store_->FindAnswer(absl::StrCat(kAnswersMax + 199), kNow)->has_value());
  auto database = Database::Open(path());
  ASSERT_TRUE(database.ok());
  EXPECT_LE(*database->QueryInt("SELECT count(*) FROM answers"), static_cast<int64_t>(kAnswersMax));
}

TEST_F(StoreTest, AStateFromBeforeAdoptionIsTakenOver) {
  ASSERT_TRUE(store_->PutServer({.name = "web", .spec = "s", .desired_running = true}).ok());
  store_.reset();
  {
    auto database = Database::Open(path());
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database
                    ->Execute("DROP TABLE clients; DROP TABLE client_processes; "
                              "DROP TABLE processes; CREATE TABLE processes (worker TEXT PRIMARY "
                              "KEY, pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL, boot_id "
                              "TEXT NOT NULL) WITHOUT ROWID; INSERT INTO processes VALUES "
                              "('web/0', 7, 99, 'b'); PRAGMA user_version = 2")
                    .ok());
  }
  Reopen();
  auto processes = store_->ListProcesses();
  ASSERT_TRUE(processes.ok()) << processes.status();
  ASSERT_EQ(processes->size(), 1u);
  EXPECT_EQ(processes->front().pid, 7);
  EXPECT_EQ(processes->front().start_ticks, 99u);
  EXPECT_EQ(processes->front().token, "");
  EXPECT_EQ(processes->front().generation, 0u);
  EXPECT_TRUE(store_->GetServer("web").ok());
}

TEST_F(StoreTest, ClientsAreKeptByNameWithTheirPast) {
  ASSERT_TRUE(store_
                  ->PutClient({.name = "b",
                               .spec = "s",
                               .desired_running = true,
                               .create_time = kNow,
                               .past = std::string("p\0q", 3)})
                  .ok());
  ASSERT_TRUE(store_->PutClient({.name = "a"}).ok());
  Reopen();
  auto clients = store_->ListClients();
  ASSERT_TRUE(clients.ok()) << clients.status();
  ASSERT_EQ(clients->size(), 2u);
  EXPECT_EQ((*clients)[0].name, "a");
  EXPECT_FALSE((*clients)[0].desired_running);
  EXPECT_EQ((*clients)[1].spec, "s");
  EXPECT_TRUE((*clients)[1].desired_running);
  EXPECT_EQ((*clients)[1].create_time, kNow);
  EXPECT_EQ((*clients)[1].past, std::string("p\0q", 3));
  ASSERT_TRUE(store_->DeleteClient("b").ok());
  EXPECT_EQ(store_->ListClients()->size(), 1u);
}

TEST_F(StoreTest, ProcessesOfServersAndClientsOfOneNameAreToldApart) {
  ASSERT_TRUE(store_->PutProcess({.worker = "web/0", .pid = 7}).ok());
  ASSERT_TRUE(store_->PutProcess({.worker = "web/0", .pid = 8}, Owner::kClient).ok());
  EXPECT_EQ(store_->ListProcesses()->front().pid, 7);
  ASSERT_TRUE(store_->DeleteProcess("web/0").ok());
  EXPECT_TRUE(store_->ListProcesses()->empty());
  ASSERT_EQ(store_->ListProcesses(Owner::kClient)->size(), 1u);
  EXPECT_EQ(store_->ListProcesses(Owner::kClient)->front().pid, 8);
}

TEST_F(StoreTest, AProcessIsRememberedWithAllThatALaterCoordinatorNeeds) {
  ASSERT_TRUE(store_
                  ->PutProcess({.worker = "web/0",
                                .pid = 7,
                                .start_ticks = 99,
                                .boot_id = "b",
                                .token = "secret",
                                .launch_time = kNow,
                                .generation = 5,
                                .restarts = 2})
                  .ok());
  Reopen();
  const state::ProcessRecord found = store_->ListProcesses()->front();
  EXPECT_EQ(found.token, "secret");
  EXPECT_EQ(found.launch_time, kNow);
  EXPECT_EQ(found.generation, 5u);
  EXPECT_EQ(found.restarts, 2u);
}

TEST_F(StoreTest, AStateOfANewerCenterIsNotTouched) {
  store_.reset();
  {
    auto database = Database::Open(path());
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->Execute("PRAGMA user_version = 1000").ok());
  }
  const absl::Status status = Store::Open(path()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST_F(StoreTest, ManyThreadsMayUseIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (uint64_t i = 1; i <= 50; ++i) {
        EXPECT_TRUE(Commit("s", {{absl::StrCat("default/", t), i}}).ok());
        EXPECT_TRUE(store_->AppendEvent({.time = kNow, .subject = "web"}).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(store_->GetCursor("default", "s")->next_offsets,
              ElementsAre(Pair("default/0", 50), Pair("default/1", 50), Pair("default/2", 50),
                          Pair("default/3", 50)));
  EXPECT_EQ(Append("web"), 201u);
}

TEST_F(StoreTest, ARunThatEndedInOrderIsToldFromOneThatDidNot) {
  const auto first = store_->BeginRun({"0.1.0", 7, absl::FromUnixSeconds(100)});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->has_value());
  const auto second = store_->BeginRun({"0.2.0", 8, absl::FromUnixSeconds(200)});
  ASSERT_TRUE(second.ok() && second->has_value());
  EXPECT_EQ((*second)->version, "0.1.0");
  EXPECT_EQ((*second)->pid, 7);
  EXPECT_EQ((*second)->start_time, absl::FromUnixSeconds(100));
  EXPECT_FALSE((*second)->ended);
  ASSERT_TRUE(store_->EndRun().ok());
  const auto third = store_->BeginRun({"0.2.0", 9, absl::FromUnixSeconds(300)});
  ASSERT_TRUE(third.ok() && third->has_value());
  EXPECT_EQ((*third)->pid, 8);
  EXPECT_TRUE((*third)->ended);
}

}  // namespace
}  // namespace center::state
