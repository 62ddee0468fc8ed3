// The experiment: each way of counting gets to the right result, and the report says what the
// figures say.
#include "cli/experiment.h"

#include "cli/coroutines.h"
#include "services/common/countdown.h"
#include "simdjson.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Coroutine Append(Turns& turns, std::vector<int>& order, int number) {
  order.push_back(number);
  co_await turns.Next();
  order.push_back(number + 10);
}

TEST(TurnsTest, CoroutinesTakeTurnsInTheOrderTheyWait) {
  Turns turns;
  std::vector<int> order;
  for (int i = 1; i <= 3; ++i) Append(turns, order, i);
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
  turns.Run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 11, 12, 13));
}

TEST(CountingTest, EachWayDoesEveryTask) {
  const std::atomic<bool> stopped{false};
  const Countdowns work{1'000, 50, &stopped};
  double seconds = -1;
  EXPECT_EQ(CountSequentially(work), -50'000);
  EXPECT_EQ(CountAsync(work), -50'000);
  EXPECT_EQ(CountInThreads(work, 7, &seconds), -50'000);
  EXPECT_GE(seconds, 0);
}

TEST(CountingTest, EachWayEndsWhenItIsStopped) {
  const std::atomic<bool> stopped{true};
  // More than anybody would wait for.
  const Countdowns work{100'000, kExperimentCountdown * 100'000, &stopped};
  double seconds = 0;
  EXPECT_EQ(CountSequentially(work), 0);
  EXPECT_EQ(CountAsync(work), 0);
  EXPECT_EQ(CountInThreads(work, 2, &seconds), 0);
}

// Seconds of sequential, multi-process, async and multi-thread.
Measurement Measured(std::vector<double> seconds, uint32_t cores = 2) {
  Measurement measurement;
  measurement.tasks = 20'000;
  measurement.from = 10'000;
  measurement.cores = cores;
  measurement.processes = 10;
  measurement.threads = 10;
  for (const double time : seconds) {
    measurement.seconds.push_back({time * 1.5, time, time * 1.1, time * 1.2});
  }
  return measurement;
}

const std::vector<double> kTypical = {0.104, 0.055, 0.106, 0.0525};

TEST(MeasurementTest, TheBestRoundCountsAndTheMedianIsShownBesideIt) {
  const Measurement measurement = Measured(kTypical);
  EXPECT_DOUBLE_EQ(measurement.Best(Mode::kSequential), 0.104);
  EXPECT_DOUBLE_EQ(measurement.Median(Mode::kSequential), 0.104 * 1.15);
  EXPECT_NEAR(measurement.SpeedUp(Mode::kMultiProcess), 1.891, 0.001);
  EXPECT_NEAR(measurement.Efficiency(Mode::kMultiProcess), 0.945, 0.001);
  EXPECT_DOUBLE_EQ(measurement.Efficiency(Mode::kSequential), 0.5);
}

TEST(ExperimentJsonTest, HasExactlyTheNamesThatScriptsRelyOn) {
  EXPECT_EQ(ExperimentJson(Measured(kTypical)),
            "{\"tasks\": 20000, \"cores\": 2, \"results\": ["
            "{\"mode\": \"sequential\", \"seconds\": 0.104000, \"speedup\": 1.000, "
            "\"efficiency\": 0.500}, "
            "{\"mode\": \"multi-process\", \"seconds\": 0.055000, \"speedup\": 1.891, "
            "\"efficiency\": 0.945}, "
            "{\"mode\": \"async\", \"seconds\": 0.106000, \"speedup\": 0.981, "
            "\"efficiency\": 0.491}, "
            "{\"mode\": \"multi-thread\", \"seconds\": 0.052500, \"speedup\": 1.981, "
            "\"efficiency\": 0.990}]}\n");
  simdjson::dom::parser parser;
  EXPECT_EQ(parser.parse(ExperimentJson(Measured({0.1, 0.1, 0.1, 0.1}, 1))).error(),
            simdjson::SUCCESS);
}

TEST(ExperimentTextTest, ATableWithABarAsLongAsEachTook) {
  const auto lines = SplitLines(ExperimentText(Measured(kTypical), Style(false)));
  ASSERT_GE(lines.size(), 8u);
  EXPECT_EQ(lines[0], "20,000 countdowns from 10,000 to -10,000 on 2 cores, 4 rounds");
  EXPECT_THAT(lines[2], StartsWith("MODE             BEST   MEDIAN  SPEED-UP  EFFICIENCY"));
  EXPECT_THAT(lines[3], AllOf(StartsWith("sequential "), HasSubstr("1.00 x"), HasSubstr("50 %")));
  EXPECT_THAT(lines[4], AllOf(StartsWith("multi-process "), HasSubstr("55ms"), HasSubstr("1.89 x"),
                              HasSubstr("95 %")));
  const auto blocks = [](const std::string& line) {
    size_t count = 0;
    for (size_t at = line.find("█"); at != std::string::npos; at = line.find("█", at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(blocks(lines[5]), 40u) << "the slowest";
  EXPECT_EQ(blocks(lines[4]), 20u);
}

TEST(ExperimentSentencesTest, AreTwoAndSayWhatWasMeasured) {
  const std::string text = ExperimentSentences(Measured(kTypical));
  EXPECT_EQ(text,
            "10 worker processes were 1.89 times as fast as one task after the other and 10 "
            "threads 1.98 times, which is 95 % and 99 % of what 2 cores can do: counting needs "
            "nothing but a processor, and several tasks at a time use all of them. "
            "Coroutines on one thread took as long as one after the other (1.02 times): they take "
            "turns on one core, which helps who waits, not who counts; these threads did better "
            "than a Python program's, which a lock lets run one at a time.");
}

TEST(ExperimentSentencesTest, FollowTheFigures) {
  EXPECT_THAT(ExperimentSentences(Measured({0.1, 0.1, 0.1, 0.1})),
              AllOf(HasSubstr("nothing was gained"), Not(HasSubstr("Python"))));
  EXPECT_THAT(ExperimentSentences(Measured({0.1, 0.1, 0.1, 0.1}, 1)),
              HasSubstr("only one task can run at a time"));
  EXPECT_THAT(ExperimentSentences(Measured({0.1, 0.08, 0.1, 0.05})),
              HasSubstr("to hand tasks to other processes and take results back cost 38 %"));
  for (const std::vector<double>& disturbed : {std::vector<double>{0.35, 0.11, 0.35, 0.37},
                                               {0.1, 0.05, 0.1, 0.07},
                                               {0.1, 0.02, 0.1, 0.02}}) {
    EXPECT_THAT(ExperimentSentences(Measured(disturbed)), HasSubstr("when the machine is idle"));
  }
  EXPECT_THAT(ExperimentSentences(Measured({0.1, 0.07, 0.1, 0.07})),
              HasSubstr("did not get all of them"));
  EXPECT_THAT(ExperimentSentences(Measured({0.1, 0.05, 0.13, 0.05})),
              HasSubstr("took 1.30 times as long as one after the other: they"));
}

TEST(ExperimentSvgTest, IsAPictureWithABarForEachMode) {
  const std::string svg = ExperimentSvg(Measured(kTypical));
  EXPECT_THAT(svg,
              AllOf(StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""), EndsWith("</svg>\n"),
                    HasSubstr(">multi-process</text>"), HasSubstr("55ms, 1.89 x, 95 %")));
  size_t bars = 0;
  for (size_t at = svg.find("rx=\"3\""); at != std::string::npos;
       at = svg.find("rx=\"3\"", at + 1)) {
    ++bars;
  }
  EXPECT_EQ(bars, 4u);
  // Well-formed: as many elements are closed as are opened, and no bare ampersand.
  EXPECT_THAT(svg, Not(HasSubstr("&")));
}

class ExperimentCommandTest : public CliTest {};

TEST_F(ExperimentCommandTest, WhatMakesNoSenseIsAUsageError) {
  EXPECT_EQ(Run({"experiment", "--tasks", "0"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"experiment", "--processes", "257"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"experiment", "-o", "yaml"}).exit_code, kExitUsage);
}

TEST_F(ExperimentCommandTest, WithoutTheCoordinatorsProgramItSaysWhereItWasLookedFor) {
  const CliResult run = Run({"experiment"});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr(dir_.path() + "/center-coordinator"));
}

}  // namespace
}  // namespace center::cli
