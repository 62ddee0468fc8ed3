#include "services/worker/api/flags.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Outcome {
  ParsedFlags parsed;
  std::string out;
  std::string err;

  const Flags* flags() const { return absl::get_if<Flags>(&parsed); }
  int exit_code() const {
    return absl::holds_alternative<int>(parsed) ? absl::get<int>(parsed) : -1;
  }
};

Outcome Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "center-worker");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.parsed = ParseFlags(static_cast<int>(argv.size()), argv.data());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

// The flags that must be given, and these.
Outcome ParseWith(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"--listen", "unix:/run/w.sock", "--data-dir", "/data"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return Parse(all);
}

TEST(WorkerFlagsTest, DefaultsAreTheDesigns) {
  const Outcome outcome = ParseWith({});
  ASSERT_NE(outcome.flags(), nullptr) << outcome.err;
  const Flags& flags = *outcome.flags();
  EXPECT_EQ(flags.name, "default/0");
  EXPECT_EQ(flags.listen.ToString(), "unix:/run/w.sock");
  EXPECT_FALSE(flags.coordinator.has_value());
  EXPECT_EQ(flags.host, "127.0.0.1");
  EXPECT_EQ(flags.port, 5000);
  EXPECT_EQ(flags.max_subscribers, 1000u);
  EXPECT_EQ(flags.drain_timeout, absl::Seconds(10));
  EXPECT_EQ(flags.log.name, "default/0");
  EXPECT_EQ(flags.log.format, "text");
  EXPECT_EQ(flags.log.level, "info");
  EXPECT_EQ(flags.ingest.worker_name, "default/0");
  EXPECT_EQ(flags.ingest.slot, 0u);
  EXPECT_EQ(flags.ingest.framing, Framing::kLine);
  EXPECT_EQ(flags.ingest.max_payload_bytes, 1u << 20);
  EXPECT_EQ(flags.ingest.banner, "");
  EXPECT_EQ(flags.journal.dir, "/data");
  EXPECT_EQ(flags.journal.retain_bytes, 1u << 30);
  EXPECT_EQ(flags.journal.retain_age, absl::ZeroDuration());
  EXPECT_EQ(flags.journal.durability, journal::Durability::kWritten);
  EXPECT_EQ(flags.journal.overflow, journal::Overflow::kBlock);
  EXPECT_EQ(flags.journal.sync_interval, absl::Seconds(1));
  EXPECT_FALSE(flags.no_listen);
  EXPECT_EQ(flags.cancel_grace, absl::Seconds(1));
  EXPECT_EQ(flags.compute.engine.threads, 1u);
  EXPECT_EQ(flags.compute.engine.nice, 10);
  EXPECT_THAT(flags.compute.modules, testing::IsEmpty());
}

TEST(WorkerFlagsTest, ComputeFlagsArrive) {
  const Outcome outcome = ParseWith({"--compute-threads=16", "--compute-nice=0", "--cancel-grace",
                                     "250ms", "--task-module=/a.so", "--task-module", "/b.so"});
  ASSERT_NE(outcome.flags(), nullptr) << outcome.err;
  EXPECT_EQ(outcome.flags()->compute.engine.threads, 16u);
  EXPECT_EQ(outcome.flags()->compute.engine.nice, 0);
  EXPECT_EQ(outcome.flags()->cancel_grace, absl::Milliseconds(250));
  EXPECT_THAT(outcome.flags()->compute.modules, testing::ElementsAre("/a.so", "/b.so"));
  for (const char* flag : {"--compute-threads=0", "--compute-threads=17", "--compute-nice=20",
                           "--compute-nice=-1", "--cancel-grace=1"}) {
    const Outcome wrong = ParseWith({flag});
    EXPECT_EQ(wrong.exit_code(), 2) << flag;
    EXPECT_THAT(wrong.err, HasSubstr(std::string(flag).substr(0, std::string(flag).find('='))));
  }
  std::vector<std::string> many;
  for (int i = 0; i < 17; ++i) many.push_back(absl::StrCat("--task-module=/", i, ".so"));
  EXPECT_THAT(ParseWith(many).err, HasSubstr("--task-module: 16 at most"));
}

TEST(WorkerFlagsTest, APurePoolNeedsNoJournal) {
  const Outcome outcome = Parse({"--listen", "unix:/w", "--no-listen"});
  ASSERT_NE(outcome.flags(), nullptr) << outcome.err;
  EXPECT_TRUE(outcome.flags()->no_listen);
}

