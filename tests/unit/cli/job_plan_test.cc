// What the flags of `job submit` become.
#include "cli/job_plan.h"

#include <limits>

#include "cli/errors.h"
#include "cli/records.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ParseRangeTest, IsHalfOpenAsInPython) {
  const auto range = ParseRange("0:10");
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->first(), 0);
  EXPECT_EQ(range->count(), 10u);
  EXPECT_EQ(ParseRange("7:7")->count(), 0u);
  EXPECT_EQ(ParseRange("-5:5")->first(), -5);
  EXPECT_EQ(ParseRange("-5:5")->count(), 10u);
  EXPECT_EQ(ParseRange("-9223372036854775808:9223372036854775807")->count(),
            std::numeric_limits<uint64_t>::max());
}

TEST(ParseRangeTest, WhatIsNoRangeIsRefused) {
  for (const char* text : {"", "5", "a:b", "1:2:3", "1-2", ":", "1:9223372036854775808"}) {
    EXPECT_FALSE(ParseRange(text).ok()) << text;
  }
  EXPECT_THAT(std::string(ParseRange("10:0").status().message()), HasSubstr("did you mean 0:10?"));
}

SubmitFlags Flags(const std::string& task) {
  SubmitFlags flags;
  flags.task = task;
  return flags;
}

absl::StatusOr<SubmitPlan> Plan(const SubmitFlags& flags,
                                const std::vector<std::string>& words = {}) {
  return PlanSubmission(flags, words, absl::UnixEpoch());
}

std::vector<std::string> Inputs(const SubmitPlan& plan) {
  std::vector<std::string> inputs;
  if (!plan.inputs.has_value()) return inputs;
  ForEachRecord(*plan.inputs, [&](uint64_t, absl::string_view r) { inputs.emplace_back(r); });
  return inputs;
}

std::vector<std::string> Args(const SubmitPlan& plan) {
  const auto& args = plan.submission.spec().args();
  return {args.begin(), args.end()};
}

TEST(PlanSubmissionTest, WordsAreTheInputsWhenNothingElseIs) {
  const auto plan = Plan(Flags("sha256"), {"a", "bc"});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->submission.spec().has_records());
  EXPECT_THAT(Inputs(*plan), ElementsAre("a", "bc"));
  EXPECT_THAT(Args(*plan), IsEmpty());
}

TEST(PlanSubmissionTest, BesideInputsWordsAreTheTasksArguments) {
  SubmitFlags flags = Flags("countdown");
  flags.range = "0:5";
  const auto plan = Plan(flags, {"10000"});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->submission.spec().range().count(), 5u);
  EXPECT_THAT(Args(*plan), ElementsAre("10000"));
  EXPECT_FALSE(plan->inputs.has_value());
}

TEST(PlanSubmissionTest, WordsOfExecAreAlwaysTheProgram) {
  const auto once = Plan(Flags("exec"), {"echo", "hello"});
  ASSERT_TRUE(once.ok());
  EXPECT_THAT(Args(*once), ElementsAre("echo", "hello"));
  EXPECT_THAT(Inputs(*once), ElementsAre("")) << "it runs once";
  SubmitFlags flags = Flags("exec");
  flags.inputs = "-";
  const auto each = Plan(flags, {"cat", "{}"});
  ASSERT_TRUE(each.ok());
  EXPECT_THAT(Args(*each), ElementsAre("cat", "{}"));
  EXPECT_EQ(each->inputs_path, "-");
  EXPECT_FALSE(each->inputs.has_value());
}

