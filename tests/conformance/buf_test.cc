// `buf curl`: gRPC in Go's other implementation (connect-go), over HTTP/2 without TLS (h2c).
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::conformance {
namespace {

using ::testing::IsSupersetOf;

class BufTest : public ::testing::Test {
 protected:
  BufTest() : fleet_(WithTcp()), url_(absl::StrCat("http://", TcpAddress(fleet_))) {}

  // A method ("center.v1.ServerService/ListServers"), or "" with an option that asks for a list.
  itest::RunResult Curl(const std::string& method, std::vector<std::string> options) {
    options.insert(options.begin(), {"curl", "--http2-prior-knowledge", "--protocol", "grpc"});
    options.push_back(method.empty() ? url_ : absl::StrCat(url_, "/", method));
    // buf wants a folder for its caches.
    return itest::RunToEnd(CENTER_BUF, options, "", absl::Seconds(60),
                           {absl::StrCat("HOME=", home_.path())});
  }

  itest::Fleet fleet_;
  const std::string url_;
  itest::TempDir home_;
};

TEST_F(BufTest, ReflectionListsTheServices) {
  const itest::RunResult run = Curl("", {"--list-services"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::vector<std::string> services = absl::StrSplit(run.out, '\n', absl::SkipEmpty());
  EXPECT_THAT(services, IsSupersetOf({"center.v1.ServerService", "center.v1.PayloadService",
                                      "center.v1.EventService", "grpc.health.v1.Health"}));
}

TEST_F(BufTest, AServerIsStartedShownAndStopped) {
  const itest::RunResult start =
      Curl("center.v1.ServerService/StartServer",
           {"--data", R"({"name": "web", "spec": {"port": 0, "workers": 2}, "waitReady": true})"});
  ASSERT_EQ(start.exit_code, 0) << start.err;
  v1::StartServerResponse started;
  FromJson(start.out, &started);
  EXPECT_EQ(started.server().state(), v1::SERVER_STATE_RUNNING);

  const itest::RunResult list = Curl("center.v1.ServerService/ListServers", {});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  v1::ListServersResponse servers;
  FromJson(list.out, &servers);
  ASSERT_EQ(servers.servers_size(), 1);
  EXPECT_EQ(servers.servers(0).name(), "web");
  EXPECT_EQ(servers.servers(0).workers_size(), 2);
  EXPECT_EQ(servers.servers(0).spec().port(), started.server().spec().port());

  const itest::RunResult stop =
      Curl("center.v1.ServerService/StopServer", {"--data", R"({"name": "web", "now": true})"});
  ASSERT_EQ(stop.exit_code, 0) << stop.err;
  v1::StopServerResponse stopped;
  FromJson(stop.out, &stopped);
  EXPECT_EQ(stopped.server().state(), v1::SERVER_STATE_STOPPED);
}

TEST_F(BufTest, AStreamOfPayloadsEndsAtItsLimit) {
  const uint16_t port = fleet_.MustStart("default", itest::SmallSpec());
  itest::Producer producer(port);
  const std::vector<std::string> lines = NumberedLines("buf", 300);
  ASSERT_TRUE(producer.Send(AsText(lines)));
  const itest::RunResult run =
      Curl("center.v1.PayloadService/TailPayloads",
           {"--data", R"({"start": {"place": "PLACE_EARLIEST"}, "follow": true, "limit": "300"})"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  std::vector<std::string> seen;
  for (const auto& response : FromJsonObjects<v1::TailPayloadsResponse>(run.out)) {
    seen.push_back(response.payload().text());
  }
  EXPECT_EQ(seen, lines);
}

TEST_F(BufTest, AnUnknownServerIsNotFoundWithItsReason) {
  const itest::RunResult run =
      Curl("center.v1.PayloadService/TailPayloads", {"--data", R"({"server": "nobody"})"});
  EXPECT_EQ(run.exit_code, grpc::StatusCode::NOT_FOUND << 3) << run.err;
  google::protobuf::Struct error;
  FromJson(run.err, &error);
  EXPECT_EQ(error.fields().at("code").string_value(), "not_found");
  const auto& details = error.fields().at("details").list_value();
  ASSERT_EQ(details.values_size(), 1);
  EXPECT_EQ(details.values(0).struct_value().fields().at("type").string_value(),
            "google.rpc.ErrorInfo");
}

}  // namespace
}  // namespace center::conformance
