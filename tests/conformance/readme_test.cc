// What the README tells programmers works as it stands there: its examples are cut out and run.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::conformance {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kSection[] = "## From your own code\n";
constexpr char kAddress[] = "127.0.0.1:7070";  // in the README

// The code blocks of the section in this language.
std::vector<std::string> Examples(const std::string& language) {
  const std::string readme = itest::ReadWholeFile(CENTER_README);
  const size_t begin = readme.find(kSection);
  EXPECT_NE(begin, std::string::npos) << "the README has no section " << kSection;
  if (begin == std::string::npos) return {};
  const std::string section = readme.substr(begin, readme.find("\n## ", begin + 1) - begin);
  const std::string opening = absl::StrCat("\n```", language, "\n");
  std::vector<std::string> blocks;
  for (size_t at = section.find(opening); at != std::string::npos; at = section.find(opening, at)) {
    at += opening.size();
    blocks.push_back(section.substr(at, section.find("\n```", at) + 1 - at));
  }
  return blocks;
}

class ReadmeTest : public ::testing::Test {
 protected:
  ReadmeTest() : fleet_(WithTcp()), address_(TcpAddress(fleet_)) {
    // As in a clone of the project, with the generated code beside the program.
    EXPECT_EQ(::symlink(CENTER_PROTO_DIR, (folder_ / "proto").c_str()), 0);
    const uint16_t port = fleet_.MustStart("default", itest::SmallSpec());
    itest::Producer producer(port);
    EXPECT_TRUE(producer.Send(absl::string_view("hello\nJSON|{\"sensor\": 7}\n")));
    EXPECT_TRUE(fleet_.WaitStored("default", 2));
  }
  std::string Here(const std::string& text) {
    return absl::StrReplaceAll(text, {{kAddress, address_}});
  }
  // In the folder, the tools of this build first in PATH.
  itest::RunResult Shell(const std::string& script) {
    const std::string path = absl::StrCat(
        "PATH=", absl::string_view(CENTER_GRPCURL, strrchr(CENTER_GRPCURL, '/') - CENTER_GRPCURL),
        ":", std::getenv("PATH"));
    return itest::RunToEnd(
        "/bin/bash",
        {"-euo", "pipefail", "-c", absl::StrCat("cd ", folder_.path(), "\n", Here(script))}, "",
        absl::Seconds(60), {path});
  }

  itest::Fleet fleet_;
  const std::string address_;
  itest::TempDir folder_;
};

TEST_F(ReadmeTest, TheGrpcurlExamplesRun) {
  std::string out;
  for (const std::string& block : Examples("sh")) {
    if (!absl::StrContains(block, "grpcurl")) continue;
    const itest::RunResult run = Shell(block);
    EXPECT_EQ(run.exit_code, 0) << block << run.err;
    out += run.out;
  }
  EXPECT_THAT(out, AllOf(HasSubstr("center.v1.PayloadService"), HasSubstr("\"text\": \"hello\""),
                         HasSubstr("SERVER_STATE_RUNNING")));
}

TEST_F(ReadmeTest, ThePythonExampleReadsEachPayloadOnce) {
  for (const std::string& block : Examples("sh")) {
    if (!absl::StrContains(block, "protoc ")) continue;
    const itest::RunResult run = Shell(block);
    ASSERT_EQ(run.exit_code, 0) << block << run.err;
  }
  const std::vector<std::string> programs = Examples("python");
  ASSERT_THAT(programs, SizeIs(1));
  const std::string program = folder_ / "reader.py";
  itest::WriteWholeFile(program, Here(programs[0]));
  const auto run = [&] {
    return itest::RunToEnd(CENTER_GRPC_PYTHON, {program}, "", absl::Seconds(60),
                           {"PYTHONDONTWRITEBYTECODE=1"});
  };
  itest::RunResult result = run();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "default/0 0 b'hello'\ndefault/0 1 b'JSON|{\"sensor\": 7}'\n");
  result = run();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, IsEmpty()) << "the subscription goes on where it was";
  ASSERT_TRUE(fleet_.StopServer("default").ok());
  result = run();
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("FAILED_PRECONDITION SERVER_STOPPED"));
}

}  // namespace
}  // namespace center::conformance
