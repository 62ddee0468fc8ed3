// Tables, JSON, YAML and names: as functions, and as commands print them.
#include "cli/output.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "simdjson.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(FormatTest, NamesAndFormatsBelongTogether) {
  for (const Format format : {Format::kTable, Format::kWide, Format::kJson, Format::kYaml,
                              Format::kName, Format::kPretty, Format::kRaw}) {
    Format parsed = Format::kDefault;
    EXPECT_TRUE(ParseFormat(FormatName(format), &parsed));
    EXPECT_EQ(parsed, format);
  }
  Format untouched = Format::kRaw;
  for (const char* text : {"", "default", "JSON", "xml"}) {
    EXPECT_FALSE(ParseFormat(text, &untouched)) << text;
  }
  EXPECT_EQ(untouched, Format::kRaw);
}

TEST(StyleTest, ColoursOnlyWhenOn) {
  EXPECT_EQ(Style(true)(Color::kRed, "x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Style(false)(Color::kRed, "x"), "x");
  EXPECT_EQ(Style(true)(Color::kNone, "x"), "x");
  EXPECT_EQ(Style(true)(Color::kRed, ""), "");
}

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"NAME"}, {"COUNT", Table::Align::kRight}, {"WHAT"}});
  table.AddRow({"a", "1", "short"});
  table.AddRow({"a-long-name", "12,345", "x"});
  EXPECT_EQ(table.Render(Style(false)),
            "NAME          COUNT  WHAT\n"
            "a                 1  short\n"
            "a-long-name  12,345  x\n");
}

TEST(TableTest, TheLastColumnIsNotPaddedUnlessItStandsRight) {
  Table table({{"A"}, {"B", Table::Align::kRight}});
  table.AddRow({"x", "1"});
  table.AddRow({"x", "100"});
  EXPECT_EQ(table.Render(Style(false), /*header=*/false), "x    1\nx  100\n");
}

TEST(TableTest, ColoursTakeNoWidth) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"red", Color::kRed}, "1"});
  table.AddRow({"longer", "2"});
  EXPECT_EQ(table.Render(Style(true), false), "\x1b[31mred\x1b[0m     1\nlonger  2\n");
}

TEST(TableTest, LettersBeyondAsciiTakeOneColumn) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"Grüße", "1"});
  table.AddRow({"abcde", "2"});
  EXPECT_EQ(table.Render(Style(false), false), "Grüße  1\nabcde  2\n");
}

TEST(TableTest, ACellCannotBreakItsLineOrCommandTheTerminal) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"one\ntwo\x1b[2J", "1"});
  EXPECT_EQ(table.Render(Style(false), false), "one\\ntwo\\x1b[2J  1\n");
}

TEST(TableTest, WithoutRowsOnlyTheHeaderIsLeft) {
  const Table table({{"A"}, {"B"}});
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.Render(Style(false)), "A  B\n");
}

TEST(JsonTest, NamesAreCamelCaseBigNumbersStringsAndDefaultsAreThere) {
  v1::WorkerStats stats;
  stats.set_payloads(1'234'567'890'123);
  const std::string json = *ToJson(stats, JsonLayout::kOneLine);
  EXPECT_THAT(
      json, AllOf(HasSubstr("\"payloads\":\"1234567890123\""),
                  HasSubstr("\"connectionsAccepted\":\"0\""), HasSubstr("\"blockedReason\":\"\"")));
  EXPECT_EQ(json.find('\n'), json.size() - 1);
  EXPECT_THAT(*ToJson(stats, JsonLayout::kIndented), HasSubstr("\n \"payloads\": "));
}

