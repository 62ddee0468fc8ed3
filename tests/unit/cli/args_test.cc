// From a command line to a request: words, flags, variables, and what is refused.
#include "cli/args.h"

#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST(EditDistanceTest, CountsEditsAndSwapsOfNeighbours) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("server", "server"), 0u);
  EXPECT_EQ(EditDistance("sever", "server"), 1u);
  EXPECT_EQ(EditDistance("servver", "server"), 1u);
  EXPECT_EQ(EditDistance("sorver", "server"), 1u);
  EXPECT_EQ(EditDistance("srever", "server"), 1u) << "a swap is one edit";
  EXPECT_EQ(EditDistance("--form", "--from"), 1u);
}

TEST(NearestTest, FindsTypingErrorsAndBeginningsButNothingFar) {
  const std::vector<std::string> words = {"coordinator", "server", "worker", "tail"};
  EXPECT_EQ(Nearest("sevrer", words), "server");
  EXPECT_EQ(Nearest("tial", words), "tail");
  EXPECT_EQ(Nearest("coord", words), "coordinator");
  EXPECT_EQ(Nearest("banana", words), "");
  EXPECT_EQ(Nearest("c", words), "") << "one letter is no hint";
  EXPECT_EQ(Nearest("tail", {}), "");
}

class ArgsTest : public CliTest {
 protected:
  ArgsTest() : coordinator_(dir_.path()) {}
  CliResult RunHere(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args));
  }
  // The request that `args` (a tail that finds nothing) sent.
  v1::StreamPayloadsRequest TailRequest(std::vector<std::string> args) {
    args.insert(args.begin() + 1, "--no-follow");
    const CliResult result = RunHere(std::move(args));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto requests = coordinator_.payloads.requests();
    return requests.empty() ? v1::StreamPayloadsRequest() : requests.back();
  }
  void ExpectUsageError(const std::vector<std::string>& args, const std::string& message) {
    const CliResult result = RunHere(args);
    EXPECT_EQ(result.exit_code, kExitUsage) << testing::PrintToString(args);
    EXPECT_THAT(result.out, IsEmpty()) << "stdout is for data";
    EXPECT_THAT(result.err, AllOf(StartsWith("centerctl: "), HasSubstr(message)))
        << testing::PrintToString(args);
    EXPECT_THAT(result.err, HasSubstr("Usage: centerctl")) << "a wrong command shows help";
  }

  FakeCoordinator coordinator_;
};

TEST_F(ArgsTest, PositionalsAndFlagsMixInAnyOrder) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"tail", "games", "--worker", "games/1", "--contains", "x"},
        std::vector<std::string>{"tail", "--worker=games/1", "games", "--contains=x"},
        std::vector<std::string>{"tail", "--contains", "x", "--worker", "games/1", "games"}}) {
    const auto request = TailRequest(args);
    EXPECT_EQ(request.server(), "games");
    EXPECT_EQ(request.worker(), "games/1");
    EXPECT_EQ(request.filter().contains(), "x");
  }
}

TEST_F(ArgsTest, APositionalMayBeTheNameOfACommand) {
  EXPECT_EQ(TailRequest({"tail", "worker"}).server(), "worker");
  EXPECT_EQ(TailRequest({"tail", "help"}).server(), "help");
}

TEST_F(ArgsTest, WordsAfterTwoDashesAreNoFlags) {
  EXPECT_EQ(TailRequest({"tail", "--", "--help"}).server(), "--help");
}

TEST_F(ArgsTest, AValueMayLookLikeAFlagOrBeEmpty) {
  EXPECT_EQ(TailRequest({"tail", "--contains=--help"}).filter().contains(), "--help");
  EXPECT_EQ(TailRequest({"tail", "--contains=-h"}).filter().contains(), "-h");
}

TEST_F(ArgsTest, DefaultsAreTheOnesThatHelpStates) {
  const auto request = TailRequest({"tail"});
  EXPECT_EQ(request.server(), "default");
  EXPECT_EQ(request.worker(), "");
  EXPECT_FALSE(request.has_filter());
  EXPECT_EQ(request.start().place(), v1::StartPosition::PLACE_EARLIEST);
  EXPECT_FALSE(request.follow());
}

