#include "services/worker/api/payload_matcher.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker_api/batches.h"

namespace center::worker {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr char kJsonPayload[] = R"({"temperature": 21})";
constexpr char kPrefixedJson[] = R"(JSON|{"temperature": 22})";
constexpr char kTextPayload[] = "temperature 23";
constexpr char kBinaryPayload[] = "temperature \xff\xfe";

std::unique_ptr<const PayloadMatcher> Make(const v1::PayloadFilter& filter) {
  std::vector<rpc::FieldViolation> violations;
  auto matcher = PayloadMatcher::Create(filter, &violations);
  EXPECT_TRUE(violations.empty());
  EXPECT_NE(matcher, nullptr);
  return matcher;
}

// What is wrong with a filter: "field: description", in order.
std::vector<std::string> ViolationsOf(const v1::PayloadFilter& filter) {
  std::vector<rpc::FieldViolation> violations;
  EXPECT_EQ(PayloadMatcher::Create(filter, &violations), nullptr);
  std::vector<std::string> found;
  for (const auto& violation : violations) {
    found.push_back(violation.field + ": " + violation.description);
  }
  return found;
}

std::unique_ptr<const PayloadMatcher> Containing(const std::string& bytes) {
  v1::PayloadFilter filter;
  filter.set_contains(bytes);
  return Make(filter);
}

std::unique_ptr<const PayloadMatcher> Regex(const std::string& regex) {
  v1::PayloadFilter filter;
  filter.set_regex(regex);
  return Make(filter);
}

TEST(PayloadMatcherTest, AnEmptyFilterNeedsNoMatcher) { EXPECT_THAT(ViolationsOf({}), IsEmpty()); }

TEST(PayloadMatcherTest, KindsSelect) {
  const auto matched = [](std::vector<v1::PayloadKind> kinds) {
    v1::PayloadFilter filter;
    for (const v1::PayloadKind kind : kinds) filter.add_kinds(kind);
    const auto matcher = Make(filter);
    std::string which;
    if (matcher->Matches(kJsonPayload)) which += "j";
    if (matcher->Matches(kPrefixedJson)) which += "p";
    if (matcher->Matches(kTextPayload)) which += "t";
    if (matcher->Matches("")) which += "e";
    if (matcher->Matches(kBinaryPayload)) which += "b";
    return which;
  };
  EXPECT_EQ(matched({v1::PAYLOAD_KIND_JSON}), "jp");
  EXPECT_EQ(matched({v1::PAYLOAD_KIND_TEXT}), "te");
  EXPECT_EQ(matched({v1::PAYLOAD_KIND_BINARY}), "b");
  EXPECT_EQ(matched({v1::PAYLOAD_KIND_BINARY, v1::PAYLOAD_KIND_JSON}), "jpb");
}

TEST(PayloadMatcherTest, ContainsComparesBytes) {
  const auto matcher = Containing("21}");
  EXPECT_TRUE(matcher->Matches(kJsonPayload));
  EXPECT_FALSE(matcher->Matches(kPrefixedJson));
  EXPECT_FALSE(matcher->Matches("21"));
  EXPECT_FALSE(matcher->Matches(""));
  const auto with_zero = Containing(std::string("a\0b", 3));
  EXPECT_TRUE(with_zero->Matches(absl::string_view("xa\0by", 5)));
  EXPECT_FALSE(with_zero->Matches("xaby"));
  EXPECT_FALSE(Containing("Temp")->Matches("temp"));
}

TEST(PayloadMatcherTest, ARegexMayMatchAnywhere) {
  EXPECT_TRUE(Regex("ture.*2[0-9]")->Matches(kJsonPayload));
  EXPECT_FALSE(Regex("^ture")->Matches(kJsonPayload));
  EXPECT_TRUE(Regex("(?i)TEMP")->Matches(kTextPayload));
  EXPECT_TRUE(Regex("^$")->Matches(""));
  EXPECT_TRUE(Regex("^temp")->Matches(kBinaryPayload));
}

TEST(PayloadMatcherTest, AnExpressionThatBacktrackersChokeOnIsFast) {
  // Exponential for an engine that backtracks; a test that hangs is a test that fails.
  std::string payload(100'000, 'a');
  payload.push_back('b');
  EXPECT_FALSE(Regex("(a+)+$")->Matches(payload));
}

TEST(PayloadMatcherTest, AllConditionsMustHold) {
  v1::PayloadFilter filter;
  filter.add_kinds(v1::PAYLOAD_KIND_JSON);
  filter.set_contains("temperature");
  filter.set_regex("2[12]");
  const auto matcher = Make(filter);
  EXPECT_TRUE(matcher->Matches(kJsonPayload));
  EXPECT_TRUE(matcher->Matches(kPrefixedJson));
  EXPECT_FALSE(matcher->Matches("temperature 21"));              // the kind
  EXPECT_FALSE(matcher->Matches(R"({"pressure": 21})"));         // contains
  EXPECT_FALSE(matcher->Matches(R"({"temperature": "none"})"));  // the expression
}

TEST(PayloadMatcherTest, EveryWrongFieldIsNamedAtOnce) {
  v1::PayloadFilter filter;
  filter.add_kinds(v1::PAYLOAD_KIND_UNSPECIFIED);
  filter.add_kinds(static_cast<v1::PayloadKind>(99));
  filter.set_contains(std::string(kFilterBytesMax + 1, 'x'));
  filter.set_regex("a(b");
  EXPECT_THAT(ViolationsOf(filter),
              ElementsAre(AllOf(StartsWith("filter.kinds: "), HasSubstr("0 is no kind")),
                          AllOf(StartsWith("filter.kinds: "), HasSubstr("99 is no kind")),
                          "filter.contains: has 4097 bytes; at most 4096",
                          AllOf(StartsWith("filter.regex: "), HasSubstr("missing )"))));
}

TEST(PayloadMatcherTest, TheLongestFilterIsAccepted) {
  v1::PayloadFilter filter;
  filter.set_contains(std::string(kFilterBytesMax, 'x'));
  filter.set_regex(std::string(kFilterBytesMax, 'x'));
  EXPECT_TRUE(Make(filter)->Matches(std::string(kFilterBytesMax, 'x')));
  filter.set_regex(std::string(kFilterBytesMax + 1, 'x'));
  EXPECT_THAT(ViolationsOf(filter), ElementsAre("filter.regex: has 4097 bytes; at most 4096"));
}

// ---- AppendMatching -------------------------------------------------------------------------

struct Matched {
  MatchResult result;
  v1::StreamPayloadsResponse response;
};

Matched Append(const std::vector<std::string>& payloads, uint64_t base, uint64_t from,
               const PayloadMatcher* matcher) {
  const std::string bytes = Encode(base, 123'456'789'000, payloads).bytes();
  const auto batch = BatchView::Parse(bytes);
  EXPECT_TRUE(batch.ok()) << batch.status();
  std::string out;
  Matched matched;
  matched.result = AppendMatching(*batch, base, from, matcher, &out);
  EXPECT_EQ(out.empty(), matched.result != MatchResult::kSome);
  EXPECT_TRUE(matched.response.ParseFromString(out));
  return matched;
}

TEST(AppendMatchingTest, ABatchThatMatchesWhollyIsLeftAlone) {
  const auto matcher = Containing("x");
  EXPECT_EQ(Append({"x1", "2x"}, 7, 0, matcher.get()).result, MatchResult::kAll);
  EXPECT_EQ(Append({"x1", "2x"}, 7, 7, matcher.get()).result, MatchResult::kAll);
  EXPECT_EQ(Append({"a", "b"}, 7, 7, nullptr).result, MatchResult::kAll);
  EXPECT_EQ(Append({}, 7, 0, matcher.get()).result, MatchResult::kAll);
}

TEST(AppendMatchingTest, NothingThatMatchesIsNothing) {
  const auto matcher = Containing("x");
  EXPECT_EQ(Append({"a", "b", ""}, 7, 0, matcher.get()).result, MatchResult::kNone);
  EXPECT_EQ(Append({"a", "b"}, 7, 9, nullptr).result, MatchResult::kNone);
}

TEST(AppendMatchingTest, EachRunOfNeighboursBecomesABatchOfItsOwn) {
  const auto matcher = Containing("x");
  const Matched matched = Append({"x0", "1", "x2", "3x", "4", "", "xxxx6"}, 100, 0, matcher.get());
  ASSERT_EQ(matched.result, MatchResult::kSome);
  ASSERT_EQ(matched.response.batches_size(), 3);
  EXPECT_THAT(PayloadsOf(matched.response),
              ElementsAre(Pair(100, "x0"), Pair(102, "x2"), Pair(103, "3x"), Pair(106, "xxxx6")));
  EXPECT_THAT(matched.response.batches(1).sizes(), ElementsAre(2, 2));
  for (const v1::PayloadBatch& batch : matched.response.batches()) {
    EXPECT_EQ(batch.worker(), kWorker);
    EXPECT_EQ(batch.peer(), kPeer);
    EXPECT_EQ(batch.receive_time().seconds(), 123);
    EXPECT_EQ(batch.receive_time().nanos(), 456'789'000);
  }
}

TEST(AppendMatchingTest, WhatLiesBeforeTheStartIsLeftOut) {
  const Matched matched = Append({"a", "b", "c"}, 10, 11, nullptr);
  ASSERT_EQ(matched.result, MatchResult::kSome);
  EXPECT_THAT(PayloadsOf(matched.response), ElementsAre(Pair(11, "b"), Pair(12, "c")));
}

TEST(AppendMatchingTest, AnyMixtureKeepsExactlyWhatMatches) {
  std::mt19937 random(20260101);
  const auto matcher = Containing("x");
  for (int round = 0; round < 500; ++round) {
    const uint64_t base = random() % 1000;
    const uint64_t from = base + random() % 8;
    std::vector<std::string> payloads;
    std::vector<Placed> expected;
    for (uint64_t i = 0; i < 1 + random() % 20; ++i) {
      std::string payload(random() % 300, 'a');
      if (random() % 2 == 0) payload += 'x';
      const bool matches = payload.find('x') != std::string::npos && base + i >= from;
      if (matches) expected.emplace_back(base + i, payload);
      payloads.push_back(std::move(payload));
    }
    const Matched matched = Append(payloads, base, from, matcher.get());
    if (matched.result == MatchResult::kAll) {
      EXPECT_EQ(expected.size(), payloads.size());
    } else {
      EXPECT_LT(expected.size(), payloads.size());
      EXPECT_EQ(matched.result == MatchResult::kNone, expected.empty());
      EXPECT_EQ(PayloadsOf(matched.response), expected);
    }
  }
}

}  // namespace
}  // namespace center::worker
