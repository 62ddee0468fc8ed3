#include "services/coordinator/relay/message_position.h"

#include <string>
#include <vector>

#include "center/v1/payload.pb.h"
#include "gtest/gtest.h"

namespace center::relay {
namespace {

// The bytes as gRPC delivers them: in slices of any size.
grpc::ByteBuffer Sliced(const std::string& bytes, size_t slice_bytes) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += slice_bytes) {
    slices.emplace_back(bytes.substr(at, slice_bytes));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

v1::StreamPayloadsResponse Batches(int count) {
  v1::StreamPayloadsResponse message;
  uint64_t offset = 1000;
  for (int i = 0; i < count; ++i) {
    v1::PayloadBatch* batch = message.add_batches();
    batch->set_worker("default/0");
    batch->set_first_offset(offset);
    batch->mutable_receive_time()->set_seconds(1'700'000'000);
    batch->set_peer("127.0.0.1:4000");
    for (const uint32_t size : {0u, 5u, 300u}) {
      batch->add_sizes(size);
      batch->mutable_data()->append(size, '\x12');
      ++offset;
    }
  }
  return message;
}

TEST(MessagePositionTest, EndOfTheLastBatchWhateverTheSlices) {
  const std::string bytes = Batches(4).SerializeAsString();
  for (const size_t slice_bytes : {1u, 2u, 3u, 7u, 64u, 1000u, 100'000u}) {
    const auto position = NextOffsetAfter(Sliced(bytes, slice_bytes));
    ASSERT_TRUE(position.ok()) << slice_bytes;
    EXPECT_EQ(*position, absl::optional<uint64_t>(1012)) << slice_bytes;
  }
}

TEST(MessagePositionTest, GapAndProgressCountMoreThanBatches) {
  v1::StreamPayloadsResponse message = Batches(1);
  message.mutable_gap()->set_to_offset(5000);
  EXPECT_EQ(*NextOffsetAfter(Sliced(message.SerializeAsString(), 10)),
            absl::optional<uint64_t>(5000));
  message.mutable_progress()->set_next_offset(6000);
  EXPECT_EQ(*NextOffsetAfter(Sliced(message.SerializeAsString(), 10)),
            absl::optional<uint64_t>(6000));
}

TEST(MessagePositionTest, OffsetZero) {
  v1::StreamPayloadsResponse message;
  message.mutable_progress();  // an empty message: next_offset 0
  EXPECT_EQ(*NextOffsetAfter(Sliced(message.SerializeAsString(), 10)), absl::optional<uint64_t>(0));
}

TEST(MessagePositionTest, EmptyMessageSaysNothing) {
  EXPECT_EQ(*NextOffsetAfter(grpc::ByteBuffer()), absl::nullopt);
  EXPECT_EQ(*NextOffsetAfter(Sliced("", 1)), absl::nullopt);
}

TEST(MessagePositionTest, UnknownFieldsAreSkipped) {
  std::string bytes = Batches(1).SerializeAsString();
  bytes += std::string("\xf8\x06\x07\xfa\x06\x02xy", 8);  // fields 111: a varint, two bytes
  EXPECT_EQ(*NextOffsetAfter(Sliced(bytes, 5)), absl::optional<uint64_t>(1003));
}

TEST(MessagePositionTest, TruncatedMessagesAreErrorsOrWhole) {
  v1::StreamPayloadsResponse message = Batches(2);
  message.mutable_progress()->set_next_offset(1006);
  const std::string bytes = message.SerializeAsString();
  size_t whole = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto position = NextOffsetAfter(Sliced(bytes.substr(0, length), 11));
    v1::StreamPayloadsResponse parsed;
    EXPECT_EQ(position.ok(), parsed.ParseFromString(bytes.substr(0, length))) << length;
    whole += position.ok() ? 1 : 0;
  }
  EXPECT_EQ(whole, 3u);  // nothing, one batch, two batches
}

TEST(MessagePositionTest, GarbageIsAnError) {
  EXPECT_FALSE(NextOffsetAfter(Sliced("\xff\xff\xff\xff", 2)).ok());
  EXPECT_FALSE(NextOffsetAfter(Sliced(std::string("\x0a\xff\xff\xff\xff\x0f", 6), 2)).ok());
}

}  // namespace
}  // namespace center::relay
