// The built-in tasks, run as jobs run them.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/compute/engine.h"
#include "tests/unit/compute/testing.h"

namespace center::compute {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TasksTest : public ::testing::Test {
 protected:
  std::vector<std::string> ResultsOf(const std::string& task,
                                     const std::vector<std::string>& inputs,
                                     const std::vector<std::string>& args = {}) {
    const ChunkResult result = RunChunk(engine_, MakeChunk(task, inputs, args));
    for (const Failure& failure : result.failures) ADD_FAILURE() << failure.message;
    return Unpack(result.results);
  }
  // Why the one input fails.
  std::string WhyNot(const std::string& task, const std::string& input,
                     const std::vector<std::string>& args = {}) {
    const ChunkResult result = RunChunk(engine_, MakeChunk(task, {input}, args));
    EXPECT_EQ(result.failures.size(), 1u);
    return result.failures.empty() ? "" : result.failures[0].message;
  }
  // Runs a chunk that would take for ever, and cancels it.
  void ExpectStops(Chunk chunk) {
    Pending pending;
    const auto ticket = engine_.Submit(std::move(chunk), pending.Taker());
    ASSERT_TRUE(ticket.ok());
    ASSERT_TRUE(Eventually([&] { return recorder_.running[0].chunk.load() != 0; }));
    engine_.Cancel(*ticket);
    EXPECT_TRUE(pending.result().cancelled);
    EXPECT_EQ(pending.result().results.count, 0u);
  }

  const TaskRegistry tasks_ = TaskRegistry::WithBuiltIns();
  FlightRecorder recorder_{};
  Engine engine_{{}, tasks_, &recorder_, RealClock()};
};

TEST_F(TasksTest, CountdownArrivesAtTheOtherEnd) {
  EXPECT_THAT(ResultsOf("countdown", {"10000", "0", "-3", " 7\n"}),
              ElementsAre("-10000", "0", "-3", "-7"));
  EXPECT_THAT(ResultsOf("countdown", {"whatever", ""}, {"500000"}),
              ElementsAre("-500000", "-500000"));
  EXPECT_THAT(Unpack(RunChunk(engine_, MakeRangeChunk("countdown", 0, 3)).results),
              ElementsAre("0", "-1", "-2"));
  EXPECT_THAT(WhyNot("countdown", "ten"), HasSubstr("'ten' is no whole number"));
  EXPECT_THAT(WhyNot("countdown", "9223372036854775807"), HasSubstr("above 2^61"));
  EXPECT_THAT(WhyNot("countdown", "1", {"x"}), HasSubstr("one argument at most"));
  EXPECT_THAT(WhyNot("countdown", "1", {"1", "2"}), HasSubstr("one argument at most"));
  ExpectStops(MakeChunk("countdown", {"2305843009213693952"}));
}

TEST_F(TasksTest, EchoReturnsItsInput) {
  const std::string bytes("a\0\xff\n", 4);
  EXPECT_THAT(ResultsOf("echo", {bytes, ""}), ElementsAre(bytes, ""));
}

TEST_F(TasksTest, PrimesCountsThem) {
  EXPECT_THAT(ResultsOf("primes", {"-5", "0", "1", "2", "3", "4", "10", "100", "1000", "65537",
                                   "65539", "131071", "1000000"}),
              ElementsAre("0", "0", "0", "1", "2", "2", "4", "25", "168", "6543", "6544", "12251",
                          "78498"));
  EXPECT_THAT(WhyNot("primes", "x"), HasSubstr("no whole number"));
  EXPECT_THAT(WhyNot("primes", "1000000000000001"), HasSubstr("above 10^15"));
  ExpectStops(MakeChunk("primes", {"1000000000000000"}));
}

// Every number around the ends of segments and squares, against the plainest test there is.
TEST_F(TasksTest, PrimesIsRightForEveryNumber) {
  const auto is_prime = [](int64_t n) {
    if (n < 2) return false;
    for (int64_t d = 2; d * d <= n; ++d) {
      if (n % d == 0) return false;
    }
    return true;
  };
  const std::vector<std::string> counts =
      Unpack(RunChunk(engine_, MakeRangeChunk("primes", 0, 3000)).results);
  ASSERT_THAT(counts, SizeIs(3000));
  int expected = 0;
  for (int64_t n = 0; n < 3000; ++n) {
    expected += is_prime(n) ? 1 : 0;
    ASSERT_EQ(counts[static_cast<size_t>(n)], std::to_string(expected)) << n;
  }
  // Segments end at 65538, 131074 ….
  const std::vector<std::string> at_end =
      Unpack(RunChunk(engine_, MakeRangeChunk("primes", 131'060, 40)).results);
  ASSERT_THAT(at_end, SizeIs(40));
  for (size_t i = 1; i < at_end.size(); ++i) {
    const bool prime = is_prime(131'060 + static_cast<int64_t>(i));
    ASSERT_EQ(std::stoi(at_end[i]) - std::stoi(at_end[i - 1]), prime ? 1 : 0) << i;
  }
}

TEST_F(TasksTest, Sha256IsLowerCaseHex) {
  EXPECT_THAT(ResultsOf("sha256", {"", "abc"}),
              ElementsAre("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_THAT(ResultsOf("sha256", {std::string(1'000'000, 'a')}),
              ElementsAre("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
  // More than one slice.
  EXPECT_THAT(ResultsOf("sha256", {std::string(size_t{9} << 20, '\0')}),
              ElementsAre("d2ee4703cd9698945ca7b9fe1689ea3095597eac1a0afd8dba00cac7894fdc43"));
  EXPECT_THAT(WhyNot("sha256", "a", {"x"}), HasSubstr("takes no arguments"));
}

TEST_F(TasksTest, WordcountCountsAsWcDoes) {
  EXPECT_THAT(
      ResultsOf("wordcount", {"", "one", " two  words ", "a\nb c\n", "\n\n", "tab\tand\vothers\r"}),
      ElementsAre("0 0 0", "0 1 3", "0 2 12", "2 3 6", "2 0 2", "0 3 15"));
  const std::string large(size_t{3} << 20, 'x');
  EXPECT_THAT(ResultsOf("wordcount", {large}), ElementsAre("0 1 3145728"));
}

TEST_F(TasksTest, SleepWaitsAtLeastThatLong) {
  const absl::Time begin = absl::Now();
  EXPECT_THAT(ResultsOf("sleep", {"0.01", "10ms", "0"}), ElementsAre("", "", ""));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(20));
  EXPECT_THAT(ResultsOf("sleep", {"whatever"}, {"1ms"}), ElementsAre(""));
  EXPECT_THAT(WhyNot("sleep", "soon"), HasSubstr("neither seconds nor a duration"));
  EXPECT_THAT(WhyNot("sleep", "-1"), HasSubstr("neither"));
  EXPECT_THAT(WhyNot("sleep", "inf"), HasSubstr("neither"));
  EXPECT_THAT(WhyNot("sleep", "1", {"x"}), HasSubstr("one argument at most"));
  ExpectStops(MakeChunk("sleep", {"1h"}));
}

TEST_F(TasksTest, AWaitIsCutShortByItsTimeout) {
  Chunk chunk = MakeChunk("sleep", {"0", "1h", "0"});
  chunk.input_timeout = absl::Milliseconds(50);
  const ChunkResult result = RunChunk(engine_, std::move(chunk));
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].index, 1u);
  EXPECT_EQ(result.failures[0].cause, Failure::Cause::kTimeout);
}

}  // namespace
}  // namespace center::compute
