#include "cli/complete.h"

#include "cli/completion.h"
#include "cli/line_editor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What the scripts are answered for a line up to the cursor, without a coordinator.
class CompleteTest : public CliTest {
 protected:
  std::vector<std::string> At(const std::string& line) {
    const CliResult result = Run({kCompleteCommand, "--line", "centerctl " + line});
    EXPECT_EQ(result.exit_code, 0);
    std::vector<std::string> texts;
    for (const std::string& text : SplitLines(result.out)) {
      texts.push_back(text.substr(0, text.find('\t')));
    }
    return texts;
  }
};

TEST_F(CompleteTest, CommandsOfTheTree) {
  EXPECT_THAT(At("serv"), ElementsAre("server"));
  EXPECT_THAT(At("server st"), ElementsAre("start", "status", "stop"));
  EXPECT_THAT(At("-o json server sta"), ElementsAre("start", "status"));
  EXPECT_THAT(At("help journal v"), ElementsAre("verify"));
  EXPECT_THAT(At("nonsense "), IsEmpty());
  EXPECT_THAT(At("server nonsense "), IsEmpty());
  EXPECT_THAT(At("server nonsense --addr"), IsEmpty());
  EXPECT_THAT(At("help nonsense "), IsEmpty());
}

TEST_F(CompleteTest, FlagsOfTheCommandAndThoseOfAll) {
  EXPECT_THAT(At("server start --fram"), ElementsAre("--frame-timeout", "--framing"));
  EXPECT_THAT(At("server start --addr"), ElementsAre("--address"));
  EXPECT_THAT(At("server list --fram"), IsEmpty());
  EXPECT_THAT(At("send -- --fram"), IsEmpty());
}

TEST_F(CompleteTest, ValuesThatAFlagTakes) {
  EXPECT_THAT(At("server start --framing "), ElementsAre("chunk", "length", "line", "octet"));
  EXPECT_THAT(At("server start --framing=l"), ElementsAre("--framing=length", "--framing=line"));
  EXPECT_THAT(At("-o y"), ElementsAre("yaml"));
  EXPECT_THAT(At("server start --port "), IsEmpty());
}

TEST_F(CompleteTest, FilesWhereTheyMayStand) {
  EXPECT_THAT(At("send default "), ElementsAre(":files"));
  EXPECT_THAT(At("journal verify "), ElementsAre(":files"));
  EXPECT_THAT(At("server status "), Not(Contains(":files")));
}

TEST_F(CompleteTest, WordsAreTakenAsTheyAre) {
  const CliResult result = Run({kCompleteCommand, "server", "start", "--framing", "o"});
  EXPECT_EQ(result.out, "octet\n");
}

TEST_F(CompleteTest, LiveNamesStandWhereTheTypeSaysSo) {
  CLI::App root("", "centerctl");
  std::string name;
  CLI::App* server = root.add_subcommand("server", "");
  server->add_subcommand("stop", "")->add_option("NAME", name, "")->type_name("NAME");
  CLI::App* worker = root.add_subcommand("worker", "");
  worker->add_subcommand("restart", "")->add_option("NAME", name, "")->type_name("NAME");
  const LiveNames live = [](LiveName kind) -> std::vector<std::string> {
    if (kind == LiveName::kServer) return {"logs", "default"};
    if (kind == LiveName::kWorker) return {"default/0"};
    return {};
  };
  const auto at = [&](std::vector<std::string> words, const std::string& current) {
    std::vector<std::string> texts;
    for (const Candidate& candidate :
         Complete(root, {.words = std::move(words), .current = current}, live).candidates) {
      texts.push_back(candidate.text);
    }
    return texts;
  };
  EXPECT_THAT(at({"server", "stop"}, ""), ElementsAre("default", "logs"));
  EXPECT_THAT(at({"server", "stop"}, "l"), ElementsAre("logs"));
  EXPECT_THAT(at({"server", "stop", "logs"}, ""), IsEmpty());
  EXPECT_THAT(at({"worker", "restart"}, "d"), ElementsAre("default/0"));
}

TEST_F(CompleteTest, EveryShellHasAScriptThatAsksCenterctl) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const CliResult result = Run({"completion", shell});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr(std::string("centerctl ") + kCompleteCommand)) << shell;
  }
  EXPECT_EQ(Run({"completion", "tcsh"}).exit_code, 2);
}

TEST(CandidatesTest, ATabAddsWhatTheyHaveInCommon) {
  EXPECT_EQ(CommonPrefix({{"start", ""}, {"status", ""}}), "sta");
  EXPECT_EQ(CommonPrefix({{"start", ""}, {"stop", ""}, {"list", ""}}), "");
  EXPECT_EQ(CommonPrefix({{"start", ""}}), "start");
  EXPECT_EQ(CommonPrefix({}), "");
}

TEST(CandidatesTest, AreShownInColumnsOrWithDescriptions) {
  EXPECT_EQ(CandidateTable({{"aa", ""}, {"b", ""}, {"cc", ""}}, 9), "aa  b   \ncc  \n");
  EXPECT_EQ(CandidateTable({{"aa", "first"}, {"b", "second one"}}, 10), "aa  first\nb   secon\n");
}

}  // namespace
}  // namespace center::cli
