// StreamPayloads read as bytes: the same as the generated classes say, and no trust in the sender.
#include "cli/payload_stream.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"
#include "tests/unit/worker_api/batches.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

v1::StreamPayloadsResponse Response() {
  v1::StreamPayloadsResponse response;
  uint64_t offset = 300;
  for (const std::vector<std::string>& payloads :
       {std::vector<std::string>{"one", "", "three"},
        std::vector<std::string>{std::string(200, 'x')}}) {
    v1::PayloadBatch* batch = response.add_batches();
    EXPECT_TRUE(batch->ParseFromString(worker::Encode(offset, 1, payloads).bytes()));
    offset += payloads.size();
  }
  response.mutable_gap()->set_worker("default/0");
  response.mutable_gap()->set_from_offset(304);
  response.mutable_gap()->set_to_offset(310);
  response.mutable_progress()->set_worker("default/0");
  response.mutable_progress()->set_next_offset(310);
  return response;
}

TEST(ParseStreamMessageTest, ReadsWhatTheGeneratedClassWrote) {
  const std::string bytes = Response().SerializeAsString();
  StreamMessage message;
  ASSERT_TRUE(ParseStreamMessage(bytes, &message).ok());
  ASSERT_THAT(message.batches, SizeIs(2));
  EXPECT_EQ(message.batches[0].header().first_offset, 300u);
  std::vector<std::string> payloads;
  for (const BatchView& batch : message.batches) {
    batch.ForEach([&](uint32_t, absl::string_view p) { payloads.emplace_back(p); });
  }
  EXPECT_THAT(payloads, ElementsAre("one", "", "three", std::string(200, 'x')));
  EXPECT_EQ(message.gap->to_offset(), 310u);
  EXPECT_EQ(message.progress->next_offset(), 310u);
}

TEST(ParseStreamMessageTest, AMessageForgetsTheOneBefore) {
  StreamMessage message;
  const std::string bytes = Response().SerializeAsString();
  ASSERT_TRUE(ParseStreamMessage(bytes, &message).ok());
  ASSERT_TRUE(ParseStreamMessage("", &message).ok());
  EXPECT_TRUE(message.batches.empty());
  EXPECT_FALSE(message.gap.has_value());
  EXPECT_FALSE(message.progress.has_value());
}

TEST(ParseStreamMessageTest, FieldsOfLaterVersionsAreSkipped) {
  std::string bytes = Response().SerializeAsString();
  bytes += std::string(
      "\x7a\x03"
      "abc"
      "\x80\x01\x05",
      8);  // field 15 as bytes, 16 as a varint
  StreamMessage message;
  ASSERT_TRUE(ParseStreamMessage(bytes, &message).ok());
  EXPECT_THAT(message.batches, SizeIs(2));
}

TEST(ParseStreamMessageTest, CutOffAnywhereItIsRefusedOrEndsAtAField) {
  const v1::StreamPayloadsResponse whole = Response();
  const std::string bytes = whole.SerializeAsString();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string part = bytes.substr(0, size);
    v1::StreamPayloadsResponse expected;
    StreamMessage message;
    EXPECT_EQ(ParseStreamMessage(part, &message).ok(), expected.ParseFromString(part)) << size;
  }
}

TEST(ParseStreamMessageTest, FlippedBitsNeverLeadOutsideTheBytes) {
  v1::StreamPayloadsResponse response = Response();
  response.clear_gap();  // protobuf's own parser reads it, and complains on stderr
  response.clear_progress();
  const std::string bytes = response.SerializeAsString();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      StreamMessage message;
      if (!ParseStreamMessage(damaged, &message).ok()) continue;
      for (const BatchView& batch : message.batches) {
        batch.ForEach([&](uint32_t, absl::string_view p) {
          EXPECT_TRUE(p.empty() || (p.data() >= damaged.data() &&
                                    p.data() + p.size() <= damaged.data() + damaged.size()));
        });
      }
    }
  }
}