TEST(WorkerFlagsTest, EveryFlagArrives) {
  const Outcome outcome = ParseWith({"--name",
                                     "feed-eu/17",
                                     "--coordinator",
                                     "127.0.0.1:7070",
                                     "--host",
                                     "::",
                                     "--port",
                                     "6000",
                                     "--max-subscribers",
                                     "7",
                                     "--drain-timeout",
                                     "1m30s",
                                     "--heartbeat-interval",
                                     "250ms",
                                     "--log-format",
                                     "json",
                                     "--log-level",
                                     "debug",
                                     "--framing",
                                     "octet",
                                     "--max-payload-bytes",
                                     "4096",
                                     "--banner",
                                     "hello",
                                     "--max-connections",
                                     "11",
                                     "--max-connections-per-peer",
                                     "5",
                                     "--frame-timeout",
                                     "250ms",
                                     "--idle-timeout",
                                     "1h",
                                     "--max-buffer-bytes",
                                     "1000000",
                                     "--durability",
                                     "synced",
                                     "--overflow",
                                     "drop-oldest",
                                     "--retain-bytes",
                                     "9000",
                                     "--retain-age",
                                     "24h",
                                     "--segment-bytes",
                                     "4500",
                                     "--sync-interval",
                                     "100ms"});
  ASSERT_NE(outcome.flags(), nullptr) << outcome.err;
  const Flags& flags = *outcome.flags();
  EXPECT_EQ(flags.name, "feed-eu/17");
  EXPECT_EQ(flags.ingest.slot, 17u);
  EXPECT_EQ(flags.ingest.worker_name, "feed-eu/17");
  EXPECT_EQ(flags.log.name, "feed-eu/17");
  EXPECT_EQ(flags.coordinator->ToString(), "127.0.0.1:7070");
  EXPECT_EQ(flags.host, "::");
  EXPECT_EQ(flags.port, 6000);
  EXPECT_EQ(flags.max_subscribers, 7u);
  EXPECT_EQ(flags.drain_timeout, absl::Seconds(90));
  EXPECT_EQ(flags.heartbeat_interval, absl::Milliseconds(250));
  EXPECT_EQ(flags.log.format, "json");
  EXPECT_EQ(flags.log.level, "debug");
  EXPECT_EQ(flags.ingest.framing, Framing::kOctet);
  EXPECT_EQ(flags.ingest.max_payload_bytes, 4096u);
  EXPECT_EQ(flags.ingest.banner, "hello");
  EXPECT_EQ(flags.ingest.max_connections, 11u);
  EXPECT_EQ(flags.ingest.max_connections_per_peer, 5u);
  EXPECT_EQ(flags.ingest.frame_timeout, absl::Milliseconds(250));
  EXPECT_EQ(flags.ingest.idle_timeout, absl::Hours(1));
  EXPECT_EQ(flags.ingest.max_buffer_bytes, 1'000'000u);
  EXPECT_EQ(flags.journal.durability, journal::Durability::kSynced);
  EXPECT_EQ(flags.journal.overflow, journal::Overflow::kDropOldest);
  EXPECT_EQ(flags.journal.retain_bytes, 9000u);
  EXPECT_EQ(flags.journal.retain_age, absl::Hours(24));
  EXPECT_EQ(flags.journal.segment_bytes, 4500u);
  EXPECT_EQ(flags.journal.sync_interval, absl::Milliseconds(100));
}

TEST(WorkerFlagsTest, AValueThatMakesNoSenseNamesItsFlagAndItself) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"--coordinator", "nowhere"},
      {"--port", "65536"},
      {"--port", "-1"},
      {"--port", "http"},
      {"--max-subscribers", "-3"},
      {"--max-subscribers", "many"},
      {"--drain-timeout", "10"},
      {"--drain-timeout", "-1s"},
      {"--drain-timeout", "inf"},
      {"--framing", "lines"},
      {"--max-payload-bytes", "1MB?"},
      {"--max-connections", "4294967296"},
      {"--frame-timeout", "soon"},
      {"--idle-timeout", "5"},
      {"--max-buffer-bytes", "-1"},
      {"--durability", "maybe"},
      {"--overflow", "drop-newest"},
      {"--retain-bytes", "1.5x"},
      {"--retain-age", "yesterday"},
      {"--segment-bytes", "x"},
      {"--sync-interval", "1"},
      {"--max-connections-per-peer", "-1"},
  };
  for (const auto& [flag, value] : bad) {
    const Outcome outcome = ParseWith({absl::StrCat(flag, "=", value)});
    EXPECT_EQ(outcome.exit_code(), 2) << flag << " " << value;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(flag), HasSubstr(value)));
    EXPECT_EQ(outcome.out, "") << "mistakes are for stderr";
  }
}

