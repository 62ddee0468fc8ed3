// Streams that end: order, errors, validation.
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

using ::testing::HasSubstr;

class StreamTest : public RelayTest {};

TEST_F(StreamTest, DeliversEveryPayloadOfAllWorkersInOrder) {
  for (int i = 0; i < 3; ++i) AddWorker().Append(100 + 10 * i);
  Publish();
  Subscriber subscriber(*stub_, Earliest());
  EXPECT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.fault(), "");
  EXPECT_EQ(subscriber.payloads(), 330u);
  EXPECT_THAT(subscriber.next_offsets(), ::testing::ElementsAre(::testing::Pair("default/0", 100),
                                                                ::testing::Pair("default/1", 110),
                                                                ::testing::Pair("default/2", 120)));
}

TEST_F(StreamTest, WorkersTakeTurns) {
  // Large messages and a subscriber that has not begun to read: both workers have something held.
  for (int i = 0; i < 2; ++i) {
    AddWorker({.payloads_per_batch = 1, .batches_per_message = 1}).Append(40, 1 << 20);
  }
  Publish();
  Subscriber subscriber(*stub_, Earliest());
  for (const auto& worker : workers_) ASSERT_TRUE(worker->WaitForBytesWritten(1 << 20));
  ASSERT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.fault(), "");
  int longest = 0;
  int run = 0;
  std::string last;
  for (const std::string& worker : subscriber.order()) {
    run = worker == last ? run + 1 : 1;
    last = worker;
    longest = std::max(longest, run);
  }
  EXPECT_LT(longest, 20) << "one worker starved the other";
}

TEST_F(StreamTest, OneWorkerOnly) {
  AddWorker().Append(5);
  AddWorker().Append(7);
  Publish();
  auto request = Earliest();
  request.set_worker("default/1");
  Subscriber subscriber(*stub_, request);
  EXPECT_TRUE(subscriber.ReadAll().ok());
  EXPECT_THAT(subscriber.next_offsets(), ::testing::ElementsAre(::testing::Pair("default/1", 7)));
}

TEST_F(StreamTest, CursorIsSplitAmongTheWorkers) {
  FakeWorker& first = AddWorker();
  FakeWorker& second = AddWorker();
  first.Append(10);
  second.Append(10);
  Publish();
  v1::StreamPayloadsRequest request;
  (*request.mutable_start()->mutable_cursor()->mutable_next_offsets())["default/0"] = 8;
  (*request.mutable_start()->mutable_cursor()->mutable_next_offsets())["default/77"] = 3;
  Subscriber subscriber(*stub_, request);
  EXPECT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.payloads(), 2u + 10u);
  ASSERT_EQ(first.requests().size(), 1u);
  EXPECT_EQ(first.requests()[0].start().cursor().next_offsets().size(), 1u);
  EXPECT_EQ(second.requests()[0].start().place(), v1::StartPosition::PLACE_EARLIEST);
}

TEST_F(StreamTest, GapsPassThrough) {
  FakeWorker& worker = AddWorker();
  worker.Append(20);
  worker.Forget(15);
  Publish();
  Subscriber subscriber(*stub_, Earliest());
  EXPECT_TRUE(subscriber.ReadAll().ok());
  EXPECT_EQ(subscriber.fault(), "");
  EXPECT_EQ(subscriber.payloads(), 5u);
}

TEST_F(StreamTest, UnknownServerAndWorker) {
  absl::Status status = StatusOf(Earliest());
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(rpc::ReasonOf(status), "SERVER_NOT_FOUND");

  AddWorker();
  Publish();
  auto request = Earliest();
  request.set_worker("default/9");
  status = StatusOf(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_NOT_FOUND");
}

TEST_F(StreamTest, StoppedServer) {
  FakeWorker& worker = AddWorker();
  worker.Die();
  Publish(false, {&worker});
  for (const bool follow : {false, true}) {
    const absl::Status status = StatusOf(Earliest(follow));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << follow;
    EXPECT_EQ(rpc::ReasonOf(status), "SERVER_STOPPED") << follow;
  }
}

TEST_F(StreamTest, WorkerThatIsDownIsNamed) {
  AddWorker().Append(3);
  FakeWorker& down = AddWorker();
  Publish(true, {&down});
  const absl::Status status = StatusOf(Earliest());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("default/1"));
}

TEST_F(StreamTest, WorkerThatDoesNotAnswerIsNamed) {
  FakeWorker& worker = AddWorker();
  Publish();
  worker.Die();
  const absl::Status status = StatusOf(Earliest());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("default/0"));
}

