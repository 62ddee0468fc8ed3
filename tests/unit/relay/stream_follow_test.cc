// Streams that follow: workers that die, come back, are added and taken away.
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

class FollowTest : public RelayTest {};

TEST_F(FollowTest, NewPayloadsArrive) {
  FakeWorker& worker = AddWorker();
  worker.Append(3);
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 3));
  worker.Append(5);
  EXPECT_TRUE(subscriber.WaitForOffset("default/0", 8));
  EXPECT_EQ(subscriber.fault(), "");
}

TEST_F(FollowTest, WorkerThatDiesIsResumedWithoutDuplicatesOrHoles) {
  FakeWorker& worker = AddWorker();
  FakeWorker& other = AddWorker();
  worker.Append(500);
  other.Append(500);
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  uint64_t total = 500;
  for (int round = 0; round < 10; ++round) {
    worker.Append(300);  // under way when the worker dies
    total += 300;
    Restart(worker);
    worker.Append(50);
    total += 50;
  }
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", total)) << subscriber.fault();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 500));
  EXPECT_EQ(subscriber.fault(), "");
  EXPECT_EQ(subscriber.payloads(), total + 500);
}

TEST_F(FollowTest, CallThatBreaksIsMadeAgainThoughTheProcessIsTheSame) {
  FakeWorker& worker = AddWorker();
  worker.Append(200);
  worker.BreakNextAfter(5, absl::UnavailableError("connection reset"));
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 200)) << subscriber.fault();
  EXPECT_EQ(subscriber.fault(), "");
  EXPECT_EQ(subscriber.payloads(), 200u);
  ASSERT_EQ(worker.requests().size(), 2u);
  EXPECT_EQ(worker.requests()[1].start().cursor().next_offsets().at("default/0"), 40u);
}

TEST_F(FollowTest, ResumesAfterAGapAndAfterProgress) {
  FakeWorker& worker = AddWorker();
  worker.Append(20);
  worker.Forget(15);
  worker.BreakNextAfter(1, absl::UnavailableError("gone"));  // only the gap was sent
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 20));
  ASSERT_EQ(worker.requests().size(), 2u);
  EXPECT_EQ(worker.requests()[1].start().cursor().next_offsets().at("default/0"), 15u);
  Restart(worker);  // caught up: the last message was a progress
  worker.Append(1);
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 21));
  EXPECT_EQ(worker.requests().back().start().cursor().next_offsets().at("default/0"), 20u);
  EXPECT_EQ(subscriber.fault(), "");
}

TEST_F(FollowTest, WaitsForWorkersThatAreDownAtFirst) {
  FakeWorker& up = AddWorker();
  FakeWorker& down = AddWorker();
  up.Append(2);
  down.Append(3);
  Publish(true, {&down});
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 2));
  EXPECT_EQ(down.requests().size(), 0u);
  Publish();
  EXPECT_TRUE(subscriber.WaitForOffset("default/1", 3));
}

TEST_F(FollowTest, LatestOfAWorkerThatWasDownStartsWhenTheStreamBegan) {
  FakeWorker& up = AddWorker();
  FakeWorker& down = AddWorker();
  down.Append(4);  // before the stream: not wanted
  Publish(true, {&down});
  Subscriber subscriber(*stub_, Latest());
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 0));
  EXPECT_EQ(up.requests()[0].start().place(), v1::StartPosition::PLACE_LATEST);
  down.Append(3);  // received before the relay has called it
  Publish();
  EXPECT_TRUE(subscriber.WaitForOffset("default/1", 7));
  EXPECT_EQ(subscriber.payloads(), 3u);
}

TEST_F(FollowTest, AddedWorkersJoinFromTheirBeginning) {
  AddWorker();
  Publish();
  Subscriber subscriber(*stub_, Latest());
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 0));
  FakeWorker& added = AddWorker();
  added.Append(10);
  Publish();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 10));
  EXPECT_EQ(subscriber.payloads(), 10u);
}

TEST_F(FollowTest, WorkerTakenAwayAndAddedAgainGoesOnWhereItWas) {
  AddWorker();
  FakeWorker& second = AddWorker();
  second.Append(10);
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 10));
  directory_.SetServer("default", {{"default/0", workers_[0]->address(), 1}}, true);
  second.Die();
  workers_[0]->Append(1);  // the stream goes on
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 1));
  second.Append(5);
  ++generations_["default/1"];
  second.Up();
  Publish();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 15));
  EXPECT_EQ(subscriber.payloads(), 16u);
  EXPECT_EQ(subscriber.fault(), "");
}

TEST_F(FollowTest, OnlyWorkerTakenAwayEndsTheStream) {
  AddWorker();
  FakeWorker& second = AddWorker();
  Publish();
  auto request = Earliest(true);
  request.set_worker("default/1");
  Subscriber subscriber(*stub_, request);
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/1", 0));
  directory_.SetServer("default", {{"default/0", workers_[0]->address(), 1}}, true);
  second.Die();
  EXPECT_EQ(rpc::ReasonOf(subscriber.WaitForEnd()), "WORKER_NOT_FOUND");
}

TEST_F(FollowTest, StoppedServerEndsTheStream) {
  FakeWorker& worker = AddWorker();
  worker.Append(3);
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 3));
  Publish(false);
  worker.Append(2);  // what a draining worker still has is delivered
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 5));
  worker.Die();
  Publish(false, {&worker});
  const absl::Status status = subscriber.WaitForEnd();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(rpc::ReasonOf(status), "SERVER_STOPPED");
}

TEST_F(FollowTest, StoppedServerWhoseWorkersSaidOkEndsWithOk) {
  FakeWorker& worker = AddWorker();
  worker.Append(3);
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 3));
  Publish(false);
  worker.Append(1);
  worker.Finish();
  EXPECT_TRUE(subscriber.WaitForEnd().ok());
  EXPECT_EQ(subscriber.payloads(), 4u);
}

TEST_F(FollowTest, RemovedServerEndsTheStream) {
  FakeWorker& worker = AddWorker();
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 0));
  worker.Die();
  directory_.RemoveServer("default");
  EXPECT_EQ(rpc::ReasonOf(subscriber.WaitForEnd()), "SERVER_STOPPED");
}

TEST_F(FollowTest, WorkerThatRefusesWhileItEndsIsAskedAgain) {
  FakeWorker& worker = AddWorker();
  worker.Append(3);
  worker.Refuse(absl::UnavailableError("the worker is ending"));
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  while (worker.requests().size() < 2) std::this_thread::yield();
  worker.Refuse(absl::OkStatus());
  EXPECT_TRUE(subscriber.WaitForOffset("default/0", 3));
}

}  // namespace
}  // namespace center::relay
