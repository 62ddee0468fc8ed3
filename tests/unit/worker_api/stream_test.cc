// What a stream delivers of what is stored: where it starts, what it leaves out, what it says.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "grpcpp/generic/generic_stub.h"
#include "tests/unit/worker_api/stream_fixture.h"

namespace center::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// Three batches: offsets 0-1 at 100 s, 2-3 at 200 s, 4-5 at 300 s.
class StreamTest : public StreamFixture {
 protected:
  StreamTest() {
    journal_.Append({"zero", R"({"one": 1})"}, 100 * kSecond);
    journal_.Append({"two", R"(JSON|{"three": 3})"}, 200 * kSecond);
    journal_.Append({"\xff\xfe four", "five"}, 300 * kSecond);
  }
  static std::vector<uint64_t> OffsetsOf(const std::vector<Placed>& payloads) {
    std::vector<uint64_t> offsets;
    for (const Placed& placed : payloads) offsets.push_back(placed.first);
    return offsets;
  }
};

TEST_F(StreamTest, EarliestIsEverythingAsItWasStored) {
  Subscriber subscriber(*stub_, Earliest());
  const auto response = subscriber.Read();
  ASSERT_TRUE(response.has_value());
  ASSERT_EQ(response->batches_size(), 3);
  const v1::PayloadBatch& batch = response->batches(1);
  EXPECT_EQ(batch.worker(), kWorker);
  EXPECT_EQ(batch.first_offset(), 2u);
  EXPECT_EQ(batch.peer(), kPeer);
  EXPECT_EQ(batch.receive_time().seconds(), 200);
  EXPECT_THAT(batch.sizes(), ElementsAre(3, 17));
  EXPECT_EQ(response->progress().next_offset(), 6u) << "told along with the last payloads";
  EXPECT_EQ(response->progress().end_offset(), 6u);
  EXPECT_TRUE(subscriber.ReadToEnd().ok());
  EXPECT_EQ(subscriber.messages(), 1u);
  EXPECT_THAT(subscriber.payloads(), ElementsAre(Pair(0, "zero"), Pair(1, R"({"one": 1})"),
                                                 Pair(2, "two"), Pair(3, R"(JSON|{"three": 3})"),
                                                 Pair(4, "\xff\xfe four"), Pair(5, "five")));
}

TEST_F(StreamTest, LatestWithoutFollowIsNothingAndSaysWhere) {
  Subscriber subscriber(*stub_, Latest(/*follow=*/false));
  EXPECT_TRUE(subscriber.ReadToEnd().ok());
  EXPECT_THAT(subscriber.payloads(), IsEmpty());
  EXPECT_EQ(subscriber.next(), 6u);
}

TEST_F(StreamTest, ACursorIsExactEvenInsideABatch) {
  for (uint64_t offset = 0; offset <= 6; ++offset) {
    std::vector<uint64_t> expected;
    for (uint64_t i = offset; i < 6; ++i) expected.push_back(i);
    EXPECT_EQ(OffsetsOf(PayloadsFrom(FromOffset(offset))), expected) << "from " << offset;
  }
}

