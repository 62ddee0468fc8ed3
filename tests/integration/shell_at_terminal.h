// `centerctl shell` and the person in front of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/terminal.h"

namespace center::itest {

// A shell with a home of its own.
class ShellAtTerminal {
 public:
  ShellAtTerminal(const std::string& address, const TempDir& home, size_t columns = 120)
      : terminal_({.program = Binary("centerctl"),
                   .args = {"shell"},
                   .env = {absl::StrCat("CENTER_ADDRESS=", address),
                           absl::StrCat("XDG_STATE_HOME=", home / "state"),
                           absl::StrCat("CENTER_DATA_DIR=", home / "data"),
                           absl::StrCat("HOME=", home.path())},
                   .columns = columns,
                   .rows = 40}) {
    std::filesystem::create_directories(home / "state");
  }

  TerminalProcess& terminal() { return terminal_; }
  // Until the shell waits for a command: there is nothing but the prompt before the cursor.
  void WaitForPrompt() {
    const auto at_prompt = [this] {
      const testing_support::Screen& screen = terminal_.screen();
      return screen.Row(screen.cursor_row()) == "$" && screen.cursor_column() == 2;
    };
    EXPECT_TRUE(terminal_.WaitUntil(at_prompt)) << "no prompt:\n" << terminal_.screen().Text();
    EXPECT_FALSE(terminal_.Echoes()) << "what is typed now is shown by the terminal, too";
  }
  // Types a command and waits until it has ended.
  void Command(absl::string_view line) {
    WaitForPrompt();
    const auto times_entered = [&] {
      const std::vector<std::string> parts =
          absl::StrSplit(terminal_.screen().Everything(), absl::StrCat("$ ", line, "\n"));
      return parts.size();
    };
    const size_t before = times_entered();
    terminal_.Type(absl::StrCat(line, kEnter));
    EXPECT_TRUE(terminal_.WaitUntil([&] { return times_entered() > before; }));
    WaitForPrompt();
  }
  // What stands on the line that is typed.
  bool WaitForLine(const std::string& line) {
    return terminal_.WaitUntil([&] {
      const testing_support::Screen& screen = terminal_.screen();
      return screen.Row(screen.cursor_row()) == line;
    });
  }
  void Leave() {
    WaitForPrompt();
    terminal_.Type(absl::StrCat("exit", kEnter));
    EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen().Text();
    EXPECT_TRUE(terminal_.SettingsRestored());
    EXPECT_THAT(terminal_.screen().unknown(), ::testing::IsEmpty());
  }

 private:
  TerminalProcess terminal_;
};

}  // namespace center::itest
