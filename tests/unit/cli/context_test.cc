// Where the coordinator is, where colours are, and what is said to whom.
#include "cli/context.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

class ContextTest : public CliTest {
 protected:
  // The address that `version` would ask, with these words before it.
  std::string Asked(std::vector<std::string> args) {
    std::string asked = "nobody";
    Dependencies dependencies = Deps(in_.fd(), out_.fd(), err_.fd());
    dependencies.connect = [&](const NetAddress& address) {
      asked = address.ToString();
      return grpc::CreateChannel("unix:/nowhere/x.sock", grpc::InsecureChannelCredentials());
    };
    args.push_back("version");
    RunCenterctl(std::move(args), dependencies);
    return asked;
  }
  bool HasColors(int out_fd, ColorMode mode) {
    Globals globals;
    globals.color = mode;
    return Context(globals, Deps(in_.fd(), out_fd, err_.fd())).out_style().on();
  }
};

TEST_F(ContextTest, TheFlagComesBeforeTheVariableAndThatBeforeTheDefault) {
  EXPECT_EQ(Asked({}), absl::StrCat("unix:", dir_.path(), "/center/center.sock"));
  const ScopedEnv variable("CENTER_ADDRESS", "127.0.0.1:7001");
  EXPECT_EQ(Asked({}), "127.0.0.1:7001");
  EXPECT_EQ(Asked({"--address", "unix:/tmp/other.sock"}), "unix:/tmp/other.sock");
}

TEST_F(ContextTest, WithoutARuntimeFolderTheDefaultIsTheUsersOwn) {
  const ScopedEnv none("XDG_RUNTIME_DIR", nullptr);
  EXPECT_EQ(Asked({}), absl::StrCat("unix:/tmp/center-", ::getuid(), "/center.sock"));
}

TEST_F(ContextTest, ABadAddressIsAUsageErrorThatNamesTheFlag) {
  const CliResult result = Run({"--address", "nonsense", "server", "list"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err,
              testing::AllOf(testing::HasSubstr("--address"), testing::HasSubstr("nonsense")));
}

TEST_F(ContextTest, TheChannelIsMadeOnce) {
  int made = 0;
  Dependencies dependencies = Deps(in_.fd(), out_.fd(), err_.fd());
  dependencies.connect = [&](const NetAddress&) {
    ++made;
    return grpc::CreateChannel("unix:/nowhere/x.sock", grpc::InsecureChannelCredentials());
  };
  Context context({}, dependencies);
  EXPECT_EQ(made, 0) << "a command that asks nobody connects to nobody";
  EXPECT_EQ(*context.Channel(), *context.Channel());
  EXPECT_EQ(made, 1);
}

TEST_F(ContextTest, AutoColoursNeedATerminalThatWantsThem) {
  const Terminal terminal;
  EXPECT_TRUE(HasColors(terminal.fd(), ColorMode::kAuto));
  EXPECT_FALSE(HasColors(out_.fd(), ColorMode::kAuto));
  {
    const ScopedEnv no_color("NO_COLOR", "1");
    EXPECT_FALSE(HasColors(terminal.fd(), ColorMode::kAuto));
    EXPECT_TRUE(HasColors(terminal.fd(), ColorMode::kAlways)) << "the flag was meant";
  }
  {
    const ScopedEnv empty("NO_COLOR", "");
    EXPECT_TRUE(HasColors(terminal.fd(), ColorMode::kAuto));
  }
  const ScopedEnv dumb("TERM", "dumb");
  EXPECT_FALSE(HasColors(terminal.fd(), ColorMode::kAuto));
}

TEST_F(ContextTest, AlwaysAndNeverMeanIt) {
  const Terminal terminal;
  EXPECT_TRUE(HasColors(out_.fd(), ColorMode::kAlways));
  EXPECT_FALSE(HasColors(terminal.fd(), ColorMode::kNever));
}

TEST_F(ContextTest, QuietSilencesSayOnly) {
  const auto loud = MakeContext();
  loud->Say("one");
  loud->Warn("two");
  EXPECT_EQ(err_.Text(), "one\ntwo\n");
  const auto quiet = MakeContext({.quiet = true});
  quiet->Say("three");
  quiet->Warn("four");
  EXPECT_EQ(err_.Text(), "one\ntwo\nfour\n");
  EXPECT_EQ(out_.Text(), "");
}

}  // namespace
}  // namespace center::cli
