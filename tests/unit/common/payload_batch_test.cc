// The hand-written codec against the generated class: the same bytes, both ways.
#include "services/common/payload_batch.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "center/v1/payload.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

struct Batch {
  std::string worker = "default/0";
  uint64_t first_offset = 0;
  int64_t receive_time_ns = 0;
  std::string peer = "127.0.0.1:1234";
  std::vector<std::string> payloads;
};

std::string Encode(const Batch& batch) {
  std::vector<uint32_t> sizes;
  std::string data;
  for (const std::string& payload : batch.payloads) {
    sizes.push_back(static_cast<uint32_t>(payload.size()));
    data += payload;
  }
  std::string bytes;
  AppendBatchPrefix({.worker = batch.worker,
                     .first_offset = batch.first_offset,
                     .receive_time_ns = batch.receive_time_ns,
                     .peer = batch.peer},
                    sizes, data.size(), &bytes);
  return bytes + data;
}

v1::PayloadBatch ToProto(const Batch& batch) {
  v1::PayloadBatch proto;
  proto.set_worker(batch.worker);
  proto.set_first_offset(batch.first_offset);
  proto.mutable_receive_time()->set_seconds(batch.receive_time_ns / 1'000'000'000);
  proto.mutable_receive_time()->set_nanos(static_cast<int>(batch.receive_time_ns % 1'000'000'000));
  proto.set_peer(batch.peer);
  for (const std::string& payload : batch.payloads) {
    proto.add_sizes(static_cast<uint32_t>(payload.size()));
    proto.mutable_data()->append(payload);
  }
  return proto;
}

std::vector<std::string> Payloads(const BatchView& view) {
  std::vector<std::string> payloads;
  view.ForEach([&](uint32_t index, absl::string_view payload) {
    EXPECT_EQ(index, payloads.size());
    payloads.emplace_back(payload.data(), payload.size());
  });
  return payloads;
}

void ExpectSame(const Batch& batch, absl::string_view bytes) {
  const auto view = BatchView::Parse(bytes);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->header().worker, batch.worker);
  EXPECT_EQ(view->header().first_offset, batch.first_offset);
  EXPECT_EQ(view->header().receive_time_ns, batch.receive_time_ns);
  EXPECT_EQ(view->header().peer, batch.peer);
  EXPECT_EQ(view->count(), batch.payloads.size());
  EXPECT_THAT(Payloads(*view), ElementsAreArray(batch.payloads));
}

TEST(PayloadBatchTest, TheGeneratedClassReadsWhatWeWriteAndWeReadWhatItWrites) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 500; ++i) {
    Batch batch;
    batch.worker = absl::StrCat("server-", random() % 1000, "/", random() % 256);
    batch.first_offset = random() >> (random() % 64);
    batch.receive_time_ns = static_cast<int64_t>(random() >> (1 + random() % 63));
    const size_t count = 1 + random() % 50;
    for (size_t p = 0; p < count; ++p) {
      batch.payloads.emplace_back((random() % 20'000) >> (random() % 15),
                                  static_cast<char>(random()));
    }
    const std::string ours = Encode(batch);
    v1::PayloadBatch parsed;
    ASSERT_TRUE(parsed.ParseFromString(ours));
    EXPECT_EQ(parsed.SerializeAsString(), ToProto(batch).SerializeAsString());
    ExpectSame(batch, ours);
    ExpectSame(batch, ToProto(batch).SerializeAsString());
  }
}

TEST(PayloadBatchTest, ExtremesOfEveryField) {
  ExpectSame({.payloads = {""}}, Encode({.payloads = {""}}));
  const Batch batch{.worker = std::string(300, 'w'),
                    .first_offset = std::numeric_limits<uint64_t>::max(),
                    .receive_time_ns = std::numeric_limits<int64_t>::max(),
                    .peer = "",
                    .payloads = {std::string(1 << 21, 'x'), "", std::string("\0\xff", 2)}};
  ExpectSame(batch, Encode(batch));
  v1::PayloadBatch parsed;
  ASSERT_TRUE(parsed.ParseFromString(Encode(batch)));
  EXPECT_EQ(parsed.first_offset(), batch.first_offset);
}

TEST(PayloadBatchTest, UnknownFieldsAreSkipped) {
  Batch batch{.payloads = {"a", "bb"}};
  std::string bytes = Encode(batch);
  AppendVarint(15 << 3 | 0, &bytes);  // varint
  AppendVarint(1 << 20, &bytes);
  AppendVarint(16 << 3 | 2, &bytes);  // bytes
  AppendVarint(3, &bytes);
  bytes += "xyz";
  AppendVarint(17 << 3 | 1, &bytes);  // fixed64
  bytes += "12345678";
  AppendVarint(18 << 3 | 5, &bytes);  // fixed32
  bytes += "1234";
  ExpectSame(batch, bytes);
}

TEST(PayloadBatchTest, TruncationAtAnyByteIsNoticedOrHarmless) {
  const std::string bytes = Encode({.first_offset = 300, .payloads = {"alpha", "beta", "gamma"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const auto view = BatchView::Parse({cut.data(), cut.size()});
    // Cut between fields, before sizes and data, it is a shorter message without payloads.
    if (view.ok()) {
      EXPECT_EQ(view->count(), 0u) << size;
    }
  }
}

TEST(PayloadBatchTest, SizesThatDoNotMatchTheDataAreRefused) {
  const auto parse = [](std::vector<uint32_t> sizes, absl::string_view data) {
    std::string bytes;
    AppendBatchPrefix({}, sizes, data.size(), &bytes);
    absl::StrAppend(&bytes, data);
    return std::string(BatchView::Parse(bytes).status().message());
  };
  EXPECT_EQ(parse({1, 2}, "abc"), "");
  EXPECT_THAT(parse({1, 3}, "abc"), HasSubstr("exceed"));
  EXPECT_THAT(parse({1, 1}, "abc"), HasSubstr("do not add up"));
  EXPECT_THAT(parse({}, "abc"), HasSubstr("do not add up"));
  // Sums that would overflow 32 bits.
  EXPECT_THAT(parse({0xffffffffu, 0xffffffffu, 5}, "abc"), HasSubstr("exceed"));
}

TEST(PayloadBatchTest, AnyFlippedBitIsSurvived) {
  const std::string bytes = Encode({.first_offset = 300, .payloads = {"alpha", "beta", ""}});
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<char> flipped(bytes.begin(), bytes.end());
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto view = BatchView::Parse({flipped.data(), flipped.size()});
    if (!view.ok()) continue;
    size_t total = 0;
    for (const std::string& payload : Payloads(*view)) total += payload.size();
    EXPECT_EQ(total, view->data().size());
  }
}

TEST(VarintTest, SizesAgreeWithWhatIsWritten) {
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint64_t value : {(1ULL << shift) - 1, 1ULL << shift}) {
      std::string out;
      AppendVarint(value, &out);
      EXPECT_EQ(out.size(), VarintSize(value)) << value;
    }
  }
}

}  // namespace
}  // namespace center