TEST(JsonTest, NothingInItReachesTheTerminalAsACommand) {
  v1::Server server;
  server.set_detail("\x1b[2J\x7f\xc2\x9b");
  const std::string json = *ToJson(server, JsonLayout::kOneLine);
  EXPECT_THAT(json, HasSubstr(R"("detail":"\u001b[2J\u007f\u009b")"));
}

TEST(RenderTest, JsonAndYamlSayTheSame) {
  v1::Cursor cursor;
  (*cursor.mutable_next_offsets())["default/0"] = 42;
  EXPECT_EQ(*Render(cursor, Format::kYaml), "nextOffsets:\n  default/0: \"42\"\n");
  simdjson::dom::parser parser;
  const std::string json = *Render(cursor, Format::kJson);
  EXPECT_EQ(simdjson::minify(parser.parse(json)), R"({"nextOffsets":{"default/0":"42"}})");
}

TEST(EnumTest, NamesLoseTheirPrefix) {
  EXPECT_EQ(EnumText("WORKER_STATE_READY", "WORKER_STATE_"), "READY");
  EXPECT_EQ(EnumFlag("OVERFLOW_DROP_OLDEST", "OVERFLOW_"), "drop-oldest");
}

// ---- As commands print them -------------------------------------------------------------------

class OutputCommandTest : public CliTest {
 protected:
  OutputCommandTest() : coordinator_(dir_.path()) {
    for (const char* name : {"default", "games"}) {
      v1::Server& server = coordinator_.servers.servers.emplace_back();
      server.set_name(name);
      server.set_state(v1::SERVER_STATE_RUNNING);
      server.set_address("127.0.0.1:5000");
      server.mutable_spec()->set_workers(2);
      for (int slot = 0; slot < 2; ++slot) {
        v1::Worker* worker = server.add_workers();
        worker->set_name(absl::StrCat(name, "/", slot));
        worker->set_state(v1::WORKER_STATE_READY);
        worker->set_pid(100 + slot);
      }
    }
    for (uint64_t id = 1; id <= 3; ++id) {
      v1::Event& event = coordinator_.events.events.emplace_back();
      event.set_id(id);
      event.set_type(v1::EVENT_TYPE_WORKER_DIED);
      event.set_subject("default/0");
      event.set_reason(absl::StrCat("killed by signal ", id, "\x1b[2J\nsecond line"));
      (*event.mutable_details())["pid"] = "4242";
    }
  }
  std::string Out(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    const CliResult result = Run(std::move(args));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  static bool IsJsonObject(const std::string& text) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    return parser.parse(text).get(object) == simdjson::SUCCESS;
  }

  FakeCoordinator coordinator_;
};

TEST_F(OutputCommandTest, ListsCollectAllPages) {
  EXPECT_EQ(Out({"server", "list", "-o", "name"}), "default\ngames\n");
  EXPECT_THAT(SplitLines(Out({"server", "list"})), SizeIs(3));
  EXPECT_EQ(Out({"worker", "list", "-o", "name"}), "default/0\ndefault/1\ngames/0\ngames/1\n");
  EXPECT_EQ(Out({"worker", "list", "games", "-o", "name"}), "games/0\ngames/1\n");
}

TEST_F(OutputCommandTest, JsonIsOneObjectForWhatIsNoStream) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"server", "list"}, std::vector<std::string>{"server", "status"},
        std::vector<std::string>{"server", "params"}, std::vector<std::string>{"worker", "list"},
        std::vector<std::string>{"coordinator", "status"}, std::vector<std::string>{"version"},
        std::vector<std::string>{"server", "start"}}) {
    std::vector<std::string> with_format = args;
    with_format.insert(with_format.end(), {"-o", "json"});
    const std::string out = Out(with_format);
    EXPECT_TRUE(IsJsonObject(out)) << testing::PrintToString(args) << out;
    EXPECT_TRUE(absl::EndsWith(out, "}\n"));
  }
}

TEST_F(OutputCommandTest, TheNamesThatScriptsRelyOnAreThere) {
  const std::string status = Out({"server", "status", "-o", "json"});
  for (const char* name : {"\"name\"", "\"spec\"", "\"host\"", "\"workers\"", "\"framing\"",
                           "\"state\"", "\"slot\"", "\"pid\""}) {
    EXPECT_THAT(status, HasSubstr(name));
  }
  EXPECT_THAT(Out({"worker", "list", "-o", "json"}), HasSubstr("\"workers\": ["));
  EXPECT_EQ(Out({"version", "-o", "yaml"}), "client: \"0.1.0\"\ncoordinator: \"9.9.9\"\n");
}