v1::StreamPayloadsRequest FromEarliest() {
  v1::StreamPayloadsRequest request;
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  return request;
}

class PayloadStreamTest : public CliTest {
 protected:
  PayloadStreamTest() : coordinator_(dir_.path()) {}
  FakeCoordinator coordinator_;
};

TEST_F(PayloadStreamTest, ReadsAndCountsTheSame) {
  coordinator_.payloads.Append("default/0", 1001);
  coordinator_.payloads.Append("default/1", 3);
  coordinator_.payloads.Forget("default/1", 1);
  PayloadStream stream(coordinator_.Channel(), FromEarliest());
  StreamMessage message;
  StreamCounts read;
  uint64_t missing = 0;
  while (stream.Read(&message)) {
    for (const BatchView& batch : message.batches) {
      read.payloads += batch.count();
      read.bytes += batch.data().size();
    }
    if (message.gap.has_value()) missing += message.gap->to_offset() - message.gap->from_offset();
  }
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(read.payloads, 1003u);
  EXPECT_EQ(missing, 1u);

  PayloadStream counting(coordinator_.Channel(), FromEarliest());
  StreamCounts counted;
  uint64_t counted_missing = 0;
  while (counting.ReadCounts(&counted, &message)) {
    EXPECT_TRUE(message.batches.empty());
    if (message.gap.has_value()) {
      counted_missing += message.gap->to_offset() - message.gap->from_offset();
    }
  }
  EXPECT_TRUE(counting.Finish().ok());
  EXPECT_EQ(counted.payloads, read.payloads);
  EXPECT_EQ(counted.bytes, read.bytes);
  EXPECT_EQ(counted_missing, 1u);
}

TEST_F(PayloadStreamTest, EndsWithTheCoordinatorsStatus) {
  coordinator_.payloads.Append("default/0", 10);
  coordinator_.payloads.EndNextAfter(
      1, rpc::WithReason(absl::FailedPreconditionError("stopped"), "SERVER_STOPPED"));
  PayloadStream stream(coordinator_.Channel(), FromEarliest());
  StreamMessage message;
  EXPECT_TRUE(stream.Read(&message));
  EXPECT_FALSE(stream.Read(&message));
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "SERVER_STOPPED");
}

TEST_F(PayloadStreamTest, CancelEndsAWaitingRead) {
  auto request = FromEarliest();
  request.set_follow(true);
  coordinator_.payloads.Append("default/0", 1);
  PayloadStream stream(coordinator_.Channel(), request);
  StreamMessage message;
  ASSERT_TRUE(stream.Read(&message));
  ASSERT_TRUE(stream.Read(&message)) << "progress";
  std::thread canceller([&] { stream.Cancel(); });
  EXPECT_FALSE(stream.Read(&message));
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(stream.Finish()));
}

// Sends a batch whose sizes and data contradict each other, and never ends.
class LyingPayloads final : public v1::PayloadService::Service {
  grpc::Status StreamPayloads(grpc::ServerContext* context, const v1::StreamPayloadsRequest*,
                              grpc::ServerWriter<v1::StreamPayloadsResponse>* writer) override {
    v1::StreamPayloadsResponse response;
    v1::PayloadBatch* batch = response.add_batches();
    batch->add_sizes(1000);
    batch->set_data("short");
    while (!context->IsCancelled() && writer->Write(response)) {
    }
    return grpc::Status::CANCELLED;
  }
};

TEST_F(PayloadStreamTest, AMessageThatContradictsItselfEndsTheStream) {
  LyingPayloads service;
  const std::string address = absl::StrCat("unix:", dir_.path(), "/liar.sock");
  const auto bound =
      rpc::StartServer({.addresses = {*ParseNetAddress(address)}, .services = {&service}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  PayloadStream stream(rpc::MakeChannel(*ParseNetAddress(address)), FromEarliest());
  StreamMessage message;
  EXPECT_FALSE(stream.Read(&message));
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status << ": not the CANCELLED of its end";
}

}  // namespace
}  // namespace center::cli
