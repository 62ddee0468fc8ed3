// `send`: what is in the file is what the server gets.
#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/tcp_sink.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SendTest : public CliTest {
 protected:
  std::string File(absl::string_view content) {
    const std::string path = dir_.path() + "/input";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  CliResult Send(const TcpSink& sink, std::vector<std::string> args, absl::string_view input = "") {
    args.insert(args.begin(), {"send", sink.address()});
    return Run(std::move(args), input);
  }
};

TEST_F(SendTest, AFileArrivesAsItIsAndTheCountsAreTold) {
  const TcpSink sink;
  const CliResult result = Send(sink, {File("one\ntwo\nthree\n")});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(sink.all_received(), "one\ntwo\nthree\n");
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, AllOf(HasSubstr("sent 3 payloads (14 B)"), HasSubstr("1 connection:")));
}

TEST_F(SendTest, StdinIsTheDefaultAndADashMeansIt) {
  const TcpSink sink;
  EXPECT_EQ(Send(sink, {}, "from stdin\n").exit_code, 0);
  EXPECT_EQ(Send(sink, {"-"}, "again\n").exit_code, 0);
  EXPECT_EQ(sink.all_received(), "from stdin\nagain\n");
}

TEST_F(SendTest, AnUnfinishedLastLineIsFinished) {
  const TcpSink sink;
  EXPECT_THAT(Send(sink, {}, "one\ntwo").err, HasSubstr("sent 2 payloads"));
  EXPECT_EQ(sink.all_received(), "one\ntwo\n");
}

TEST_F(SendTest, EmptyLinesAreKeptAndNothingIsFine) {
  const TcpSink sink;
  EXPECT_THAT(Send(sink, {}, "\n\na\n").err, HasSubstr("sent 3 payloads"));
  EXPECT_EQ(sink.all_received(), "\n\na\n");
  EXPECT_THAT(Send(sink, {}, "").err, HasSubstr("sent 0 payloads"));
}

TEST_F(SendTest, EachFramingTakesLinesAsPayloads) {
  const TcpSink length, octet, chunk;
  EXPECT_EQ(Send(length, {"--framing", "length"}, "ab\n\nc").exit_code, 0);
  EXPECT_EQ(length.all_received(), std::string("\0\0\0\2ab\0\0\0\0\0\0\0\1c", 15));
  EXPECT_EQ(Send(octet, {"--framing", "octet"}, "ab\n\nc").exit_code, 0);
  EXPECT_EQ(octet.all_received(), "2 ab0 1 c");
  EXPECT_EQ(Send(chunk, {"--framing", "chunk"}, "ab\n\nc").exit_code, 0);
  EXPECT_EQ(chunk.all_received(), "ab\n\nc");
}

TEST_F(SendTest, ANamedServerSaysItsFramingUnlessToldOtherwise) {
  const TcpSink sink;
  FakeCoordinator coordinator(dir_.path());
  v1::Server& server = coordinator.servers.servers.emplace_back();
  server.set_name("games");
  server.set_state(v1::SERVER_STATE_RUNNING);
  server.set_address(sink.address());
  server.mutable_spec()->set_framing(v1::FRAMING_OCTET);
  EXPECT_EQ(Run({"--address", coordinator.address(), "send", "games"}, "ab\n").exit_code, 0);
  EXPECT_EQ(Run({"--address", coordinator.address(), "send", "games", "--framing", "line"}, "ab\n")
                .exit_code,
            0);
  EXPECT_EQ(sink.all_received(), "2 abab\n");
}

TEST_F(SendTest, ManyConnectionsShareTheLinesWithoutLossOrDuplicates) {
  const TcpSink sink;
  std::string input;
  for (int i = 0; i < 200'000; ++i) absl::StrAppend(&input, "line ", i, "\n");
  const CliResult result = Send(sink, {"--connections", "8"}, input);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(sink.received(), SizeIs(8));
  std::vector<std::string> sent = SplitLines(input), received = SplitLines(sink.all_received());
  std::sort(sent.begin(), sent.end());
  std::sort(received.begin(), received.end());
  EXPECT_TRUE(sent == received);
  EXPECT_THAT(result.err, HasSubstr("sent 200,000 payloads"));
}

TEST_F(SendTest, JsonTellsTheTotals) {
  const TcpSink sink;
  const CliResult lines = Send(sink, {"-o", "json"}, "one\ntwo\n");
  EXPECT_THAT(lines.out,
              testing::StartsWith("{\"payloads\": \"2\", \"bytes\": \"8\", \"connections\": 1, "));
  EXPECT_THAT(lines.err, IsEmpty());
  const CliResult chunk = Send(sink, {"-o", "json", "--framing", "chunk"}, "one\ntwo\n");
  EXPECT_THAT(chunk.out, HasSubstr("\"payloads\": null")) << "chunks are cut by the server";
}

TEST_F(SendTest, ABrokenConnectionIsAFailureThatSaysWhatIsUnknown) {
  const TcpSink sink(TcpSink::Manner::kReset);
  std::string line(32 << 20, 'x');
  line.back() = '\n';
  const CliResult result = Send(sink, {}, line);
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.err, AllOf(HasSubstr("how much of it was received is unknown"),
                                HasSubstr("closed the connection"), HasSubstr(sink.address())));
}

TEST_F(SendTest, AServerThatNeverFinishesReadingIsAFailure) {
  const TcpSink sink(TcpSink::Manner::kNeverClose);
  const CliResult result = Send(sink, {"--timeout", "30ms"}, "x\n");
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.err, HasSubstr("has not read everything within 30ms"));
}

TEST_F(SendTest, NobodyListeningIsExitCodeThree) {
  const std::string address = TcpSink().address();
  EXPECT_EQ(Run({"send", address}, "x\n").exit_code, kExitNotRunning);
}

TEST_F(SendTest, AFileThatCannotBeReadIsNamed) {
  const TcpSink sink;
  const std::string path = dir_.path() + "/nosuch";
  const CliResult missing = Send(sink, {path});
  EXPECT_EQ(missing.exit_code, kExitFailure);
  EXPECT_THAT(missing.err, AllOf(HasSubstr(path), HasSubstr("No such file")));
  const CliResult folder = Send(sink, {dir_.path()});
  EXPECT_EQ(folder.exit_code, kExitFailure);
  EXPECT_THAT(folder.err, HasSubstr("directory"));
}

}  // namespace
}  // namespace center::cli
