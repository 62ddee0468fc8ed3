// rsyslogd, which forwards what it reads from files and sockets of its own (omfwd).
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"

namespace center::conformance {
namespace {

// rsyslogd in the foreground, in a folder of its own; ended by SIGTERM.
class Rsyslogd {
 public:
  // `input`: statements that load and set up the input; `forward`: more parameters of omfwd.
  Rsyslogd(uint16_t port, absl::string_view input, absl::string_view forward) {
    itest::WriteWholeFile(dir_ / "conf",
                          absl::StrCat("global(workDirectory=\"", dir_.path(), "\")\n", input,
                                       "\naction(type=\"omfwd\" target=\"127.0.0.1\" port=\"", port,
                                       "\" protocol=\"tcp\" ", forward, ")\n"));
    process_ = std::make_unique<itest::Process>(
        itest::Process::Options{.program = CENTER_RSYSLOGD,
                                .args = {"-n", "-f", dir_ / "conf", "-i", dir_ / "pid"},
                                .stdout_path = dir_ / "log"});
  }
  ~Rsyslogd() {
    process_->Signal(SIGTERM);
    const auto status = process_->Wait(absl::Seconds(30));
    EXPECT_TRUE(status.has_value() && WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
    // It says on stderr what it does not like about its configuration or its target.
    EXPECT_EQ(itest::ReadWholeFile(dir_ / "log"), "");
  }

 private:
  itest::TempDir dir_;
  std::unique_ptr<itest::Process> process_;
};

std::string ReadFile(const std::string& path) {
  return absl::StrCat("module(load=\"imfile\")\ninput(type=\"imfile\" tag=\"conformance:\" file=\"",
                      path, "\")");
}

// Messages without their syslog headers, which must be there: they end with the tag.
std::vector<std::string> WithoutHeaders(const std::vector<std::string>& payloads,
                                        absl::string_view tag_and_more) {
  std::vector<std::string> messages;
  for (const std::string& payload : payloads) {
    const size_t tag = payload.find(std::string(tag_and_more));
    EXPECT_TRUE(absl::StartsWith(payload, "<133>") && tag != std::string::npos) << payload;
    if (tag != std::string::npos) messages.push_back(payload.substr(tag + tag_and_more.size()));
  }
  return messages;
}

TEST(RsyslogTest, OctetCountedForwardingOfAFileArrivesInOrder) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_OCTET));
  std::vector<std::string> lines = NumberedLines("rsyslog octet", 5'000);
  itest::WriteWholeFile(fleet.dir() / "app.log", AsText(lines));
  Rsyslogd rsyslogd(port, ReadFile(fleet.dir() / "app.log"),
                    "TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\"");
  EXPECT_TRUE(fleet.WaitStored("default", lines.size())) << fleet.StoredPayloads("default");
  // The line feed that ends this format is part of a counted message.
  for (std::string& line : lines) line += '\n';
  EXPECT_EQ(FirstDifference(WithoutHeaders(StoredInOrder(fleet), " conformance - - - "), lines),
            "");
}

TEST(RsyslogTest, TraditionalForwardingOfAFileArrivesInOrder) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec());
  const std::vector<std::string> lines = NumberedLines("rsyslog line", 5'000);
  itest::WriteWholeFile(fleet.dir() / "app.log", AsText(lines));
  Rsyslogd rsyslogd(port, ReadFile(fleet.dir() / "app.log"), "TCP_Framing=\"traditional\"");
  EXPECT_TRUE(fleet.WaitStored("default", lines.size())) << fleet.StoredPayloads("default");
  EXPECT_EQ(FirstDifference(WithoutHeaders(StoredInOrder(fleet), " conformance: "), lines), "");
}

TEST(RsyslogTest, WhatLoggerWritesToItsSocketIsForwarded) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_OCTET));
  const std::string socket = fleet.dir() / "log.sock";
  // The message alone, so that it is compared byte by byte.
  Rsyslogd rsyslogd(
      port,
      absl::StrCat("module(load=\"imuxsock\" SysSock.Use=\"off\")\n",
                   "input(type=\"imuxsock\" socket=\"", socket, "\" RateLimit.Interval=\"0\")\n",
                   "template(name=\"message\" type=\"string\" string=\"%msg:2:$%\")"),
      "TCP_Framing=\"octet-counted\" template=\"message\"");

  const std::vector<std::string> lines = NumberedLines("through a socket", 200);
  itest::WriteWholeFile(fleet.dir() / "messages", AsText(lines));
  ASSERT_TRUE(itest::WaitFor([&] { return access(socket.c_str(), W_OK) == 0; }));
  const itest::RunResult run = itest::RunToEnd(
      CENTER_LOGGER, {"--socket", socket, "--tag", "app", "--file", fleet.dir() / "messages"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(fleet.WaitStored("default", lines.size())) << fleet.StoredPayloads("default");
  EXPECT_EQ(FirstDifference(StoredInOrder(fleet), lines), "");
}

}  // namespace
}  // namespace center::conformance
