// The help screens: complete, consistent, and the same wherever they are asked for.
#include "cli/help.h"

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Nouns and verbs that scripts may count on.
const std::map<std::string, std::vector<std::string>>& Table() {
  static const auto& table = *new std::map<std::string, std::vector<std::string>>{
      {"coordinator", {"start", "stop", "restart", "status"}},
      {"server", {"start", "stop", "restart", "scale", "params", "manifest", "status", "list"}},
      {"client", {"start", "stop", "status", "list"}},
      {"worker", {"list", "restart", "stacks"}},
      {"tail", {}},
      {"send", {}},
      {"events", {}},
      {"journal", {"verify", "dump", "repair"}},
      {"job", {"submit", "list", "get", "results", "cancel", "tasks"}},
      {"apply", {}},
      {"export", {}},
      {"context", {"list", "use", "show", "set", "delete"}},
      {"experiment", {}},
      {"bench", {"ingest", "latency", "compute"}},
      {"version", {}},
      {"help", {}}};
  return table;
}

// The words of every command that does something.
std::vector<std::vector<std::string>> Commands() {
  std::vector<std::vector<std::string>> commands;
  for (const auto& [noun, verbs] : Table()) {
    if (verbs.empty()) commands.push_back({noun});
    for (const std::string& verb : verbs) commands.push_back({noun, verb});
  }
  return commands;
}

class HelpTest : public CliTest {
 protected:
  std::string Help(std::vector<std::string> words) {
    words.push_back("--help");
    const CliResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.err, IsEmpty());
    return result.out;
  }
};

TEST_F(HelpTest, TheFirstScreenNamesEveryNounWithItsVerbs) {
  const std::string help = Help({});
  for (const auto& [noun, verbs] : Table()) {
    const std::string entry = verbs.empty()
                                  ? absl::StrCat("\n  ", noun, " ")
                                  : absl::StrCat("\n  ", noun, " ", absl::StrJoin(verbs, "|"));
    EXPECT_THAT(help, HasSubstr(entry));
  }
  EXPECT_THAT(help, HasSubstr("Exit codes: 0 ok, 1 failure, 2 usage, 3 not running, 64+N"));
  for (const char* flag :
       {"--address", "--context", "--output", "--timeout", "--quiet", "--yes", "--color"}) {
    EXPECT_THAT(help, HasSubstr(flag));
  }
  for (const char* variable : {"CENTER_ADDRESS", "CENTER_CONTEXT", "CENTER_OUTPUT",
                               "CENTER_TIMEOUT", "CENTER_QUIET", "CENTER_YES", "CENTER_COLOR"}) {
    EXPECT_THAT(help, HasSubstr(variable));
  }
}

TEST_F(HelpTest, TheEnvironmentHasEveryVariableThatAFlagNames) {
  const std::string help = Run({"help", "environment"}).out;
  const std::string man = Run({"__man"}).out;
  std::set<std::string> known;
  for (const auto& [variable, what] : EnvironmentVariables()) {
    known.insert(variable);
    EXPECT_THAT(help, HasSubstr(absl::StrCat("  ", variable, " ")));
    EXPECT_THAT(man, HasSubstr(absl::StrCat(".B ", variable, "\n")));
  }
  // Descriptions of flags say "env CENTER_…".
  std::set<std::string> named;
  for (size_t at = man.find("CENTER_"); at != std::string::npos; at = man.find("CENTER_", at + 1)) {
    const size_t end = man.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", at);
    named.insert(man.substr(at, end - at));
  }
  EXPECT_THAT(named, SizeIs(12));
  for (const std::string& variable : named) EXPECT_THAT(known, ::testing::Contains(variable));
}

TEST_F(HelpTest, ANarrowTerminalBreaksHelpBetweenWords) {
  CLI::App root("Shows things.");
  CLI::App* command = root.add_subcommand("show", "Shows a thing, and what there is to say of it");
  command->footer("Examples:\n  centerctl show --everything-there-is      # a long remark on that");
  const std::string help = HelpText(*command, 40);
  EXPECT_THAT(help, HasSubstr("Shows a thing, and what there is to say\nof it\n"));
  EXPECT_THAT(help, HasSubstr("\n  centerctl show --everything-there-is\n      # a long remark on"
                              " that\n"));
  for (const absl::string_view line : absl::StrSplit(help, '\n')) EXPECT_LE(line.size(), 40u);
  for (const absl::string_view line : absl::StrSplit(EnvironmentHelp(60), '\n')) {
    EXPECT_LE(line.size(), 60u) << line;
  }
}

TEST_F(HelpTest, TheTableOfThisTestIsTheTreeOfCommands) {
  CLI::App root;
  Selection selection;
  AddCoordinatorCommands(root, selection);
  AddServerCommands(root, selection);
  AddClientCommands(root, selection);
  AddWorkerCommands(root, selection);
  AddTailCommand(root, selection);
  AddSendCommand(root, selection);
  AddEventsCommand(root, selection);
  AddJournalCommands(root, selection);
  AddJobCommands(root, selection);
  AddApplyCommand(root, selection);
  AddExportCommand(root, selection);
  AddContextCommands(root, selection);
  AddExperimentCommand(root, selection);
  AddBenchCommands(root, selection);
  AddVersionCommand(root, selection);
  std::map<std::string, std::vector<std::string>> tree = {{"help", {}}};
  for (const CLI::App* noun : VisibleCommands(root)) {
    std::vector<std::string>& verbs = tree[noun->get_name()];
    for (const CLI::App* verb : VisibleCommands(*noun)) verbs.push_back(verb->get_name());
  }
  EXPECT_EQ(tree, Table());
}

