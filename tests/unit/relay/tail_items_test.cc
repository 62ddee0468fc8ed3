#include "services/coordinator/relay/tail_items.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace center::relay {
namespace {

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice parts[2] = {grpc::Slice(bytes.substr(0, bytes.size() / 2)),
                                grpc::Slice(bytes.substr(bytes.size() / 2))};
  return grpc::ByteBuffer(parts, 2);
}

TEST(TailItemsTest, WalksBatchesThenTheGap) {
  v1::StreamPayloadsResponse message;
  message.add_batches()->set_worker("default/0");  // an empty batch
  v1::PayloadBatch* batch = message.add_batches();
  batch->set_worker("default/0");
  batch->set_first_offset(7);
  for (const char* payload : {"a", "", "ccc"}) {
    batch->add_sizes(static_cast<uint32_t>(std::string(payload).size()));
    batch->mutable_data()->append(payload);
  }
  message.mutable_gap()->set_from_offset(10);
  message.mutable_progress()->set_next_offset(12);
  TailItems items;
  ASSERT_TRUE(items.Load(ToBuffer(message.SerializeAsString())).ok());
  std::vector<std::string> seen;
  v1::TailPayloadsResponse item;
  while (items.HasNext()) {
    ASSERT_TRUE(items.Next(&item));
    seen.push_back(item.has_gap() ? "gap" : item.payload().text());
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "", "ccc", "gap"}));
  EXPECT_FALSE(items.Next(&item));
  ASSERT_TRUE(items.Load(ToBuffer(message.SerializeAsString())).ok());
  EXPECT_TRUE(items.HasNext());
}

TEST(TailItemsTest, NothingToShow) {
  TailItems items;
  EXPECT_FALSE(items.HasNext());
  v1::StreamPayloadsResponse message;
  message.mutable_progress()->set_next_offset(12);
  ASSERT_TRUE(items.Load(ToBuffer(message.SerializeAsString())).ok());
  EXPECT_FALSE(items.HasNext());
  ASSERT_TRUE(items.Load(grpc::ByteBuffer()).ok());
  EXPECT_FALSE(items.HasNext());
}

TEST(TailItemsTest, DamagedMessagesAreErrors) {
  TailItems items;
  EXPECT_FALSE(items.Load(ToBuffer("\xff\xff\xff")).ok());
  v1::StreamPayloadsResponse message;
  message.add_batches()->add_sizes(5);  // but no data
  EXPECT_FALSE(items.Load(ToBuffer(message.SerializeAsString())).ok());
  const std::string whole = message.SerializeAsString();
  EXPECT_FALSE(items.Load(ToBuffer(whole.substr(0, whole.size() - 1))).ok());
}

}  // namespace
}  // namespace center::relay