TEST_F(ArgsTest, TailUnderstandsEveryPlaceToStart) {
  clock_.Set(1'700'000'000'000'000'000);
  EXPECT_EQ(TailRequest({"tail", "--from", "latest"}).start().place(),
            v1::StartPosition::PLACE_LATEST);
  EXPECT_EQ(TailRequest({"tail", "--from", "10m"}).start().time().seconds(), 1'700'000'000 - 600);
  EXPECT_EQ(TailRequest({"tail", "--from", "2025-06-01T12:00:00Z"}).start().time().seconds(),
            1'748'779'200);
  EXPECT_EQ(TailRequest({"tail", "--subscription", "billing"}).start().subscription(), "billing");
  const CliResult nonsense = RunHere({"tail", "--from", "yesterdayish"});
  EXPECT_EQ(nonsense.exit_code, kExitUsage);
  EXPECT_THAT(nonsense.err, HasSubstr("--from takes earliest, latest, cursor:FILE or a time"));
}

TEST_F(ArgsTest, RepeatedKindsAddUp) {
  const auto request = TailRequest({"tail", "--kind", "json", "--kind", "binary"});
  EXPECT_THAT(request.filter().kinds(),
              testing::ElementsAre(v1::PAYLOAD_KIND_JSON, v1::PAYLOAD_KIND_BINARY));
}

TEST_F(ArgsTest, GlobalFlagsStandBeforeOrAfterTheCommand) {
  EXPECT_THAT(RunHere({"-o", "json", "server", "list"}).out, StartsWith("{"));
  EXPECT_THAT(RunHere({"server", "list", "-o", "json"}).out, StartsWith("{"));
  EXPECT_THAT(RunHere({"server", "list", "-ojson"}).out, StartsWith("{"));
  EXPECT_THAT(RunHere({"server", "--output=json", "list"}).out, StartsWith("{"));
}

TEST_F(ArgsTest, UnknownWordsNameTheNearestCommand) {
  ExpectUsageError({"sevrer", "list"}, "did you mean `centerctl server`?");
  ExpectUsageError({"server", "strat"}, "did you mean `centerctl server start`?");
  ExpectUsageError({"banana"}, "there are coordinator, server,");
  ExpectUsageError({"server"}, "`centerctl server` needs a command");
  ExpectUsageError({"server", "list", "surplus"}, "unexpected: surplus");
}

TEST_F(ArgsTest, UnknownFlagsNameTheNearestFlag) {
  ExpectUsageError({"tail", "--form", "earliest"},
                   "`centerctl tail` has no flag --form; did you mean --from?");
  ExpectUsageError({"tail", "--adress", "x"}, "did you mean --address?");
  ExpectUsageError({"server", "list", "--zzzzzz"}, "has no flag --zzzzzz");
  ExpectUsageError({"tail", "-x"}, "-x");
}

TEST_F(ArgsTest, AFlagWithoutItsValueIsRefused) {
  ExpectUsageError({"tail", "--from"}, "--from");
  ExpectUsageError({"tail", "--count="}, "--count");
  ExpectUsageError({"send"}, "TARGET");
}

TEST_F(ArgsTest, ValuesAreCheckedAndTheMessageNamesFlagAndValue) {
  ExpectUsageError({"tail", "--count", "abc"}, "--count: \"abc\" is no whole number");
  ExpectUsageError({"tail", "--count", "-1"}, "--count: \"-1\" is no whole number");
  ExpectUsageError({"tail", "--count", "010"}, "\"010\" is no whole number");
  ExpectUsageError({"tail", "--count", "99999999999999999999"}, "is no whole number");
  ExpectUsageError({"server", "start", "-p", "65536"}, "--port: 65536 is not between 0 and 65535");
  ExpectUsageError({"server", "start", "-n", "0"}, "--workers: 0 is not between 1 and 256");
  ExpectUsageError({"server", "start", "--max-connections", "-1"}, "--max-connections");
  ExpectUsageError({"server", "start", "--retain-bytes", "lots"}, "\"lots\"");
  ExpectUsageError({"server", "start", "--framing", "lines"}, "did you mean line?");
  ExpectUsageError({"tail", "--kind", "xml"}, "--kind");
  ExpectUsageError({"--timeout", "5", "server", "list"}, "\"5\" is no duration");
  ExpectUsageError({"-o", "jsno", "server", "list"}, "did you mean json?");
  ExpectUsageError({"send", "x", "--connections", "0"}, "is not between 1 and 10000");
}

TEST_F(ArgsTest, FlagsThatExcludeEachOtherAreRefused) {
  const CliResult result = RunHere({"tail", "--follow", "--no-follow"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, HasSubstr("--follow and --no-follow exclude each other"));
}

TEST_F(ArgsTest, BenchTakesANameOrAnAddressEachWithItsFlag) {
  for (const char* verb : {"ingest", "latency"}) {
    const CliResult result = RunHere({"bench", verb, "--server", "127.0.0.1:5000"});
    EXPECT_EQ(result.exit_code, kExitUsage) << verb;
    EXPECT_THAT(result.err, HasSubstr("--server takes the name of a server")) << verb;
  }
  EXPECT_EQ(RunHere({"bench", "ingest", "--to", "127.0.0.1:1", "--subscribers", "1"}).exit_code,
            kExitUsage);
}

TEST_F(ArgsTest, ServerStartSendsOnlyWhatWasGiven) {
  ASSERT_EQ(RunHere({"server", "start", "games", "-p", "0", "--framing", "octet", "--retain-bytes",
                     "64MiB", "--retain-age", "2h", "--overflow", "drop-oldest", "--banner", ""})
                .exit_code,
            0);
  const v1::ServerSpec& spec = coordinator_.servers.started.spec();
  EXPECT_EQ(coordinator_.servers.started.name(), "games");
  EXPECT_TRUE(coordinator_.servers.started.wait_ready());
  EXPECT_THAT(coordinator_.servers.started.request_id(), Not(IsEmpty()));
  EXPECT_TRUE(spec.has_port());
  EXPECT_EQ(spec.port(), 0u);
  EXPECT_EQ(spec.framing(), v1::FRAMING_OCTET);
  EXPECT_EQ(spec.overflow(), v1::OVERFLOW_DROP_OLDEST);
  EXPECT_EQ(spec.durability(), v1::DURABILITY_UNSPECIFIED);
  EXPECT_EQ(spec.retain_bytes(), 64u << 20);
  EXPECT_EQ(spec.retain_age().seconds(), 7200);
  EXPECT_TRUE(spec.has_banner());
  EXPECT_EQ(spec.workers(), 0u);
  EXPECT_EQ(spec.host(), "");
}

TEST_F(ArgsTest, ABadServerNameIsRefusedBeforeAnythingIsSent) {
  const CliResult result = RunHere({"server", "start", "Games!"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, HasSubstr("server name"));
  EXPECT_EQ(coordinator_.servers.started.name(), "");
}

TEST_F(ArgsTest, VariablesStandInForFlagsAndFlagsWin) {
  const ScopedEnv address("CENTER_ADDRESS", coordinator_.address().c_str());
  EXPECT_EQ(Run({"server", "list"}).exit_code, 0);
  const ScopedEnv output("CENTER_OUTPUT", "json");
  EXPECT_THAT(Run({"server", "list"}).out, StartsWith("{"));
  EXPECT_THAT(Run({"server", "list", "-o", "yaml"}).out, StartsWith("servers:"));
  EXPECT_EQ(Run({"--address", "unix:/nowhere/x.sock", "server", "list"}).exit_code,
            kExitNotRunning);
}

TEST_F(ArgsTest, QuietSilencesRemarksButNotErrors) {
  EXPECT_THAT(RunHere({"server", "list"}).err, HasSubstr("there are no servers yet"));
  EXPECT_THAT(RunHere({"-q", "server", "list"}).err, IsEmpty());
  const ScopedEnv quiet("CENTER_QUIET", "1");
  EXPECT_THAT(RunHere({"server", "list"}).err, IsEmpty());
  EXPECT_THAT(RunHere({"server", "status", "nosuch"}).err, HasSubstr("nosuch"));
}

TEST_F(ArgsTest, ABadVariableIsAUsageError) {
  const ScopedEnv color("CENTER_COLOR", "purple");
  const CliResult result = RunHere({"server", "list"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, HasSubstr("\"purple\" is none of auto, always, never"));
}

TEST_F(ArgsTest, EveryOtherVariableIsTheFlagThatItStandsFor) {
  {
    const ScopedEnv timeout("CENTER_TIMEOUT", "soon");
    EXPECT_THAT(RunHere({"server", "list"}).err, HasSubstr("soon"));
    EXPECT_EQ(RunHere({"server", "list"}).exit_code, kExitUsage);
    EXPECT_EQ(RunHere({"--timeout", "5s", "server", "list"}).exit_code, 0) << "the flag wins";
  }
  {
    const ScopedEnv data("CENTER_DATA_DIR", "/srv/of-the-variable");
    const std::vector<std::string> start = {"--address", "unix:/nowhere/x.sock", "coordinator",
                                            "start", "--dry-run"};
    EXPECT_THAT(Run(start).out, HasSubstr("data in /srv/of-the-variable"));
  }
  for (const char* variable : {"CENTER_TLS_CERT", "CENTER_TLS_KEY", "CENTER_TLS_CA"}) {
    const ScopedEnv file(variable, "/nowhere/to-be-found.pem");
    const CliResult result = Run({"--address", "127.0.0.1:1", "server", "list"});
    EXPECT_NE(result.exit_code, 0);
    // Three belong together: whichever is missing or cannot be read is named.
    EXPECT_THAT(result.err, HasSubstr("--tls-")) << variable;
  }
}

TEST_F(ArgsTest, AnEmptyVariableIsNone) {
  const ScopedEnv output("CENTER_OUTPUT", "");
  const ScopedEnv timeout("CENTER_TIMEOUT", "");
  EXPECT_EQ(RunHere({"server", "list"}).exit_code, 0);
}

}  // namespace
}  // namespace center::cli
