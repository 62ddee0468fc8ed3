// Streams of servers with workers that were scaled away: their journals are read on demand.
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

using ::testing::HasSubstr;

class ArchiveTest : public RelayTest {
 protected:
  // default/0 lives, default/1 is archived; its reader comes up when somebody wants it.
  void SetUp() override {
    RelayTest::SetUp();
    AddWorker().Append(10);
    AddWorker().Append(20);
    directory_.SetOnWanted([this](const std::string& server) {
      EXPECT_EQ(server, "default");
      {
        absl::MutexLock lock(&mutex_);
        ++wanted_;
      }
      if (!error_.empty()) return PublishArchived("", error_);
      if (answers_) PublishArchived(workers_[1]->address());
    });
  }
  void PublishArchived(const std::string& address, const std::string& error = "",
                       bool running = true) {
    directory_.SetServer(
        "default",
        {{.worker = "default/0", .address = workers_[0]->address(), .generation = 1},
         {.worker = "default/1",
          .address = address,
          .generation = generations_["default/1"],
          .archived = true,
          .error = error}},
        running);
  }
  int wanted() {
    absl::MutexLock lock(&mutex_);
    return wanted_;
  }

  bool answers_ = true;
  std::string error_;

 private:
  int wanted_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST_F(ArchiveTest, ThePastIsReadToItsEnd) {
  PublishArchived("");
  Subscriber subscriber(*stub_, Earliest());
  EXPECT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.payloads(), 30u);
  EXPECT_EQ(subscriber.fault(), "");
  EXPECT_EQ(wanted(), 1);
}

TEST_F(ArchiveTest, AFollowerGoesOnWithTheOthersAndTheArchiveIsNotHeldOpen) {
  PublishArchived("");
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 20));
  workers_[0]->Append(5);
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 15));
  ASSERT_EQ(workers_[1]->requests().size(), 1u);
  EXPECT_FALSE(workers_[1]->requests()[0].follow());
  EXPECT_EQ(subscriber.fault(), "");
}

TEST_F(ArchiveTest, AWorkerThatComesBackIsFollowedFromWhereItsArchiveEnded) {
  PublishArchived("");
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 20));
  ++generations_["default/1"];
  Publish();
  workers_[1]->Append(5);
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 25)) << subscriber.fault();
  EXPECT_EQ(subscriber.fault(), "");
  EXPECT_EQ(subscriber.payloads(), 35u);
}

TEST_F(ArchiveTest, AWorkerThatGoesIsReadToItsEndByThoseWhoFollow) {
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 20));
  workers_[1]->Die();
  workers_[1]->Append(5);
  ++generations_["default/1"];
  workers_[1]->Up();
  PublishArchived("");
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 25)) << subscriber.fault();
  EXPECT_EQ(subscriber.fault(), "");
}

TEST_F(ArchiveTest, WhoWantsOnlyWhatIsNewStartsNoReader) {
  PublishArchived("");
  Subscriber subscriber(*stub_, Latest());
  subscriber.ReadInBackground();
  ASSERT_TRUE(WaitForStreams(1));
  workers_[0]->Append(5);
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 15));
  EXPECT_EQ(wanted(), 0);
}

TEST_F(ArchiveTest, AnArchivedWorkerAloneMayBeRead) {
  PublishArchived("");
  v1::StreamPayloadsRequest request = Earliest();
  request.set_worker("default/1");
  Subscriber subscriber(*stub_, request);
  EXPECT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.payloads(), 20u);
}

TEST_F(ArchiveTest, AReaderThatDoesNotComeUpEndsTheStreamAndSaysWhy) {
  error_ = "its reader exited with code 1";
  PublishArchived("");
  for (const bool follow : {false, true}) {
    Subscriber subscriber(*stub_, Earliest(follow));
    const absl::Status status = subscriber.ReadAll();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("its reader exited with code 1"));
    PublishArchived("");
  }
}

TEST_F(ArchiveTest, AServerThatStopsEndsThoseWhoWaitForAReader) {
  answers_ = false;
  PublishArchived("");
  Subscriber subscriber(*stub_, Earliest());
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 10));
  PublishArchived("", "", /*running=*/false);
  const absl::Status status = subscriber.WaitForEnd();
  EXPECT_EQ(rpc::ReasonOf(status), "SERVER_STOPPED") << status;
}

TEST_F(ArchiveTest, AStoppedServerHasNothingToRead) {
  directory_.SetServer("default",
                       {{.worker = "default/0"}, {.worker = "default/1", .archived = true}},
                       /*running=*/false);
  EXPECT_EQ(rpc::ReasonOf(StatusOf(Earliest())), "SERVER_STOPPED");
  EXPECT_EQ(wanted(), 0);
}

TEST_F(ArchiveTest, WorkersThatCountedAtTheBeginningAreReadOnceWithoutFollow) {
  answers_ = false;
  PublishArchived("");
  Subscriber subscriber(*stub_, Earliest());
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 10));
  // Not while it ends: what is lost in the middle ends a stream that does not follow.
  ASSERT_TRUE(workers_[0]->WaitForCalls(0));
  Restart(*workers_[0]);  // and default/1 is back
  EXPECT_EQ(subscriber.WaitForEnd(), absl::OkStatus());
  EXPECT_EQ(subscriber.payloads(), 30u);
  EXPECT_EQ(subscriber.fault(), "");
}

}  // namespace
}  // namespace center::relay
