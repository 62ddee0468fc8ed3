// `tail`: every payload once, in order, whatever breaks in between.
#include <fcntl.h>

#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/cursor.h"
#include "simdjson.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

const absl::Status kConnectionLost = absl::UnavailableError("Socket closed");

class TailTest : public CliTest {
 protected:
  TailTest() : coordinator_(dir_.path()) {}
  std::vector<std::string> Args(std::vector<std::string> args) const {
    args.insert(args.begin(), {"--address", coordinator_.address(), "tail", "-o", "raw"});
    return args;
  }
  CliResult Tail(std::vector<std::string> args) { return Run(Args(std::move(args))); }
  // "<worker>#0" to "<worker>#<count - 1>".
  static std::vector<std::string> All(const std::string& worker, size_t count, size_t from = 0) {
    std::vector<std::string> all;
    for (size_t i = from; i < count; ++i) all.push_back(absl::StrCat(worker, "#", i));
    return all;
  }
  static std::vector<std::string> OfWorker(const std::string& out, const std::string& worker) {
    std::vector<std::string> lines;
    for (const std::string& line : SplitLines(out)) {
      if (absl::StartsWith(line, worker + "#")) lines.push_back(line);
    }
    return lines;
  }

  FakeCoordinator coordinator_;
};

TEST_F(TailTest, PrintsWhatIsStoredAndEnds) {
  coordinator_.payloads.Append("default/0", 10);
  coordinator_.payloads.Append("default/1", 3);
  const CliResult result = Tail({"--no-follow"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_EQ(OfWorker(result.out, "default/0"), All("default/0", 10));
  EXPECT_EQ(OfWorker(result.out, "default/1"), All("default/1", 3));
  EXPECT_THAT(SplitLines(result.out), SizeIs(13));
}

TEST_F(TailTest, CountEndsAFollowingTailInTheMiddleOfABatch) {
  coordinator_.payloads.Append("default/0", 100);
  for (const size_t count : {1, 3, 4, 5, 99, 100}) {
    const CliResult result = Tail({"--from", "earliest", "--count", absl::StrCat(count)});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(SplitLines(result.out), All("default/0", count));
  }
}

TEST_F(TailTest, ABrokenStreamGoesOnWithoutLossOrDuplicates) {
  coordinator_.payloads.Append("default/0", 50);
  coordinator_.payloads.Append("default/1", 30);
  for (const size_t messages : {1, 5, 2, 11}) {
    coordinator_.payloads.EndNextAfter(messages, kConnectionLost);
  }
  const CliResult result = Tail({"--from", "earliest", "--count", "80"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(OfWorker(result.out, "default/0"), All("default/0", 50));
  EXPECT_EQ(OfWorker(result.out, "default/1"), All("default/1", 30));
  const auto requests = coordinator_.payloads.requests();
  ASSERT_THAT(requests, SizeIs(5));
  EXPECT_EQ(requests[0].start().place(), v1::StartPosition::PLACE_EARLIEST);
  EXPECT_THAT(requests[1].start().cursor().next_offsets(), ElementsAre(Pair("default/0", 4)));
}

TEST_F(TailTest, AStreamThatBeginsBeforeTheCursorPrintsNothingTwice) {
  coordinator_.payloads.BeginAtBatches();
  coordinator_.payloads.Append("default/0", 6);
  coordinator_.payloads.EndNextAfter(3, kConnectionLost);  // two batches and the progress
  std::thread producer([&] {
    EXPECT_TRUE(Eventually([&] { return coordinator_.payloads.requests().size() == 2; }));
    coordinator_.payloads.Append("default/0", 6);
  });
  const CliResult result = Tail({"--from", "earliest", "--count", "12"});
  producer.join();
  EXPECT_EQ(SplitLines(result.out), All("default/0", 12));
}

TEST_F(TailTest, ARestartedCoordinatorIsFoundAgainAndToldOnce) {
  coordinator_.payloads.Append("default/0", 6);
  const MemoryFile out, err;
  int exit_code = -1;
  std::thread tail([&] {
    exit_code = RunCenterctl(Args({"--from", "earliest", "--count", "10"}),
                             Deps(in_.fd(), out.fd(), err.fd()));
  });
  EXPECT_TRUE(Eventually([&] { return SplitLines(out.Text()).size() == 6; }));
  coordinator_.Down();
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(err.Text(), "is broken"); }));
  coordinator_.payloads.Append("default/0", 4);
  coordinator_.Up();
  tail.join();
  EXPECT_EQ(exit_code, 0);
  EXPECT_EQ(SplitLines(out.Text()), All("default/0", 10));
  EXPECT_THAT(SplitLines(err.Text()),
              ElementsAre(HasSubstr("is broken; trying again"), HasSubstr("connected again")));
}

TEST_F(TailTest, WithoutFollowABrokenStreamIsAnError) {
  coordinator_.payloads.Append("default/0", 50);
  coordinator_.payloads.EndNextAfter(2, rpc::WithReason(kConnectionLost, "WORKER_UNAVAILABLE"));
  const CliResult result = Tail({"--no-follow"});
  EXPECT_EQ(result.exit_code, 64 + 14);
  EXPECT_EQ(SplitLines(result.out), All("default/0", 8)) << "what came stays printed";
  EXPECT_THAT(result.err, HasSubstr("`centerctl worker list`"));
}

TEST_F(TailTest, AServerThatIsStoppedEndsAFollowingTailWithThree) {
  coordinator_.payloads.Append("default/0", 4);
  coordinator_.payloads.EndNextAfter(
      1, rpc::WithReason(absl::FailedPreconditionError("server default is stopped"),
                         "SERVER_STOPPED"));
  const CliResult result = Tail({"--from", "earliest"});
  EXPECT_EQ(result.exit_code, kExitNotRunning);
  EXPECT_EQ(SplitLines(result.out), All("default/0", 4));
}

TEST_F(TailTest, AGapIsToldOnStderrAndOnlyOnce) {
  coordinator_.payloads.Append("default/0", 10);
  coordinator_.payloads.Forget("default/0", 7);
  coordinator_.payloads.EndNextAfter(1, kConnectionLost);
  const CliResult result = Tail({"--from", "earliest", "--count", "3"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(SplitLines(result.out), All("default/0", 10, 7));
  const auto lines = SplitLines(result.err);
  ASSERT_THAT(lines, Not(IsEmpty()));
  EXPECT_EQ(lines[0],
            "centerctl: gap: 7 payloads of default/0 cannot be shown (#0 to #6, retention)");
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const std::string& l) { return absl::StrContains(l, "gap:"); }),
            1)
      << "the next call begins behind it";
}

