// grpcurl, which knows nothing of Center but what reflection tells it.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::conformance {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

constexpr int kExitOfRpcError = 64;  // and the code of the status

class GrpcurlTest : public ::testing::Test {
 protected:
  GrpcurlTest() : fleet_(WithTcp()), address_(TcpAddress(fleet_)) {}

  // grpcurl [options] ADDRESS [verb]
  itest::RunResult Grpcurl(const std::string& address, std::vector<std::string> options,
                           const std::vector<std::string>& verb) {
    options.insert(options.begin(), {"-plaintext", "-format-error"});
    options.push_back(address);
    options.insert(options.end(), verb.begin(), verb.end());
    return itest::RunToEnd(CENTER_GRPCURL, options);
  }
  itest::RunResult Call(const std::string& method, const std::string& request = "{}") {
    return Grpcurl(address_, {"-d", request}, {method});
  }
  std::vector<std::string> Services(const std::string& address) {
    const itest::RunResult list = Grpcurl(address, {}, {"list"});
    EXPECT_EQ(list.exit_code, 0) << list.err;
    return absl::StrSplit(list.out, '\n', absl::SkipEmpty());
  }
  // The rich error of a call that must fail with this code.
  google::rpc::Status Error(const itest::RunResult& run, grpc::StatusCode code) {
    EXPECT_EQ(run.exit_code, kExitOfRpcError + code) << run.out << run.err;
    google::rpc::Status status;
    FromJson(run.err, &status);
    EXPECT_EQ(status.code(), code);
    return status;
  }

  itest::Fleet fleet_;
  const std::string address_;
};

template <typename Detail>
Detail DetailOf(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.Is<Detail>()) {
      any.UnpackTo(&detail);
      return detail;
    }
  }
  ADD_FAILURE() << "no " << Detail::descriptor()->full_name() << " in "
                << status.ShortDebugString();
  return detail;
}

TEST_F(GrpcurlTest, ReflectionListsAndDescribesEveryService) {
  const std::vector<std::string> services = Services(address_);
  EXPECT_THAT(services, IsSupersetOf({"center.v1.ServerService", "center.v1.PayloadService",
                                      "center.v1.EventService", "center.v1.RegistryService",
                                      "grpc.health.v1.Health", "grpc.channelz.v1.Channelz"}));
  for (const std::string& service : services) {
    const itest::RunResult described = Grpcurl(address_, {}, {"describe", service});
    EXPECT_EQ(described.exit_code, 0) << service << ": " << described.err;
    EXPECT_THAT(described.out, HasSubstr("rpc ")) << service;
  }
}

TEST_F(GrpcurlTest, TheUnixSocketSpeaksTheSame) {
  EXPECT_EQ(Services(fleet_.address()), Services(address_));
}

TEST_F(GrpcurlTest, AWorkerExplainsItselfToo) {
  fleet_.MustStart("default", itest::SmallSpec());
  const auto server = fleet_.GetServer("default");
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string& worker = server->workers(0).address();
  EXPECT_THAT(Services(worker), IsSupersetOf({"center.v1.WorkerService", "grpc.health.v1.Health"}));
  const itest::RunResult health = Grpcurl(
      worker, {"-d", R"({"service": "center.v1.WorkerService"})"}, {"grpc.health.v1.Health/Check"});
  EXPECT_EQ(health.exit_code, 0) << health.err;
  EXPECT_THAT(health.out, HasSubstr("\"SERVING\""));
}

TEST_F(GrpcurlTest, ListServersPaginatesByName) {
  for (const std::string name : {"charlie", "alpha", "bravo"}) fleet_.MustStart(name);
  std::vector<std::string> names;
  std::string page_token;
  do {
    const itest::RunResult run =
        Call("center.v1.ServerService/ListServers",
             absl::StrCat("{\"page_size\": 2, \"page_token\": \"", page_token, "\"}"));
    ASSERT_EQ(run.exit_code, 0) << run.err;
    v1::ListServersResponse page;
    FromJson(run.out, &page);
    ASSERT_GT(page.servers_size(), 0);
    for (const v1::Server& server : page.servers()) {
      names.push_back(server.name());
      EXPECT_EQ(server.state(), v1::SERVER_STATE_RUNNING);
      EXPECT_GT(server.workers(0).pid(), 0);
    }
    page_token = page.next_page_token();
  } while (!page_token.empty());
  EXPECT_EQ(names, (std::vector<std::string>{"alpha", "bravo", "charlie"}));
}