TEST_F(HelpTest, EachCommandHasASummaryUsageAndExamplesThatCallIt) {
  for (const auto& words : Commands()) {
    const std::string name = absl::StrCat("centerctl ", absl::StrJoin(words, " "));
    const std::string help = Help(words);
    const std::vector<std::string> lines = SplitLines(help);
    ASSERT_THAT(lines, SizeIs(testing::Gt(4u))) << name;
    EXPECT_GT(lines[0].size(), 10u) << name << " has no summary";
    EXPECT_FALSE(absl::EndsWith(lines[0], ".")) << name << ": a summary is no sentence";
    EXPECT_THAT(help, HasSubstr(absl::StrCat("\nUsage: ", name))) << name;
    const size_t examples = help.find("Examples:\n");
    ASSERT_NE(examples, std::string::npos) << name << " has no examples";
    EXPECT_THAT(help.substr(examples), HasSubstr(name));
    EXPECT_THAT(help, Not(HasSubstr("Five commands to begin with"))) << name;
  }
}

TEST_F(HelpTest, EachCommandSaysItsExitCodes) {
  std::vector<std::vector<std::string>> commands = Commands();
  commands.insert(commands.end(), {{"drill"}, {"completion", "bash"}, {"shell"}});
  for (const auto& words : commands) {
    EXPECT_THAT(Help(words), HasSubstr("\nExit codes: 0 ok, 1 failure, 2 usage, 3 not running"))
        << absl::StrJoin(words, " ");
  }
}

TEST_F(HelpTest, LinesFitAndNothingIsLeftBehindThem) {
  std::vector<std::vector<std::string>> screens = Commands();
  screens.push_back({});
  for (const auto& [noun, verbs] : Table()) screens.push_back({noun});
  for (const auto& words : screens) {
    for (const std::string& line : SplitLines(Help(words))) {
      EXPECT_LE(line.size(), 100u) << line;
      EXPECT_FALSE(absl::EndsWith(line, " ")) << "\"" << line << "\"";
      EXPECT_THAT(line, Not(HasSubstr("\t")));
    }
  }
}

TEST_F(HelpTest, EveryFlagIsDescribed) {
  for (const auto& words : Commands()) {
    for (const std::string& line : SplitLines(Help(words))) {
      if (!absl::StartsWith(line, "      --")) continue;
      // Either the description follows, or the name was too long and it is on the next line.
      const bool wraps = line.find("  ", 8) == std::string::npos;
      EXPECT_TRUE(wraps || line.size() > line.find("  ", 8) + 4) << line;
      EXPECT_THAT(line, Not(HasSubstr(":INT"))) << "a check's own text is no help";
      EXPECT_THAT(line, Not(HasSubstr("{"))) << line;
    }
  }
}

TEST_F(HelpTest, AllWaysToAskGiveTheSameScreen) {
  const std::string screen = Help({"server", "start"});
  EXPECT_EQ(Run({"help", "server", "start"}).out, screen);
  EXPECT_EQ(Run({"server", "start", "-h"}).out, screen);
  EXPECT_EQ(Run({"server", "--help", "start"}).out, Help({"server"}));
  EXPECT_EQ(Run({"server", "start", "-p", "5000", "--help"}).out, screen);
  EXPECT_EQ(Run({"help"}).out, Help({}));
  EXPECT_EQ(Run({}).out, Help({}));
}

TEST_F(HelpTest, HelpForAWordThatIsNoCommandIsAUsageError) {
  const CliResult result = Run({"help", "servr"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("did you mean `centerctl server`?"), HasSubstr("Usage: centerctl")));
}

TEST_F(HelpTest, ArgumentsShowWhetherTheyMayBeLeftOut) {
  EXPECT_THAT(Help({"send"}), HasSubstr("Usage: centerctl send TARGET [FILE] [flags]"));
  EXPECT_THAT(Help({"tail"}), HasSubstr("Usage: centerctl tail [SERVER] [flags]"));
  EXPECT_THAT(Help({"journal", "verify"}),
              HasSubstr("Usage: centerctl journal verify DIR [flags]"));
}

TEST(HelpTextTest, LongDescriptionsAreWrappedUnderTheirColumn) {
  CLI::App app("What it does", "tool");
  bool flag = false;
  app.add_flag("--flag", flag, "one two three four five six seven eight nine ten");
  const std::string help = HelpText(app, 40);
  for (const std::string& line : SplitLines(help)) EXPECT_LE(line.size(), 40u) << line;
  EXPECT_THAT(help, StartsWith("What it does\n\nUsage: tool\n"));
  EXPECT_THAT(help, HasSubstr("\n  -h, --help   Print this help message"));
  EXPECT_THAT(help, HasSubstr("\n      --flag   one two three four five"));
}

}  // namespace
}  // namespace center::cli