TEST_F(TailTest, JsonIsOneObjectALineWhateverThePayloadHolds) {
  coordinator_.payloads.AppendPayload("default/0", "text with\nline feed \x1b[2J");
  coordinator_.payloads.AppendPayload("default/0", "JSON|{\"a\":\n1}");
  coordinator_.payloads.AppendPayload("default/0", std::string("\xff\0\x1b", 3));
  const CliResult result =
      Run({"--address", coordinator_.address(), "tail", "--no-follow", "-o", "json"});
  const auto lines = SplitLines(result.out);
  ASSERT_THAT(lines, SizeIs(3));
  simdjson::dom::parser parser;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto object = parser.parse(lines[i]);
    EXPECT_EQ(std::string_view(object["worker"]), "default/0");
    EXPECT_EQ(std::string_view(object["offset"]), std::to_string(i));
    EXPECT_EQ(std::string_view(object["peer"]), "127.0.0.1:4000");
    EXPECT_EQ(std::string_view(object["receiveTime"]), "2023-11-14T22:13:20Z");
  }
  EXPECT_THAT(lines[0], HasSubstr("\"text\":\"text with\\nline feed \\u001b[2J\""));
  EXPECT_THAT(lines[1], AllOf(HasSubstr("\"kind\":\"PAYLOAD_KIND_JSON\""),
                              HasSubstr("\"json\":\"{\\\"a\\\":\\n1}\"")));
  EXPECT_THAT(lines[2], HasSubstr("\"data\":\"/wAb\""));
}

TEST_F(TailTest, RawIsThePayloadsBytesAndALineFeed) {
  coordinator_.payloads.AppendPayload("default/0", std::string("\x1b\0\xff", 3));
  coordinator_.payloads.AppendPayload("default/0", "");
  EXPECT_EQ(Tail({"--no-follow"}).out, std::string("\x1b\0\xff\n\n", 5));
}

TEST_F(TailTest, PrettyIsTheDefaultAndShowsNoEscapeSequenceOfAPayload) {
  coordinator_.payloads.AppendPayload("default/0", "clear \x1b[2J screen");
  coordinator_.payloads.AppendPayload("default/0", "{\"k\":[1]}");
  const CliResult result =
      Run({"--address", coordinator_.address(), "--color", "never", "tail", "--no-follow"});
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("default/0 #0"), HasSubstr("clear \\x1b[2J screen\n"),
                    HasSubstr("{\n  \"k\": [\n    1\n  ]\n}\n"), Not(HasSubstr("\x1b"))));
}

