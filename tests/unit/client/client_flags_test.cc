#include "gtest/gtest.h"
#include "services/client/api/flags.h"
#include "services/client/load/pacer.h"

namespace center::client {
namespace {

ParsedFlags Parse(std::vector<const char*> words) {
  words.insert(words.begin(), "center-client");
  ::testing::internal::CaptureStderr();
  ParsedFlags parsed = ParseFlags(static_cast<int>(words.size()), words.data());
  static_cast<void>(::testing::internal::GetCapturedStderr());
  return parsed;
}

Flags Good(std::vector<const char*> words) {
  words.insert(words.begin(), {"--to", "127.0.0.1:5000"});
  ParsedFlags parsed = Parse(std::move(words));
  const Flags* flags = absl::get_if<Flags>(&parsed);
  EXPECT_NE(flags, nullptr);
  return flags == nullptr ? Flags{} : *flags;
}

int Refused(std::vector<const char*> words) {
  ParsedFlags parsed = Parse(std::move(words));
  const int* code = absl::get_if<int>(&parsed);
  return code == nullptr ? -1 : *code;
}

TEST(ClientFlagsTest, DefaultsAreTheTeachingExamples) {
  const Flags flags = Good({});
  EXPECT_EQ(flags.load.target.host, "127.0.0.1");
  EXPECT_EQ(flags.load.target.port, 5000);
  EXPECT_EQ(flags.load.connections, 1u);
  EXPECT_EQ(flags.load.pace, PaceKind::kInterval);
  EXPECT_EQ(flags.load.interval, std::chrono::seconds(5));
  EXPECT_EQ(flags.load.payloads.json, 1u);
  EXPECT_EQ(flags.load.payloads.text, 1u);
  EXPECT_EQ(flags.load.count, 0u);
  EXPECT_FALSE(flags.coordinator.has_value());
}

TEST(ClientFlagsTest, ReadsEveryFlag) {
  const Flags flags =
      Good({"--rate", "2.5", "--connections", "7", "--count", "9", "--payload-bytes", "1KiB",
            "--mix", "json=2,string=3", "--framing", "octet", "--drain-timeout", "3s", "--name",
            "load/4", "--coordinator", "unix:/tmp/c.sock"});
  EXPECT_EQ(flags.load.pace, PaceKind::kRate);
  EXPECT_EQ(flags.load.rate, 2.5);
  EXPECT_EQ(flags.load.connections, 7u);
  EXPECT_EQ(flags.load.count, 9u);
  EXPECT_EQ(flags.load.payloads.payload_bytes, 1024u);
  EXPECT_EQ(flags.load.payloads.json, 2u);
  EXPECT_EQ(flags.load.payloads.text, 3u);
  EXPECT_EQ(flags.load.target.framing, Framing::kOctet);
  EXPECT_EQ(flags.load.drain_timeout, std::chrono::seconds(3));
  EXPECT_EQ(flags.name, "load/4");
  ASSERT_TRUE(flags.coordinator.has_value());
  EXPECT_EQ(Good({"--rate", "max"}).load.pace, PaceKind::kUnlimited);
}

TEST(ClientFlagsTest, MistakesAreRefused) {
  EXPECT_EQ(Refused({}), 2);  // no --to
  EXPECT_EQ(Refused({"--to", "unix:/x"}), 2);
  EXPECT_EQ(Refused({"--to", "localhost"}), 2);
  EXPECT_EQ(Refused({"--to", "localhost:0"}), 2);
  for (const auto& wrong : std::vector<std::pair<const char*, const char*>>{
           {"--rate", "0"},
           {"--rate", "-1"},
           {"--rate", "nan"},
           {"--rate", "2e9"},
           {"--rate", "fast"},
           {"--interval", "5"},
           {"--interval", "0s"},
           {"--connections", "0"},
           {"--connections", "10001"},
           {"--payload-bytes", "65MiB"},
           {"--mix", "json=0,string=0"},
           {"--mix", "json"},
           {"--mix", "xml=1"},
           {"--mix", "json=1001"},
           {"--framing", "relp"},
       }) {
    EXPECT_EQ(Refused({"--to", "localhost:5000", wrong.first, wrong.second}), 2)
        << wrong.first << " " << wrong.second;
  }
  EXPECT_EQ(Refused({"--to", "localhost:5000", "--rate", "1", "--interval", "1s"}), 2);
}

}  // namespace
}  // namespace center::client
