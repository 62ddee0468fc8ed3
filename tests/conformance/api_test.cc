// Every rpc of every service that reflection lists, through grpcurl's eyes and Python's hands: good
// calls, and all the ways in which a call can be bad. What is answered is what the protos say. An
// rpc that the client has no cases for fails the test.
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"

namespace center::conformance {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;

// On the coordinator.
const std::vector<std::string>& KnownServices() {
  static const auto& services = *new std::vector<std::string>{
      "center.v1.ServerService",   "center.v1.PayloadService",
      "center.v1.EventService",    "center.v1.JobService",
      "center.v1.RegistryService", "center.v1.ClientService",
      "grpc.health.v1.Health",     "grpc.reflection.v1alpha.ServerReflection",
      "grpc.channelz.v1.Channelz", "center.v1.ClientRegistryService"};
  return services;
}

class ApiTest : public ::testing::TestWithParam<std::string> {
 protected:
  ApiTest() : fleet_(WithTcp()), address_(TcpAddress(fleet_)) {
    fleet_.MustStart("default", itest::SmallSpec());
    const auto server = fleet_.GetServer("default");
    EXPECT_TRUE(server.ok()) << server.status();
    if (server.ok()) worker_ = server->workers(0).address();
    GeneratePython(CENTER_PROTOC, CENTER_GRPC_PYTHON_PLUGIN, CENTER_PROTO_DIR, generated_.path());
  }

  // What reflection lists at an address: services, or the rpcs of one as SERVICE/METHOD.
  static std::vector<std::string> List(const std::string& address,
                                       const std::string& service = "") {
    std::vector<std::string> args = {"-plaintext", address, "list"};
    if (!service.empty()) args.push_back(service);
    const itest::RunResult run = itest::RunToEnd(CENTER_GRPCURL, args);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    std::vector<std::string> names = absl::StrSplit(run.out, '\n', absl::SkipEmpty());
    for (std::string& name : names) {
      if (!service.empty()) name[name.rfind('.')] = '/';
    }
    return names;
  }

  // Runs every case of these rpcs.
  void Drive(const std::vector<std::string>& rpcs) {
    ASSERT_FALSE(rpcs.empty());
    std::vector<std::string> args = {CENTER_CONFORMANCE_DIR "/api_client.py", generated_.path(),
                                     fleet_.address(), worker_};
    args.insert(args.end(), rpcs.begin(), rpcs.end());
    const itest::RunResult run = itest::RunToEnd(CENTER_GRPC_PYTHON, args, "", absl::Seconds(110),
                                                 {"PYTHONDONTWRITEBYTECODE=1"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    std::map<std::string, std::set<std::string>> cases;
    const std::vector<std::string> lines = absl::StrSplit(run.out, '\n', absl::SkipEmpty());
    for (const std::string& line : lines) {
      google::protobuf::Struct result;
      FromJson(line, &result);
      auto& fields = *result.mutable_fields();
      EXPECT_TRUE(fields["ok"].bool_value()) << line;
      cases[fields["rpc"].string_value()].insert(fields["case"].string_value());
    }
    for (const std::string& rpc : rpcs) {
      EXPECT_THAT(cases[rpc], IsSupersetOf({"good", "unknown field", "expired deadline",
                                            "cancelled", "100 MiB"}))
          << rpc;
    }
    // After all that it still serves.
    EXPECT_TRUE(fleet_.GetServer("default").ok());
  }

  itest::Fleet fleet_;
  const std::string address_;
  std::string worker_;
  itest::TempDir generated_;
};

TEST_P(ApiTest, EveryRpcAnswersAsDocumented) {
  ASSERT_THAT(List(address_), Contains(GetParam())) << "it is not served";
  Drive(List(address_, GetParam()));
}

// "JobService"
std::string ShortName(const ::testing::TestParamInfo<std::string>& service) {
  return service.param.substr(service.param.rfind('.') + 1);
}

INSTANTIATE_TEST_SUITE_P(Services, ApiTest, ::testing::ValuesIn(KnownServices()), ShortName);

using ApiListTest = ApiTest;

TEST_F(ApiListTest, EveryServiceThatIsServedIsDriven) {
  for (const std::string& service : List(address_)) EXPECT_THAT(KnownServices(), Contains(service));
}

TEST_F(ApiListTest, AWorkersOwnServicesAnswerAsDocumented) {
  std::vector<std::string> rpcs = List(worker_, "center.v1.WorkerService");
  for (const std::string& rpc : List(worker_, "grpc.health.v1.Health")) rpcs.push_back(rpc);
  EXPECT_THAT(rpcs, Contains("center.v1.WorkerService/Compute"));
  Drive(rpcs);
}

TEST_F(ApiListTest, AnRpcWithoutCasesIsSeen) {
  const itest::RunResult run = itest::RunToEnd(
      CENTER_GRPC_PYTHON, {CENTER_CONFORMANCE_DIR "/api_client.py", generated_.path(),
                           fleet_.address(), worker_, "center.v1.ServerService/Forgotten"});
  EXPECT_THAT(run.out, ::testing::HasSubstr("\"ok\": false"));
}

}  // namespace
}  // namespace center::conformance