// ---- Remembering the place --------------------------------------------------------------------

TEST_F(TailTest, ASubscriptionIsCommittedToWhatWasPrinted) {
  coordinator_.payloads.Append("default/0", 10);
  const CliResult result = Tail({"games", "--subscription", "billing", "--count", "7"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(coordinator_.payloads.requests()[0].start().subscription(), "billing");
  const auto commits = coordinator_.payloads.commits();
  ASSERT_THAT(commits, Not(IsEmpty()));
  EXPECT_EQ(commits.back().server(), "games");
  EXPECT_EQ(commits.back().subscription(), "billing");
  EXPECT_FALSE(commits.back().rewind());
  EXPECT_THAT(commits.back().cursor().next_offsets(), ElementsAre(Pair("default/0", 7)));
  for (size_t i = 1; i < commits.size(); ++i) {
    EXPECT_GT(commits[i].cursor().next_offsets().at("default/0"),
              commits[i - 1].cursor().next_offsets().at("default/0"))
        << "an unchanged cursor is not stored again";
  }
  EXPECT_LE(commits.size(), 2u)
      << "the clock stands still: one commit at the start, one at the end";
}

TEST_F(TailTest, WhatCouldNotBeWrittenIsNotCommitted) {
  coordinator_.payloads.Append("default/0", 10);
  const std::string cursor = dir_.path() + "/cursor";
  const ScopedFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(RunCenterctl(Args({"--from", "earliest", "--subscription", "billing", "--cursor",
                               cursor, "--no-follow"}),
                         Deps(in_.fd(), full.get(), err_.fd())),
            kExitFailure);
  EXPECT_THAT(err_.Text(), HasSubstr("No space left"));
  EXPECT_THAT(coordinator_.payloads.commits(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(LoadCursor(cursor).status()));
}

TEST_F(TailTest, AReaderThatWentAwayEndsItQuietlyAndNothingUnreadIsCommitted) {
  coordinator_.payloads.Append("default/0", 10);
  Pipe pipe;
  pipe.read_end.Reset();
  EXPECT_EQ(RunCenterctl(Args({"--from", "earliest", "--subscription", "billing"}),
                         Deps(in_.fd(), pipe.write_end.get(), err_.fd())),
            kExitOk);
  EXPECT_EQ(err_.Text(), "");
  EXPECT_THAT(coordinator_.payloads.commits(), IsEmpty());
}

TEST_F(TailTest, ACursorFileResumesWhereItStopped) {
  coordinator_.payloads.Append("default/0", 10);
  coordinator_.payloads.Append("default/1", 2);
  const std::string cursor = dir_.path() + "/cursor";
  std::string all;
  for (int i = 0; i < 6; ++i) {
    const CliResult result =
        Tail({"--from", "earliest", "--cursor", cursor, "--count", "2", "--no-follow"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(SplitLines(result.out), SizeIs(2));
    all += result.out;
  }
  EXPECT_EQ(OfWorker(all, "default/0"), All("default/0", 10));
  EXPECT_EQ(OfWorker(all, "default/1"), All("default/1", 2));
  EXPECT_EQ(Tail({"--cursor", cursor, "--no-follow"}).out, "");
  EXPECT_EQ(Tail({"--from", "cursor", cursor, "--no-follow"}).out, "");
  EXPECT_EQ(Tail({"--from", "cursor:" + cursor, "--no-follow"}).exit_code, 0);
}

TEST_F(TailTest, ABrokenCursorFileIsAnErrorAndNotAStartFromScratch) {
  const std::string cursor = dir_.path() + "/cursor";
  std::ofstream(cursor) << "nonsense";
  const CliResult result = Tail({"--cursor", cursor, "--no-follow"});
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.err, HasSubstr(cursor));
  EXPECT_THAT(coordinator_.payloads.requests(), IsEmpty());
}

TEST_F(TailTest, ARefusedCommitIsAFailure) {
  coordinator_.payloads.Append("default/0", 4);
  coordinator_.payloads.RefuseCommits(
      rpc::WithReason(absl::NotFoundError("there is no server x"), "SERVER_NOT_FOUND"));
  const CliResult result = Tail({"--subscription", "billing", "--no-follow"});
  EXPECT_EQ(result.exit_code, 64 + 5);
  EXPECT_THAT(result.err, HasSubstr("there is no server x"));
}

}  // namespace
}  // namespace center::cli
