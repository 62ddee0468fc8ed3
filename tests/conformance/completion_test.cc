// The completion scripts in the shells that they are for: a person types at a terminal and presses
// the tab key.
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/terminal.h"

namespace center::conformance {
namespace {

struct ShellProgram {
  const char* name;
  const char* program;
  std::vector<std::string> args;
  const char* setup;  // typed first
};

const std::vector<ShellProgram>& Shells() {
  static const auto& shells = *new std::vector<ShellProgram>{
      {"bash", CENTER_BASH, {"--norc", "--noprofile", "-i"}, "source <(centerctl completion bash)"},
      {"zsh",
       CENTER_ZSH,
       {"-f", "-i"},
       "autoload -Uz compinit; compinit -u -D; source <(centerctl completion zsh)"},
      {"fish",
       CENTER_FISH,
       {"--no-config", "--interactive", "--init-command", "function fish_prompt; echo '$ '; end"},
       "centerctl completion fish | source"}};
  return shells;
}

class CompletionScriptTest : public ::testing::TestWithParam<ShellProgram> {
 protected:
  CompletionScriptTest() {
    const char* path = getenv("PATH");
    const std::string bin = itest::Binary("");
    shell_ = std::make_unique<itest::TerminalProcess>(itest::TerminalProcess::Options{
        .program = GetParam().program,
        .args = GetParam().args,
        .env = {absl::StrCat("CENTER_ADDRESS=", fleet_.address()),
                absl::StrCat("PATH=", bin, ":", path == nullptr ? "" : path),
                absl::StrCat("HOME=", home_.path()), "PS1=$ ",
                "XDG_CONFIG_HOME=", "XDG_DATA_HOME="},
        .columns = 120,
        .rows = 40});
    EXPECT_TRUE(WaitForLine("$")) << shell_->screen().Text();
    shell_->Type(absl::StrCat(GetParam().setup, "; echo loa''ded", itest::kEnter));
    shell_->See("\nloaded");
    EXPECT_TRUE(WaitForLine("$")) << shell_->screen().Text();
  }
  // Until this stands on the line that is typed.
  bool WaitForLine(const std::string& line) {
    return shell_->WaitUntil([&] {
      const testing_support::Screen& screen = shell_->screen();
      return screen.Row(screen.cursor_row()) == line;
    });
  }
  // Types, presses the tab key and waits for the whole line.
  void ExpectCompleted(absl::string_view typed, const std::string& line) {
    shell_->Type(absl::StrCat(typed, itest::kTab));
    EXPECT_TRUE(WaitForLine(line)) << "wanted: " << line << "\n" << shell_->screen().Text();
  }

  itest::Fleet fleet_;
  itest::TempDir home_;
  std::unique_ptr<itest::TerminalProcess> shell_;
};

TEST_P(CompletionScriptTest, CommandsFlagsChoicesAndLiveNamesAreCompleted) {
  fleet_.MustStart("games");
  fleet_.MustStart("market");
  ExpectCompleted("centerctl ser", "$ centerctl server");
  ExpectCompleted("stat", "$ centerctl server status");
  ExpectCompleted("mar", "$ centerctl server status market");
  ExpectCompleted("--outp", "$ centerctl server status market --output");
  ExpectCompleted("ya", "$ centerctl server status market --output yaml");
}

TEST_P(CompletionScriptTest, WhatIsCompletedRuns) {
  fleet_.MustStart("games");
  ExpectCompleted("centerctl -o name worker li", "$ centerctl -o name worker list");
  shell_->Type(absl::StrCat("ga", itest::kTab, itest::kEnter));
  shell_->See("\ngames/0");
}

TEST_P(CompletionScriptTest, SeveralChoicesAreShown) {
  shell_->Type(absl::StrCat("centerctl server sta", itest::kTab, itest::kTab));
  shell_->See("start");
  shell_->See("status");
}

TEST_P(CompletionScriptTest, FilesAreCompletedWhereAFileIsWanted) {
  itest::WriteWholeFile(home_ / "payloads.txt", "x\n");
  shell_->Type(absl::StrCat("cd ~", itest::kEnter));
  ASSERT_TRUE(WaitForLine("$"));
  ExpectCompleted("centerctl send default payl", "$ centerctl send default payloads.txt");
}

INSTANTIATE_TEST_SUITE_P(Shells, CompletionScriptTest, ::testing::ValuesIn(Shells()),
                         [](const auto& shell) { return std::string(shell.param.name); });

}  // namespace
}  // namespace center::conformance