TEST(WorkerFlagsTest, SizesMayHaveUnits) {
  const Outcome outcome = ParseWith({"--max-payload-bytes=64KiB", "--max-buffer-bytes=1M",
                                     "--segment-bytes=16MiB", "--retain-bytes=1.5GiB"});
  ASSERT_NE(outcome.flags(), nullptr) << outcome.err;
  EXPECT_EQ(outcome.flags()->ingest.max_payload_bytes, 64u << 10);
  EXPECT_EQ(outcome.flags()->ingest.max_buffer_bytes, 1u << 20);
  EXPECT_EQ(outcome.flags()->journal.segment_bytes, 16u << 20);
  EXPECT_EQ(outcome.flags()->journal.retain_bytes, 3u << 29);
}

TEST(WorkerFlagsTest, ANameIsAServerAndASlot) {
  for (const char* name :
       {"default", "default/", "/0", "default/x", "default/-1", "default/256", "default/01",
        "default/+1", "default/ 1", "default/0/0", "De/0", "0a/0", ""}) {
    const Outcome outcome = ParseWith({absl::StrCat("--name=", name)});
    EXPECT_EQ(outcome.exit_code(), 2) << name;
    EXPECT_THAT(outcome.err, HasSubstr("--name")) << name;
  }
  EXPECT_NE(ParseWith({"--name=a/255"}).flags(), nullptr);
}

TEST(WorkerFlagsTest, WhatMustBeGivenIsAskedFor) {
  EXPECT_THAT(Parse({"--listen", "unix:/w"}).err, HasSubstr("--data-dir is required"));
  EXPECT_THAT(Parse({"--data-dir", "/d"}).err, HasSubstr("--listen is required"));
  EXPECT_EQ(Parse({"--data-dir", "/d"}).exit_code(), 2);
}

TEST(WorkerFlagsTest, AnUnknownFlagIsAMistake) {
  const Outcome outcome = ParseWith({"--durabilty", "synced"});
  EXPECT_EQ(outcome.exit_code(), 2);
  EXPECT_THAT(outcome.err, HasSubstr("--durabilty"));
}

TEST(WorkerFlagsTest, GrpcIsServedOnThisMachineOnly) {
  for (const char* address : {"unix:/w", "127.0.0.1:0", "[::1]:5", "localhost:7"}) {
    const Outcome outcome = Parse({"--data-dir", "/d", "--listen", address});
    EXPECT_NE(outcome.flags(), nullptr) << outcome.err;
  }
  for (const char* address : {"0.0.0.0:7072", "[::]:7072", "10.0.0.1:7072"}) {
    const Outcome outcome = Parse({"--data-dir", "/d", "--listen", address});
    EXPECT_EQ(outcome.exit_code(), 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(address), HasSubstr("loopback")));
  }
}

TEST(WorkerFlagsTest, AJournalHoldsAtLeastTwoSegments) {
  EXPECT_NE(ParseWith({"--segment-bytes=100", "--retain-bytes=200"}).flags(), nullptr);
  EXPECT_NE(ParseWith({"--segment-bytes=100", "--retain-bytes=0"}).flags(), nullptr) << "no limit";
  for (const char* segment : {"101", "9223372036854775808", "18446744073709551615"}) {
    const Outcome outcome =
        ParseWith({absl::StrCat("--segment-bytes=", segment), "--retain-bytes=200"});
    EXPECT_EQ(outcome.exit_code(), 2) << segment;
    EXPECT_THAT(outcome.err, HasSubstr("--retain-bytes must be at least twice --segment-bytes"));
  }
}

TEST(WorkerFlagsTest, HelpAndVersionAreNoMistakes) {
  const Outcome help = Parse({"--help"});
  EXPECT_EQ(help.exit_code(), 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--data-dir"), HasSubstr("--framing"), HasSubstr("10s"),
                              HasSubstr("64MiB")));
  const Outcome version = Parse({"--version"});
  EXPECT_EQ(version.exit_code(), 0);
  EXPECT_THAT(version.out, testing::MatchesRegex("center-worker [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(WorkerFlagsTest, APodSaysWhereItIsFoundAndThatItIsNotEncrypted) {
  const std::vector<std::string> pod = {"--listen", "0.0.0.0:7072", "--data-dir", "/data"};
  EXPECT_THAT(Parse(pod).err, HasSubstr("say --insecure"));
  std::vector<std::string> all = pod;
  all.insert(all.end(), {"--insecure", "--advertise", "10.0.0.7:0", "--lame-duck", "5s"});
  const Outcome outcome = Parse(all);
  ASSERT_NE(outcome.flags(), nullptr) << outcome.err;
  EXPECT_EQ(outcome.flags()->advertise->ToString(), "10.0.0.7:0");
  EXPECT_EQ(outcome.flags()->lame_duck, absl::Seconds(5));
  EXPECT_EQ(ParseWith({"--advertise", "unix:/x"}).exit_code(), 2);
}

}  // namespace
}  // namespace center::worker