TEST(PlanSubmissionTest, PayloadsAreChosenByTheirFlags) {
  SubmitFlags flags = Flags("wordcount");
  flags.payloads = true;
  flags.payload_server = "games";
  flags.from = "10m";
  flags.filter.contains = "error";
  flags.limit = 7;
  const auto plan = PlanSubmission(flags, {}, absl::FromUnixSeconds(1'000));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const v1::PayloadSource& source = plan->submission.spec().payloads();
  EXPECT_EQ(source.server(), "games");
  EXPECT_EQ(source.start().time().seconds(), 400);
  EXPECT_EQ(source.filter().contains(), "error");
  EXPECT_EQ(source.limit(), 7u);
  flags = Flags("wordcount");
  flags.payloads = true;
  const auto all = Plan(flags);
  EXPECT_FALSE(all->submission.spec().payloads().has_start());
  EXPECT_FALSE(all->submission.spec().payloads().has_filter());
}

TEST(PlanSubmissionTest, HowItRunsIsPassedOn) {
  SubmitFlags flags = Flags("sleep");
  flags.range = "0:1";
  flags.server = "pool";
  flags.ordered = true;
  flags.priority = -3;
  flags.retry_limit = 4;
  flags.deadline = absl::Minutes(2);
  flags.input_timeout = absl::Milliseconds(1'500);
  flags.labels = {"team=ops", "empty=", "url=a=b"};
  const auto plan = Plan(flags);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const v1::JobSpec& spec = plan->submission.spec();
  EXPECT_EQ(spec.server(), "pool");
  EXPECT_TRUE(spec.ordered());
  EXPECT_EQ(spec.priority(), -3);
  EXPECT_EQ(spec.retry_limit(), 4u);
  EXPECT_EQ(spec.deadline().seconds(), 120);
  EXPECT_EQ(spec.input_timeout().nanos(), 500'000'000);
  EXPECT_FALSE(spec.has_result_ttl());
  EXPECT_EQ(spec.labels().at("team"), "ops");
  EXPECT_EQ(spec.labels().at("empty"), "");
  EXPECT_EQ(spec.labels().at("url"), "a=b");
  EXPECT_FALSE(plan->submission.request_id().empty());
}

TEST(PlanSubmissionTest, ResultsAreStreamedUnlessNobodyReadsThem) {
  SubmitFlags flags = Flags("echo");
  flags.range = "0:1";
  EXPECT_TRUE(Plan(flags)->submission.stream_results());
  EXPECT_FALSE(Plan(flags)->submission.detach());
  flags.no_results = true;
  EXPECT_FALSE(Plan(flags)->submission.stream_results());
  flags.no_results = false;
  flags.detach = true;
  EXPECT_FALSE(Plan(flags)->submission.stream_results());
  EXPECT_TRUE(Plan(flags)->submission.detach());
}

// What does not go together, and a piece of what is said about it.
struct Refusal {
  void (*set)(SubmitFlags& flags);
  const char* says;
};

TEST(PlanSubmissionTest, WhatDoesNotGoTogetherIsAUsageError) {
  const Refusal refusals[] = {
      {[](SubmitFlags& f) { f.range = ""; }, "nothing to work on"},
      {[](SubmitFlags& f) { f.inputs = "x"; }, "--range and --inputs exclude each other"},
      {[](SubmitFlags& f) { f.payloads = true; }, "--range and --payloads exclude each other"},
      {[](SubmitFlags& f) { f.wait = f.detach = true; }, "--wait and --detach"},
      {[](SubmitFlags& f) { f.nul_separated = true; }, "-0"},
      {[](SubmitFlags& f) { f.filter.regex = "x"; }, "give --payloads"},
      {[](SubmitFlags& f) { f.labels = {"nothing"}; }, "key=value"},
      {[](SubmitFlags& f) { f.labels = {"=x"}; }, "key=value"},
      {[](SubmitFlags& f) { f.range = "x"; }, "--range: \"x\" is no range"},
      {[](SubmitFlags& f) { f.detach = true, f.joblog = "x"; }, "--joblog"},
      {[](SubmitFlags& f) { f.no_results = true, f.discard = true; }, "--discard"},
  };
  for (const Refusal& refusal : refusals) {
    SubmitFlags flags = Flags("echo");
    flags.range = "0:1";
    refusal.set(flags);
    const auto plan = Plan(flags);
    ASSERT_FALSE(plan.ok()) << refusal.says;
    EXPECT_EQ(ExitCodeOf(plan.status()), kExitUsage);
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr(refusal.says));
  }
}

}  // namespace
}  // namespace center::cli