TEST_F(StreamTest, ATimeStartsWithWhatWasReceivedThen) {
  const auto from_second = [&](int64_t seconds) {
    v1::StreamPayloadsRequest request;
    request.mutable_start()->mutable_time()->set_seconds(seconds);
    return OffsetsOf(PayloadsFrom(request));
  };
  EXPECT_THAT(from_second(50), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(from_second(200), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(from_second(201), ElementsAre(4, 5));
  EXPECT_THAT(from_second(301), IsEmpty());
}

TEST_F(StreamTest, FiltersSelectPayloadsNotBatches) {
  const auto filtered = [&](auto set) {
    v1::StreamPayloadsRequest request = Earliest();
    set(*request.mutable_filter());
    return OffsetsOf(PayloadsFrom(request));
  };
  EXPECT_THAT(filtered([](auto& f) { f.add_kinds(v1::PAYLOAD_KIND_JSON); }), ElementsAre(1, 3));
  EXPECT_THAT(filtered([](auto& f) { f.add_kinds(v1::PAYLOAD_KIND_BINARY); }), ElementsAre(4));
  EXPECT_THAT(filtered([](auto& f) { f.add_kinds(v1::PAYLOAD_KIND_TEXT); }), ElementsAre(0, 2, 5));
  EXPECT_THAT(filtered([](auto& f) { f.set_contains("o"); }), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(filtered([](auto& f) { f.set_regex("^[tf]"); }), ElementsAre(2, 5));
  EXPECT_THAT(filtered([](auto& f) {
                f.add_kinds(v1::PAYLOAD_KIND_JSON);
                f.set_contains("one");
                f.set_regex("1");
              }),
              ElementsAre(1));
}

TEST_F(StreamTest, AFilterAndACursorWorkTogether) {
  v1::StreamPayloadsRequest request = FromOffset(1);
  request.mutable_filter()->set_contains("o");
  EXPECT_THAT(OffsetsOf(PayloadsFrom(request)), ElementsAre(1, 2, 4));
}

TEST_F(StreamTest, AFilterThatMatchesNothingStillMovesTheCursor) {
  v1::StreamPayloadsRequest request = Earliest();
  request.mutable_filter()->set_contains("nowhere");
  Subscriber subscriber(*stub_, request);
  EXPECT_TRUE(subscriber.ReadToEnd().ok());
  EXPECT_THAT(subscriber.payloads(), IsEmpty());
  EXPECT_EQ(subscriber.next(), 6u);
}

TEST_F(StreamTest, BadRequestsSayWhichFields) {
  v1::StreamPayloadsRequest request = Earliest();
  request.set_server("other");
  request.mutable_filter()->set_regex("(");
  const absl::Status status = StatusOf(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(rpc::ReasonOf(status), "INVALID_FIELDS");
  EXPECT_THAT(BadFieldsOf(status), ElementsAre("server", "filter.regex"));
  EXPECT_EQ(StatusOf(FromOffset(7)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(WaitForStreams(0));
}

TEST_F(StreamTest, BytesThatAreNoRequestAreRefused) {
  grpc::GenericStub generic(rpc::MakeChannel(address_));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
  const grpc::Slice garbage(std::string(100, '\xff'));
  const grpc::ByteBuffer request(&garbage, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  generic.UnaryCall(&context, "/center.v1.WorkerService/StreamPayloads", {}, &request, &response,
                    [&](grpc::Status status) { done.set_value(std::move(status)); });
  const absl::Status status = rpc::FromGrpc(done.get_future().get());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "MALFORMED_REQUEST");
  EXPECT_EQ(StatusOf(Earliest()), absl::OkStatus()) << "and others are still served";
}

class EmptyStreamTest : public StreamFixture {};

TEST_F(EmptyStreamTest, AnEmptyJournalEndsAtOnce) {
  for (const auto& request : {Earliest(), Latest(false), FromOffset(0)}) {
    Subscriber subscriber(*stub_, request);
    const auto response = subscriber.Read();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->progress().end_offset(), 0u);
    EXPECT_TRUE(subscriber.ReadToEnd().ok());
  }
}

TEST_F(EmptyStreamTest, MessagesKeepToTheSizeThatWasAskedFor) {
  journal_.Fill(/*batches=*/200, /*per_batch=*/10, /*bytes=*/100);
  const auto largest_message = [&](uint32_t bytes) {
    v1::StreamPayloadsRequest request = Earliest();
    request.set_max_message_bytes(bytes);
    Subscriber subscriber(*stub_, request);
    size_t largest = 0;
    while (const auto response = subscriber.Read()) {
      largest = std::max(largest, response->ByteSizeLong());
    }
    EXPECT_EQ(FaultIn(subscriber.payloads(), 0, 2000), "");
    return largest;
  };
  EXPECT_GT(largest_message(0), 150'000u);
  const size_t limited = largest_message(20'000);
  EXPECT_GT(limited, 5'000u);
  EXPECT_LE(limited, 20'000u);
  const size_t single = largest_message(1);
  EXPECT_GT(single, 1'000u) << "a single larger batch is sent whole";
  EXPECT_LT(single, 1'300u);
}

TEST_F(EmptyStreamTest, LargePayloadsComeWhole) {
  journal_.Fill(/*batches=*/3, /*per_batch=*/1, /*bytes=*/9 << 20);
  EXPECT_EQ(FaultIn(PayloadsFrom(Earliest()), 0, 3), "");
}

TEST_F(EmptyStreamTest, DamageIsAGapAndTheRestIsDelivered) {
  journal_.Fill(/*batches=*/5, /*per_batch=*/2, /*bytes=*/50);
  ASSERT_TRUE(journal_->Flush().ok());
  const std::string wanted = TestJournal::FillPayload(5, 50);
  std::string segment;
  for (const auto& entry : std::filesystem::directory_iterator(journal_.dir())) {
    const auto bytes = ReadSmallFile(entry.path());
    if (!bytes.ok() || bytes->find(wanted) == std::string::npos) continue;
    segment = entry.path();
    const ScopedFd fd(::open(segment.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), "!", 1, static_cast<off_t>(bytes->find(wanted) + 10)), 1);
  }
  ASSERT_NE(segment, "");

  Subscriber subscriber(*stub_, Earliest());
  ASSERT_TRUE(subscriber.ReadToEnd().ok());
  ASSERT_EQ(subscriber.gaps().size(), 1u);
  EXPECT_EQ(subscriber.gaps()[0].from_offset(), 4u);
  EXPECT_EQ(subscriber.gaps()[0].to_offset(), 6u);
  EXPECT_EQ(subscriber.gaps()[0].reason(), v1::Gap::REASON_CORRUPTION);
  EXPECT_NE(subscriber.gaps()[0].detail(), "");
  EXPECT_EQ(subscriber.payloads().size(), 8u);
  EXPECT_EQ(subscriber.next(), 10u);
}

class RetentionStreamTest : public StreamFixture {
 protected:
  static journal::Options Small() {
    journal::Options options;
    options.segment_bytes = 4096;
    options.retain_bytes = 16'384;
    return options;
  }
  RetentionStreamTest() : StreamFixture(Small()) {}
  // Stores offsets 0-499 and waits until retention is done: it takes nothing from under a stream.
  void FillAndRetain() {
    journal_.Fill(/*batches=*/100, /*per_batch=*/5, /*bytes=*/200);
    ASSERT_TRUE(journal::Eventually([&] { return journal_->disk_bytes() <= 16'384; }));
    ASSERT_GT(journal_->first_offset(), 300u);
  }
};

TEST_F(RetentionStreamTest, WhatRetentionHasDeletedIsAGap) {
  FillAndRetain();
  Subscriber subscriber(*stub_, FromOffset(3));
  ASSERT_TRUE(subscriber.ReadToEnd().ok());
  ASSERT_EQ(subscriber.gaps().size(), 1u);
  const v1::Gap& gap = subscriber.gaps()[0];
  EXPECT_EQ(gap.from_offset(), 3u);
  EXPECT_GT(gap.to_offset(), 300u);
  EXPECT_EQ(gap.reason(), v1::Gap::REASON_RETENTION);
  EXPECT_EQ(FaultIn(subscriber.payloads(), gap.to_offset(), 500), "");
}

TEST_F(RetentionStreamTest, EarliestIsWhatIsLeftWithoutAGap) {
  FillAndRetain();
  const uint64_t first = journal_->first_offset();
  Subscriber subscriber(*stub_, Earliest());
  ASSERT_TRUE(subscriber.ReadToEnd().ok());
  EXPECT_THAT(subscriber.gaps(), IsEmpty());
  EXPECT_EQ(FaultIn(subscriber.payloads(), first, 500), "");
}

TEST_F(RetentionStreamTest, AFilterDoesNotHideAGap) {
  FillAndRetain();
  v1::StreamPayloadsRequest request = FromOffset(0);
  request.mutable_filter()->set_contains("#499.");
  Subscriber subscriber(*stub_, request);
  ASSERT_TRUE(subscriber.ReadToEnd().ok());
  EXPECT_EQ(subscriber.gaps().size(), 1u);
  EXPECT_EQ(FaultIn(subscriber.payloads(), 499, 500), "");
}

TEST_F(RetentionStreamTest, AJournalThatCannotBeReadIsDataLoss) {
  journal_.Fill(/*batches=*/10, /*per_batch=*/5, /*bytes=*/200);
  const auto make_unreadable = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(journal_.dir())) {
      const auto bytes = ReadSmallFile(entry.path());
      if (!bytes.ok() || bytes->find("#0.") == std::string::npos) continue;
      std::filesystem::remove(entry.path());
      std::filesystem::create_directory(entry.path());  // opens, and does not read
    }
  };
  make_unreadable();
  const absl::Status status = StatusOf(Earliest());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "JOURNAL_UNREADABLE");
  EXPECT_TRUE(WaitForStreams(0));
}

}  // namespace
}  // namespace center::worker
