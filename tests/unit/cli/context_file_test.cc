// Named contexts: the file, who goes before whom, and the commands.
#include "cli/context_file.h"

#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ContextFileTest : public CliTest {
 protected:
  std::string Path() { return absl::StrCat(dir_.path(), "/center/config.toml"); }
  void Write(const std::string& text) {
    ::mkdir(absl::StrCat(dir_.path(), "/center").c_str(), 0700);
    std::ofstream(Path()) << text;
  }
  static Globals Choose(const ContextChoice& choice) {
    Globals globals;
    ChooseContext(choice, &globals);
    return globals;
  }
  void WriteTwo() {
    Write(
        "current = \"home\"\n"
        "[contexts.home]\naddress = \"unix:/home.sock\"\n"
        "[contexts.prod]\naddress = \"10.0.0.5:7070\"\ntls_ca = \"/ca.pem\"\n");
  }
};

TEST_F(ContextFileTest, FlagsGoBeforeTheEnvironmentAndThatBeforeTheFile) {
  EXPECT_EQ(Choose({}).address, "") << "no file";
  WriteTwo();
  EXPECT_EQ(Choose({}).address, "unix:/home.sock");
  EXPECT_EQ(Choose({}).context, "home");
  {
    const ScopedEnv context("CENTER_CONTEXT", "prod");
    EXPECT_EQ(Choose({}).address, "10.0.0.5:7070");
    EXPECT_EQ(Choose({}).credentials.tls_ca, "/ca.pem");
    EXPECT_EQ(Choose({.context_flag = "home"}).address, "unix:/home.sock");
  }
  const ScopedEnv address("CENTER_ADDRESS", "127.0.0.1:1");
  EXPECT_EQ(Choose({}).address, "127.0.0.1:1");
  EXPECT_EQ(Choose({}).context, "") << "nothing of another coordinator's context";
  EXPECT_EQ(Choose({.context_flag = "prod"}).address, "10.0.0.5:7070") << "a flag goes first";
  EXPECT_EQ(Choose({.address_flag = "127.0.0.1:2"}).address, "127.0.0.1:2");
  const Globals both = Choose({.address_flag = "127.0.0.1:2", .context_flag = "prod"});
  EXPECT_EQ(both.address, "127.0.0.1:2");
  EXPECT_EQ(both.credentials.tls_ca, "/ca.pem");
}

TEST_F(ContextFileTest, WhatIsMalformedIsToldWithItsPlaceAndOnlyWhenItIsNeeded) {
  const auto refusal = [](const std::string& text) {
    const auto file = ParseContextFile(text, "c.toml");
    EXPECT_EQ(ExitCodeOf(file.status()), kExitUsage) << text;
    return std::string(file.status().message());
  };
  EXPECT_THAT(refusal("current = 1\n"), HasSubstr("c.toml:1:11: current is a whole number"));
  EXPECT_THAT(refusal("current = \"x\"\n"), HasSubstr("c.toml:1:11: there is no context \"x\""));
  EXPECT_THAT(refusal("[contexts.a]\nadress = \"b:1\"\n"),
              HasSubstr("c.toml:2:1: a context has no setting \"adress\"; did you mean address?"));
  EXPECT_THAT(refusal("[contexts.a]\naddress = \"b\"\n"), HasSubstr("c.toml:2:11: address:"));
  EXPECT_THAT(refusal("[contexts.A]\n"), HasSubstr("c.toml:1:11: context name"));
  EXPECT_THAT(refusal("[contexts.a]\ninsecure = \"yes\"\n"), HasSubstr("c.toml:2:12"));
  EXPECT_THAT(refusal("[servers.a]\n"), HasSubstr("\"servers\" does not belong here"));
  EXPECT_THAT(refusal("[contexts"), HasSubstr("c.toml:1:"));

  Write("current = 1\n");
  const CliResult list = Run({"server", "list"});
  EXPECT_EQ(list.exit_code, kExitUsage);
  EXPECT_THAT(list.err, HasSubstr("config.toml:1:11"));
  EXPECT_EQ(Run({"version", "--help"}).exit_code, 0);
  EXPECT_EQ(Run({"completion", "bash"}).exit_code, 0);
}

TEST_F(ContextFileTest, CommandsMakeUseShowAndForget) {
  FakeCoordinator coordinator(dir_.path());
  EXPECT_THAT(Run({"context", "list"}).err, HasSubstr("there are no contexts"));
  EXPECT_EQ(Run({"context", "set", "here", "--address", coordinator.address()}).exit_code, 0);
  struct stat info{};
  ASSERT_EQ(::stat(Path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(Run({"server", "list"}).exit_code, 0) << "the first one is in use";

  EXPECT_EQ(Run({"context", "set", "prod", "--address", "10.0.0.5:7070", "--tls-ca", "/ca.pem"})
                .exit_code,
            0);
  EXPECT_EQ(Run({"context", "list", "-o", "name"}).out, "here\nprod\n");
  EXPECT_THAT(Run({"context", "list"}).out,
              AllOf(HasSubstr("*  here"), HasSubstr("prod  10.0.0.5:7070"), HasSubstr("TLS")));
  EXPECT_THAT(Run({"context", "show", "prod", "-o", "json"}).out,
              AllOf(HasSubstr("\"tlsCa\": \"/ca.pem\""), HasSubstr("\"current\": false")));
  EXPECT_EQ(Run({"context", "show", "-o", "name"}).out, "here\n");
  EXPECT_EQ(Run({"--context", "prod", "context", "show", "-o", "name"}).out, "prod\n");
  EXPECT_EQ(Run({"--context", "here", "server", "list"}).exit_code, 0);

  EXPECT_EQ(Run({"context", "use", "prod"}).exit_code, 0);
  EXPECT_THAT(Run({"server", "list"}).err, HasSubstr("context prod: --tls-cert is missing"));
  EXPECT_EQ(Run({"context", "set", "prod", "--insecure", "true"}).exit_code, 0);
  const auto file = ReadContextFile();
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_NE(file->Find("prod"), nullptr);
  EXPECT_EQ(file->Find("prod")->address, "10.0.0.5:7070") << "what is not given stays";
  EXPECT_TRUE(file->Find("prod")->credentials.insecure);

  EXPECT_EQ(Run({"context", "delete", "prod"}).exit_code, 0);
  EXPECT_THAT(ReadContextFile()->contexts, SizeIs(1));
  EXPECT_THAT(ReadContextFile()->current, IsEmpty());
}

TEST_F(ContextFileTest, AnUnknownNameIsAUsageErrorWithTheNearest) {
  WriteTwo();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--context", "prd", "server", "list"},
        {"context", "use", "prd"},
        {"context", "show", "prd"},
        {"context", "delete", "prd"}}) {
    const CliResult result = Run(words);
    EXPECT_EQ(result.exit_code, kExitUsage) << testing::PrintToString(words);
    EXPECT_THAT(result.err, HasSubstr("there is no context \"prd\""));
    EXPECT_THAT(result.err, HasSubstr("did you mean prod?"));
  }
  EXPECT_EQ(Run({"context", "set", "Prod"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"context", "set", "x", "--address", "nowhere"}).exit_code, kExitUsage);
}

}  // namespace
}  // namespace center::cli
