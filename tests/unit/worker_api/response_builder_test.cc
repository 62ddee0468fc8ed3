#include "services/worker/api/response_builder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/unit/worker_api/batches.h"

namespace center::worker {
namespace {

constexpr size_t kHeaderBytes = 48;  // of a journal record

std::string Flatten(const grpc::ByteBuffer& message) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(message.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// Records in a Buffer as Reader::Read lays them out: header, bytes, header, bytes …
struct Laid {
  std::shared_ptr<journal::Buffer> buffer;
  std::vector<journal::RecordView> records;
};

Laid Lay(const std::vector<std::string>& records) {
  size_t total = 0;
  for (const std::string& record : records) total += kHeaderBytes + record.size();
  Laid laid{std::make_shared<journal::Buffer>(total), {}};
  std::memset(laid.buffer->data(), 0xEE, total);  // a header byte that gets out would be seen
  char* at = laid.buffer->data();
  for (const std::string& record : records) {
    at += kHeaderBytes;
    std::memcpy(at, record.data(), record.size());
    journal::RecordView view;
    view.bytes = absl::string_view(at, record.size());
    view.slack_before = kHeaderBytes;
    laid.records.push_back(view);
    at += record.size();
  }
  return laid;
}

// Two payloads of about `bytes` together.
std::string BatchOf(uint64_t offset, size_t bytes) {
  const std::string half(std::max<size_t>(1, bytes / 2), 'a');
  return Encode(offset, 5'000'000'001, {half, half}).bytes();
}

void AddParsed(const std::string& batch, v1::StreamPayloadsResponse* expected) {
  ASSERT_TRUE(expected->add_batches()->ParseFromString(batch));
}

void ExpectResponse(const grpc::ByteBuffer& message, const v1::StreamPayloadsResponse& expected) {
  v1::StreamPayloadsResponse response;
  ASSERT_TRUE(response.ParseFromString(Flatten(message)));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(response, expected))
      << "built a response of " << response.batches_size() << " batches that differs from the "
      << expected.batches_size() << " wanted";
  // Byte for byte: nothing is added that a parser would skip.
  EXPECT_EQ(message.Length(), expected.ByteSizeLong());
}

TEST(ResponseBuilderTest, NothingAddedIsEmpty) {
  ResponseBuilder builder(nullptr);
  EXPECT_TRUE(builder.empty());
  builder.AddEncoded("");
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.Build().Length(), 0u);
}

TEST(ResponseBuilderTest, RecordsOfEverySizeBecomeBatches) {
  // Around each length at which the varint grows, and at which a record is no longer moved.
  for (const size_t bytes :
       {2, 60, 68, 120, 126, 128, 4000, 4094, 4096, 4098, 16'300, 16'384, 2 << 20, 3 << 20}) {
    const std::vector<std::string> batches = {BatchOf(1, bytes), BatchOf(3, bytes),
                                              BatchOf(5, bytes)};
    const Laid laid = Lay(batches);
    ResponseBuilder builder(laid.buffer);
    v1::StreamPayloadsResponse expected;
    for (size_t i = 0; i < batches.size(); ++i) {
      builder.AddRecord(laid.records[i]);
      AddParsed(batches[i], &expected);
    }
    EXPECT_FALSE(builder.empty());
    SCOPED_TRACE(bytes);
    ExpectResponse(builder.Build(), expected);
  }
}

TEST(ResponseBuilderTest, GapAndProgressFollowTheBatches) {
  const std::string batch = BatchOf(41, 10);
  const Laid laid = Lay({batch});
  v1::StreamPayloadsResponse expected;
  AddParsed(batch, &expected);
  expected.mutable_gap()->set_worker(kWorker);
  expected.mutable_gap()->set_from_offset(43);
  expected.mutable_gap()->set_to_offset(50);
  expected.mutable_gap()->set_reason(v1::Gap::REASON_CORRUPTION);
  expected.mutable_gap()->set_detail("segment 12");
  expected.mutable_progress()->set_worker(kWorker);
  expected.mutable_progress()->set_next_offset(50);
  expected.mutable_progress()->set_end_offset(60);

  ResponseBuilder builder(laid.buffer);
  builder.AddRecord(laid.records[0]);
  builder.SetGap(expected.gap());
  builder.SetProgress(expected.progress());
  const grpc::ByteBuffer message = builder.Build();
  ExpectResponse(message, expected);
  EXPECT_EQ(Flatten(message), expected.SerializeAsString());
}

TEST(ResponseBuilderTest, ProgressNeedsNoBuffer) {
  v1::StreamPayloadsResponse expected;
  expected.mutable_progress()->set_worker(kWorker);
  expected.mutable_progress()->set_next_offset(7);
  ResponseBuilder builder(nullptr);
  builder.SetProgress(expected.progress());
  ExpectResponse(builder.Build(), expected);
}

TEST(ResponseBuilderTest, AnyMixtureOfRecordsAndEncodedFieldsKeepsItsOrder) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> batches;
    for (uint64_t i = 0; i < 1 + random() % 12; ++i) {
      batches.push_back(BatchOf(i * 2, random() % 4 == 0 ? random() % 20'000 : random() % 300));
    }
    const Laid laid = Lay(batches);
    ResponseBuilder builder(laid.buffer);
    v1::StreamPayloadsResponse expected;
    for (size_t i = 0; i < batches.size(); ++i) {
      switch (random() % 3) {
        case 0: {  // matched in part: made anew
          v1::StreamPayloadsResponse part;
          AddParsed(batches[i], &part);
          builder.AddEncoded(part.SerializeAsString());
          AddParsed(batches[i], &expected);
          break;
        }
        case 1:  // filtered out
          break;
        default:
          builder.AddRecord(laid.records[i]);
          AddParsed(batches[i], &expected);
      }
    }
    ExpectResponse(builder.Build(), expected);
  }
}

TEST(ResponseBuilderTest, SmallNeighboursShareASlice) {
  std::vector<std::string> batches;
  for (uint64_t i = 0; i < 100; ++i) batches.push_back(BatchOf(i * 2, 100));
  Laid laid = Lay(batches);
  ResponseBuilder builder(laid.buffer);
  for (const auto& record : laid.records) builder.AddRecord(record);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(builder.Build().Dump(&slices).ok());
  EXPECT_EQ(slices.size(), 1u);
}

TEST(ResponseBuilderTest, LargeRecordsAreNotCopied) {
  const Laid laid = Lay({BatchOf(0, 100'000), BatchOf(2, 100'000)});
  ResponseBuilder builder(laid.buffer);
  for (const auto& record : laid.records) builder.AddRecord(record);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(builder.Build().Dump(&slices).ok());
  ASSERT_EQ(slices.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(reinterpret_cast<const char*>(slices[i].end()),
              laid.records[i].bytes.data() + laid.records[i].bytes.size());
  }
}

TEST(ResponseBuilderTest, TheBufferLivesAsLongAsTheMessage) {
  Laid laid = Lay({BatchOf(0, 50), BatchOf(2, 50'000)});
  const std::weak_ptr<journal::Buffer> alive = laid.buffer;
  {
    grpc::ByteBuffer message;
    {
      ResponseBuilder builder(std::move(laid.buffer));
      for (const auto& record : laid.records) builder.AddRecord(record);
      message = builder.Build();
    }
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace center::worker