TEST_F(OutputCommandTest, JsonOfEventsIsOneObjectALine) {
  const std::vector<std::string> lines = SplitLines(Out({"events", "-o", "json"}));
  ASSERT_THAT(lines, SizeIs(3));
  for (const std::string& line : lines) EXPECT_TRUE(IsJsonObject(line)) << line;
}

TEST_F(OutputCommandTest, YamlOfEventsIsOneDocumentEach) {
  const std::vector<std::string> lines = SplitLines(Out({"events", "-o", "yaml"}));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "---"), 3);
}

TEST_F(OutputCommandTest, AnEventIsALineWhateverItsReasonHolds) {
  const std::vector<std::string> lines = SplitLines(Out({"events"}));
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(
      lines, Each(AllOf(HasSubstr("worker-died"), HasSubstr("default/0"), Not(HasSubstr("\x1b")))));
  EXPECT_THAT(SplitLines(Out({"events", "-o", "wide"})), SizeIs(6));
  EXPECT_THAT(Out({"events", "-o", "wide"}), HasSubstr("\n    pid: 4242\n"));
}

TEST_F(OutputCommandTest, DetailsWithLinesOfTheirOwnAreIndented) {
  v1::Event& event = coordinator_.events.events.back();
  (*event.mutable_details())["stack"] = "thread 7 main\n  #0  f\n";
  (*event.mutable_details())["cause"] = "hung";
  EXPECT_THAT(Out({"events", "-o", "wide"}),
              HasSubstr("\n    cause: hung\n    pid: 4242\n    stack:\n      thread 7 main\n"
                        "        #0  f\n"));
}

TEST_F(OutputCommandTest, StacksAreShownByThread) {
  EXPECT_EQ(Out({"worker", "stacks", "default/0"}),
            "default/0, process 100, stood still for 1.5 ms\n"
            "thread 101 main\\033\n"
            "  #0  center::Run() at run.cc:12\n"
            "  #1  0x5678\n"
            "thread 102 \n"
            "  (it did not stop, nothing is known)\n");
  EXPECT_THAT(Out({"worker", "stacks", "default/0", "-o", "wide"}),
              HasSubstr("  #0  0x1234 center::Run() at run.cc:12\n"));
  EXPECT_TRUE(IsJsonObject(Out({"worker", "stacks", "default/0", "-o", "json"})));
}

TEST_F(OutputCommandTest, DeletedEventsAreSaidOnStderr) {
  coordinator_.events.history_gone = true;
  const CliResult result = Run({"--address", coordinator_.address(), "events"});
  EXPECT_THAT(result.err, HasSubstr("are deleted"));
  EXPECT_THAT(SplitLines(result.out), SizeIs(3));
}

TEST_F(OutputCommandTest, TablesHaveColoursOnlyWhenAskedForOffATerminal) {
  EXPECT_THAT(Out({"server", "list"}), Not(HasSubstr("\x1b[")));
  EXPECT_THAT(Out({"--color", "always", "server", "list"}), HasSubstr("\x1b[32mRUNNING\x1b[0m"));
}

TEST_F(OutputCommandTest, StopSaysWhatItStoppedAndNowMeansNow) {
  EXPECT_EQ(Out({"server", "stop", "games", "-o", "name"}), "games\n");
  EXPECT_EQ(coordinator_.servers.stopped.name(), "games");
  EXPECT_FALSE(coordinator_.servers.stopped.now());
  EXPECT_THAT(coordinator_.servers.stopped.request_id(), Not(IsEmpty()));
  Out({"server", "stop", "games", "--now"});
  EXPECT_TRUE(coordinator_.servers.stopped.now());
}

TEST_F(OutputCommandTest, RemarksGoToStderrAndDataToStdout) {
  const CliResult started = Run({"--address", coordinator_.address(), "server", "start"});
  EXPECT_THAT(started.out, IsEmpty());
  EXPECT_THAT(started.err, HasSubstr("server default is running"));
  EXPECT_EQ(Out({"server", "start", "-o", "name"}), "default\n");
}

}  // namespace
}  // namespace center::cli