TEST_F(GrpcurlTest, TailPayloadsShowsWhatWasSent) {
  const uint16_t port = fleet_.MustStart("default", itest::SmallSpec());
  itest::Producer producer(port);
  ASSERT_TRUE(producer.Send(absl::string_view("hello \"you\"\nJSON|{\"a\": [1]}\n\xff\xfe\n")));
  for (const std::string& line : NumberedLines("number", 1'000)) {
    ASSERT_TRUE(producer.Send(absl::StrCat(line, "\n")));
  }
  ASSERT_TRUE(fleet_.WaitStored("default", 1'003));

  const itest::RunResult run =
      Call("center.v1.PayloadService/TailPayloads", R"({"start": {"place": "PLACE_EARLIEST"}})");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto responses = FromJsonObjects<v1::TailPayloadsResponse>(run.out);
  ASSERT_EQ(responses.size(), 1'003u);
  EXPECT_EQ(responses[0].payload().text(), "hello \"you\"");
  EXPECT_EQ(responses[0].payload().peer(), producer.name());
  EXPECT_EQ(responses[0].payload().worker(), "default/0");
  EXPECT_EQ(responses[1].payload().json(), "{\"a\": [1]}");
  EXPECT_EQ(responses[2].payload().data(), "\xff\xfe");
  for (int i = 0; i < 1'000; ++i) {
    const v1::Payload& payload = responses[3 + i].payload();
    EXPECT_EQ(payload.text(), absl::StrCat("number ", i));
    EXPECT_EQ(payload.offset(), static_cast<uint64_t>(3 + i));
  }
}

TEST_F(GrpcurlTest, AnUnknownServerIsNotFoundWithItsReason) {
  const google::rpc::Status error =
      Error(Call("center.v1.PayloadService/TailPayloads", R"({"server": "nobody"})"),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(error.message(), HasSubstr("\"nobody\""));
  const auto info = DetailOf<google::rpc::ErrorInfo>(error);
  EXPECT_EQ(info.reason(), "SERVER_NOT_FOUND");
  EXPECT_EQ(info.domain(), "center.v1");
  EXPECT_EQ(info.metadata().at("server"), "nobody");
}

TEST_F(GrpcurlTest, AWrongSpecNamesEveryWrongField) {
  const google::rpc::Status error =
      Error(Call("center.v1.ServerService/StartServer",
                 R"({"name": "x", "spec": {"port": 70000, "workers": 1000}})"),
            grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> fields;
  const auto bad_request = DetailOf<google::rpc::BadRequest>(error);
  for (const auto& violation : bad_request.field_violations()) {
    fields.push_back(violation.field());
    EXPECT_NE(violation.description(), "");
  }
  EXPECT_THAT(fields, AllOf(Contains("spec.port"), Contains("spec.workers")));
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(error).domain(), "center.v1");
}

TEST_F(GrpcurlTest, HealthIsToldPerServiceAndOverall) {
  for (const char* service : {"", "center.v1.ServerService", "center.v1.PayloadService"}) {
    SCOPED_TRACE(service);
    const itest::RunResult run =
        Call("grpc.health.v1.Health/Check", absl::StrCat("{\"service\": \"", service, "\"}"));
    ASSERT_EQ(run.exit_code, 0) << run.err;
    grpc::health::v1::HealthCheckResponse health;
    FromJson(run.out, &health);
    EXPECT_EQ(health.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
  Error(Call("grpc.health.v1.Health/Check", R"({"service": "center.v1.NoService"})"),
        grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcurlTest, ChannelzShowsTheServerAndItsListeners) {
  const itest::RunResult run = Call("grpc.channelz.v1.Channelz/GetServers");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  google::protobuf::Struct answer;
  FromJson(run.out, &answer);
  const auto& servers = answer.fields().at("server").list_value();
  ASSERT_EQ(servers.values_size(), 1);
  const auto& server = servers.values(0).struct_value().fields();
  // The unix socket and the TCP port.
  EXPECT_EQ(server.at("listen_socket").list_value().values_size(), 2);
}

}  // namespace
}  // namespace center::conformance
