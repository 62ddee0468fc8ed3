// The benchmarks: what they count is what was sent, and a difference is a failure.
#include "cli/bench.h"

#include "simdjson.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/tcp_sink.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PercentileTest, IsTheNearestRank) {
  EXPECT_EQ(Percentile({}, 0.5), 0u);
  EXPECT_EQ(Percentile({7}, 0.0), 7u);
  EXPECT_EQ(Percentile({7}, 1.0), 7u);
  EXPECT_EQ(Percentile({1, 2, 3, 4}, 0.5), 2u);
  EXPECT_EQ(Percentile({1, 2, 3, 4}, 0.51), 3u);
  EXPECT_EQ(Percentile({1, 2, 3, 4}, 0.99), 4u);
}

// A server: what the sink receives by lines is in the fake's journal.
class BenchTest : public CliTest {
 protected:
  BenchTest()
      : coordinator_(dir_.path()),
        sink_(TcpSink::Manner::kReadAll, "", [this](absl::string_view bytes) { Store(bytes); }) {
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("default");
    server.set_state(v1::SERVER_STATE_RUNNING);
    server.set_address(sink_.address());
    server.mutable_spec()->set_framing(v1::FRAMING_LINE);
    coordinator_.payloads.Append("default/0", 3);  // from before
  }
  CliResult Bench(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address(), "-o", "json", "bench"});
    return Run(std::move(args));
  }
  void Store(absl::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line_ += c;
      } else if (lose_ > 0) {
        --lose_;
        line_.clear();
      } else {
        coordinator_.payloads.AppendPayload("default/0", std::move(line_));
        line_.clear();
      }
    }
  }

  FakeCoordinator coordinator_;
  std::string line_;  // of the sink's thread
  int lose_ = 0;      // of the sink's thread: lines that are not stored
  simdjson::dom::parser parser_;
  TcpSink sink_;
};

TEST_F(BenchTest, IngestReconcilesAllItsCounts) {
  const CliResult result = Bench({"ingest", "--count", "5000", "--connections", "1",
                                  "--payload-bytes", "50", "--subscribers", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto report = parser_.parse(result.out);
  EXPECT_EQ(std::string_view(report["sent"]["payloads"]), "5000");
  EXPECT_EQ(std::string_view(report["journalled"]), "5000");
  EXPECT_EQ(report["received"].get_array().size(), 2u);
  for (const auto& received : report["received"]) {
    EXPECT_EQ(std::string_view(received["payloads"]), "5000");
  }
  EXPECT_EQ(std::string_view(report["missing"]), "0");
  EXPECT_TRUE(bool(report["reconciled"]));
  EXPECT_EQ(sink_.bytes(), 5000u * 51);
}

TEST_F(BenchTest, OneLostPayloadIsAFailure) {
  lose_ = 1;
  const CliResult result =
      Bench({"ingest", "--count", "5000", "--connections", "1", "--subscribers", "1"});
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.err, HasSubstr("the counts differ"));
  const auto report = parser_.parse(result.out);
  EXPECT_EQ(std::string_view(report["journalled"]), "4999");
  EXPECT_FALSE(bool(report["reconciled"]));
}

TEST_F(BenchTest, WhatRetentionDeletedBeforeItWasReadIsToldAndAddsUp) {
  coordinator_.payloads.Forget("default/0", 103);  // the first 100 of this benchmark, as it were
  const std::vector<std::string> args = {"ingest", "--count",       "5000", "--connections",
                                         "1",      "--subscribers", "1"};
  const CliResult result = Bench(args);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto report = parser_.parse(result.out);
  EXPECT_EQ(std::string_view(report["received"].at(0)["payloads"]), "4900");
  EXPECT_EQ(std::string_view(report["deletedByRetention"]), "100");
  EXPECT_TRUE(bool(report["reconciled"]));

  coordinator_.payloads.Forget("default/0", 5003 + 7);
  std::vector<std::string> readable = {"--address", coordinator_.address(), "bench"};
  readable.insert(readable.end(), args.begin(), args.end());
  const CliResult text = Run(readable);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("received 4,993 and a Gap of 7: they add up"),
                              HasSubstr("retention deleted  7 (Gap)")));
}

TEST_F(BenchTest, AGapOfDamageIsALoss) {
  coordinator_.payloads.Forget("default/0", 103, v1::Gap::REASON_CORRUPTION);
  const CliResult result =
      Bench({"ingest", "--count", "5000", "--connections", "1", "--subscribers", "1"});
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.err, HasSubstr("told of 100 missing payloads"));
}

TEST_F(BenchTest, WithOnlyAnAddressTheSendingAloneIsMeasured) {
  const TcpSink other;
  coordinator_.Down();
  const CliResult result = Bench({"ingest", "--to", other.address(), "--count", "100"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"journalled\": null"), HasSubstr("\"received\": []")));
  EXPECT_EQ(other.bytes(), 100u * 101);
}

TEST_F(BenchTest, AServerThatCutsChunksCannotBeCounted) {
  coordinator_.servers.servers[0].mutable_spec()->set_framing(v1::FRAMING_CHUNK);
  for (const char* verb : {"ingest", "latency"}) {
    const CliResult result = Bench({verb, "--duration", "10ms"});
    EXPECT_EQ(result.exit_code, kExitFailure) << verb;
    EXPECT_THAT(result.err, HasSubstr("framing chunk")) << verb;
  }
}

TEST_F(BenchTest, LatencyReceivesWhatItSent) {
  const CliResult result = Bench({"latency", "--rate", "2000", "--duration", "50ms"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto report = parser_.parse(result.out);
  EXPECT_EQ(std::string_view(report["sent"]), "100");
  EXPECT_EQ(std::string_view(report["received"]), "100");
  const double p50 = report["p50Us"], max = report["maxUs"];
  EXPECT_GT(p50, 0);
  EXPECT_LE(p50, max);
}

TEST_F(BenchTest, SizesThatMakeNoSenseAreRefused) {
  EXPECT_EQ(Bench({"ingest", "--payload-bytes", "0"}).exit_code, kExitUsage);
  EXPECT_EQ(Bench({"ingest", "--payload-bytes", "65MiB"}).exit_code, kExitUsage);
  EXPECT_EQ(Bench({"latency", "--payload-bytes", "15"}).exit_code, kExitUsage);
  EXPECT_EQ(Bench({"latency", "--duration", "2h"}).exit_code, kExitUsage);
}

}  // namespace
}  // namespace center::cli