TEST_F(StreamTest, WorkerThatBreaksOffIsNamedAfterWhatItSent) {
  FakeWorker& worker = AddWorker();
  worker.Append(100);
  worker.BreakNextAfter(3, absl::UnavailableError("ending"));
  Publish();
  Subscriber subscriber(*stub_, Earliest());
  const absl::Status status = subscriber.ReadAll();
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_UNAVAILABLE");
  EXPECT_EQ(subscriber.payloads(), 24u);
  EXPECT_EQ(subscriber.fault(), "");
}

TEST_F(StreamTest, AddressThatCannotBeUnderstoodIsAnError) {
  directory_.SetServer("default", {{"default/0", "no address", 1}}, true);
  EXPECT_FALSE(StatusOf(Earliest()).ok());
  EXPECT_FALSE(StatusOf(Earliest(true)).ok());
}

TEST_F(StreamTest, WorkersErrorsArePassedOnWithTheirDetails) {
  FakeWorker& worker = AddWorker();
  AddWorker().Append(1);
  Publish();
  worker.Refuse(rpc::InvalidFields({{"filter.regex", "missing )"}}));
  for (const bool follow : {false, true}) {
    const absl::Status status = StatusOf(Earliest(follow));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << follow;
    EXPECT_EQ(rpc::ReasonOf(status), "INVALID_FIELDS") << follow;
    EXPECT_TRUE(status.GetPayload("type.googleapis.com/google.rpc.BadRequest").has_value());
  }
  worker.Refuse(rpc::WithReason(absl::DataLossError("unreadable"), "JOURNAL_DAMAGED"));
  EXPECT_EQ(rpc::ReasonOf(StatusOf(Earliest(true))), "JOURNAL_DAMAGED");
}

TEST_F(StreamTest, InvalidRequestsNameTheField) {
  AddWorker();
  Publish();
  auto request = Earliest();
  request.mutable_start()->set_place(v1::StartPosition::PLACE_UNSPECIFIED);
  request.set_max_message_bytes(kMessageBytesMax + 1);
  request.mutable_filter()->set_regex(std::string(kFilterBytesMax + 1, 'x'));
  request.mutable_filter()->add_kinds(v1::PAYLOAD_KIND_UNSPECIFIED);
  const absl::Status status = StatusOf(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rpc::ReasonOf(status), "INVALID_FIELDS");
  for (const char* field : {"start.place", "max_message_bytes", "filter.regex", "filter.kinds"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
}

TEST_F(StreamTest, RequestThatIsNoMessageIsRefused) {
  AddWorker();
  Publish();
  auto channel =
      rpc::MakeChannel(*ParseNetAddress(absl::StrCat("unix:", folder_, "/coordinator.sock")));
  grpc::GenericStub generic(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  auto call = generic.PrepareCall(&context, "/center.v1.PayloadService/StreamPayloads", &queue);
  const grpc::Slice slice("\xff\xff\xff");
  const grpc::ByteBuffer garbage(&slice, 1);
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  call->WriteLast(garbage, grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(StreamTest, NoMoreStreamsThanPermitted) {
  StartRelay({.streams_max = 2});
  AddWorker();
  Publish();
  Subscriber first(*stub_, Latest());
  Subscriber second(*stub_, Latest());
  ASSERT_TRUE(WaitForStreams(2));
  const absl::Status status = StatusOf(Earliest());
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(rpc::ReasonOf(status), "SUBSCRIBER_LIMIT");
  first.Cancel();
  ASSERT_TRUE(WaitForStreams(1));
  EXPECT_TRUE(StatusOf(Earliest()).ok());
}

TEST_F(StreamTest, StoppingCoordinatorEndsStreams) {
  AddWorker().Append(3);
  Publish();
  Subscriber subscriber(*stub_, Earliest(true));
  subscriber.ReadInBackground();
  ASSERT_TRUE(subscriber.WaitForOffset("default/0", 3));
  relay_->EndStreams();
  EXPECT_EQ(rpc::ReasonOf(subscriber.WaitForEnd()), "COORDINATOR_STOPPING");
  EXPECT_EQ(rpc::ReasonOf(StatusOf(Earliest())), "COORDINATOR_STOPPING");
  EXPECT_TRUE(workers_[0]->WaitForCalls(0));
}

}  // namespace
}  // namespace center::relay
