// TailPayloads: one readable payload a message.
#include "tests/unit/relay/relay_fixture.h"

namespace center::relay {
namespace {

class TailTest : public RelayTest {
 protected:
  absl::Status Tail(const v1::TailPayloadsRequest& request) {
    items_.clear();
    grpc::ClientContext context;
    auto reader = stub_->TailPayloads(&context, request);
    v1::TailPayloadsResponse item;
    while (reader->Read(&item)) items_.push_back(item);
    return rpc::FromGrpc(reader->Finish());
  }
  static v1::TailPayloadsRequest Earliest() {
    v1::TailPayloadsRequest request;
    request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
    return request;
  }
  std::vector<v1::TailPayloadsResponse> items_;
};

TEST_F(TailTest, ShowsEachPayloadByItsKind) {
  FakeWorker& worker = AddWorker();
  worker.AppendPayload("plain");
  worker.AppendPayload("JSON|{\"a\": 1}");
  worker.AppendPayload("");
  worker.AppendPayload("[1,2]");
  worker.AppendPayload("\xff\x01");
  Publish();
  ASSERT_TRUE(Tail(Earliest()).ok());
  ASSERT_EQ(items_.size(), 5u);
  EXPECT_EQ(items_[0].payload().text(), "plain");
  EXPECT_EQ(items_[0].payload().kind(), v1::PAYLOAD_KIND_TEXT);
  EXPECT_EQ(items_[1].payload().json(), "{\"a\": 1}");
  EXPECT_EQ(items_[1].payload().kind(), v1::PAYLOAD_KIND_JSON);
  EXPECT_TRUE(items_[2].payload().has_text());
  EXPECT_EQ(items_[3].payload().json(), "[1,2]");
  EXPECT_EQ(items_[4].payload().data(), "\xff\x01");
  EXPECT_EQ(items_[4].payload().kind(), v1::PAYLOAD_KIND_BINARY);
  for (size_t i = 0; i < items_.size(); ++i) {
    EXPECT_EQ(items_[i].payload().offset(), i);
    EXPECT_EQ(items_[i].payload().worker(), "default/0");
    EXPECT_EQ(items_[i].payload().peer(), "127.0.0.1:4000");
    EXPECT_GT(items_[i].payload().receive_time().seconds(), 1'600'000'000);
  }
}

TEST_F(TailTest, LimitEndsWithOkAndLetsGoOfTheWorkers) {
  FakeWorker& worker = AddWorker();
  worker.Append(1000);
  Publish();
  auto request = Earliest();
  request.set_limit(7);
  request.set_follow(true);
  ASSERT_TRUE(Tail(request).ok());
  EXPECT_EQ(items_.size(), 7u);
  EXPECT_TRUE(worker.WaitForCalls(0));
  EXPECT_TRUE(WaitForStreams(0));
}

TEST_F(TailTest, ShowsGapsWhichDoNotCount) {
  FakeWorker& worker = AddWorker();
  worker.Append(10);
  worker.Forget(8);
  Publish();
  auto request = Earliest();
  request.set_limit(2);
  ASSERT_TRUE(Tail(request).ok());
  ASSERT_EQ(items_.size(), 3u);
  EXPECT_EQ(items_[0].gap().to_offset(), 8u);
  EXPECT_EQ(items_[1].payload().offset(), 8u);
  EXPECT_EQ(items_[2].payload().text(), "default/0#9");
}

TEST_F(TailTest, ManyPayloadsArriveInOrder) {
  AddWorker({.payloads_per_batch = 500, .batches_per_message = 3}).Append(20'000);
  Publish();
  ASSERT_TRUE(Tail(Earliest()).ok());
  ASSERT_EQ(items_.size(), 20'000u);
  for (size_t i = 0; i < items_.size(); ++i) ASSERT_EQ(items_[i].payload().offset(), i);
}

TEST_F(TailTest, ErrorsAreThoseOfTheStream) {
  EXPECT_EQ(rpc::ReasonOf(Tail(Earliest())), "SERVER_NOT_FOUND");
  FakeWorker& worker = AddWorker();
  Publish();
  worker.Refuse(rpc::InvalidFields({{"filter.regex", "missing )"}}));
  EXPECT_EQ(rpc::ReasonOf(Tail(Earliest())), "INVALID_FIELDS");
}

}  // namespace
}  // namespace center::relay
