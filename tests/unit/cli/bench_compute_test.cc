// `bench compute`: what it counts is what came back, and a difference is a failure.
#include "cli/bench_compute.h"

#include "simdjson.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BenchComputeTest : public CliTest {
 protected:
  BenchComputeTest() : coordinator_(dir_.path()) {
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("pool");
    server.set_state(v1::SERVER_STATE_RUNNING);
    server.mutable_spec()->set_workers(2);
  }
  CliResult Bench(const std::vector<std::string>& more,
                  const std::vector<std::string>& parts = {"--range", "123", "--records", "50",
                                                           "--jobs", "4"}) {
    std::vector<std::string> args = {
        "--address", coordinator_.address(), "bench", "compute",        "--server",
        "pool",      "--round-trips",        "3",     "--record-bytes", "10"};
    args.insert(args.end(), parts.begin(), parts.end());
    args.insert(args.end(), more.begin(), more.end());
    return Run(std::move(args));
  }

  FakeCoordinator coordinator_;
};

TEST_F(BenchComputeTest, EveryPartIsMeasuredAndPrinted) {
  const CliResult run = Bench({});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("2 workers"), HasSubstr("(3 jobs)"), HasSubstr("(123 in "),
                             HasSubstr("records of 10 B from a file and back"),
                             HasSubstr("4 jobs of 10 inputs at once")));
  // 3 round trips, the range, the records and 4 small ones.
  EXPECT_EQ(coordinator_.jobs.submissions().size(), 9u);
  EXPECT_TRUE(coordinator_.jobs.submissions()[0].spec().discard_results());
  EXPECT_EQ(coordinator_.jobs.inputs("j5").size(), 50u);
}

TEST_F(BenchComputeTest, JsonHasTheSameFigures) {
  const CliResult run = Bench({"-o", "json"});
  ASSERT_EQ(run.exit_code, kExitOk) << run.err;
  simdjson::dom::parser parser;
  simdjson::dom::element json = parser.parse(run.out);
  EXPECT_GT(double{json["roundTrip"]["p50Us"]}, 0);
  EXPECT_GT(double{json["range"]["nanosPerInput"]}, 0);
  EXPECT_EQ(std::string_view{json["records"]["inputs"]}, "50");
  EXPECT_GT(double{json["manyJobs"]["maxUs"]}, 0);
}

TEST_F(BenchComputeTest, WhatIsLeftOutIsNotInTheReport) {
  const CliResult run = Bench({"-o", "json"}, {"--range", "0", "--records", "0", "--jobs", "0"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.err;
  EXPECT_EQ(coordinator_.jobs.submissions().size(), 3u);
  EXPECT_THAT(run.out, testing::Not(HasSubstr("range")));
}

TEST_F(BenchComputeTest, AResultThatIsNotWhatWasSentIsAFailure) {
  coordinator_.jobs.task = [](const std::string& input) { return input + "!"; };
  const CliResult run = Bench({});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("1 results of 2 bytes, not 1 of 1"));
}

TEST_F(BenchComputeTest, AStoppedServerIsNotMeasured) {
  coordinator_.servers.servers[0].set_state(v1::SERVER_STATE_STOPPED);
  EXPECT_EQ(Bench({}).exit_code, kExitNotRunning);
}

}  // namespace
}  // namespace center::cli
