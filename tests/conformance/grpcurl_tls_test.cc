// grpcurl over mutual TLS, with and without a certificate: of a person, of a stranger, of a worker.
#include <regex>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/access_rules.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"
#include "tests/unit/rpc/certificates.h"

namespace center::conformance {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kPermissionDenied = 64 + 7;  // grpcurl -format-error: and the code of the status

class GrpcurlTlsTest : public ::testing::Test {
 protected:
  // "127.0.0.1:40000", as soon as a program's log tells that it serves there.
  static std::string ServedAddress(const std::string& log_path) {
    static const std::regex serving("gRPC on (127\\.0\\.0\\.1:[1-9][0-9]*)");
    std::smatch match;
    std::string log;
    EXPECT_TRUE(itest::WaitFor([&] {
      log = itest::ReadWholeFile(log_path);
      return std::regex_search(log, match, serving);
    })) << log;
    return match.empty() ? "" : match[1].str();
  }

  void StartCoordinator() {
    const rpc::TlsFiles files = ours_.Issue("coordinator", {"127.0.0.1", rpc::kCoordinatorName});
    fleet_ = std::make_unique<itest::Fleet>(
        itest::Fleet::Options{.extra_args = {"--listen", "127.0.0.1:0", "--tls-cert", files.cert,
                                             "--tls-key", files.key, "--tls-ca", files.ca}});
    address_ = ServedAddress(fleet_->dir() / "coordinator.log");
    fleet_->MustStart("default", itest::SmallSpec());
  }

  itest::RunResult Grpcurl(std::vector<std::string> options, const std::string& method,
                           const std::string& request = "{}") {
    options.insert(options.end(), {"-max-time", "30", "-connect-timeout", "10", "-format-error",
                                   "-d", request, address_, method});
    return itest::RunToEnd(CENTER_GRPCURL, options);
  }
  itest::RunResult GrpcurlAs(const rpc::TlsFiles& files, const std::string& method,
                             const std::string& request = "{}") {
    return Grpcurl({"-cacert", ours_.path(), "-cert", files.cert, "-key", files.key}, method,
                   request);
  }

  itest::TempDir folder_;
  rpc::Authority ours_{folder_.path(), "ours"};
  rpc::Authority theirs_{folder_.path(), "theirs"};
  rpc::TlsFiles person_ = ours_.Issue("person", {rpc::kReaderName});
  std::unique_ptr<itest::Fleet> fleet_;
  std::string address_;
};

constexpr char kListServers[] = "center.v1.ServerService/ListServers";

TEST_F(GrpcurlTlsTest, WithACertificateItIsServed) {
  StartCoordinator();
  const itest::RunResult run = GrpcurlAs(person_, kListServers);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("\"name\": \"default\""));
}

TEST_F(GrpcurlTlsTest, WithoutOneOrWithAStrangersItIsNot) {
  StartCoordinator();
  const rpc::TlsFiles stranger = theirs_.Issue("stranger", {rpc::kReaderName});
  const rpc::TlsFiles old = ours_.Issue("old", {rpc::kReaderName}, {.end = -absl::Minutes(1)});
  const itest::RunResult refused[] = {
      Grpcurl({"-cacert", ours_.path()}, kListServers),
      Grpcurl({"-plaintext"}, kListServers),
      GrpcurlAs(stranger, kListServers),
      GrpcurlAs(old, kListServers),
      // It does not trust us.
      Grpcurl({"-cacert", theirs_.path(), "-cert", person_.cert, "-key", person_.key},
              kListServers),
  };
  for (const itest::RunResult& run : refused) {
    EXPECT_NE(run.exit_code, 0);
    EXPECT_THAT(run.out, Not(HasSubstr("default")));
    EXPECT_THAT(run.err, Not(testing::IsEmpty()));
  }
  const std::string log_path = fleet_->dir() / "coordinator.log";
  EXPECT_TRUE(itest::WaitFor([&] {
    const std::string log = itest::ReadWholeFile(log_path);
    return log.find("the other side has shown no certificate") != std::string::npos &&
           log.find("speaks without TLS") != std::string::npos;
  })) << itest::ReadWholeFile(log_path);
  EXPECT_EQ(GrpcurlAs(person_, kListServers).exit_code, 0) << "and others are served as before";
}

TEST_F(GrpcurlTlsTest, APersonIsNoWorkerAndAWorkerIsNoPerson) {
  StartCoordinator();
  const itest::RunResult person = GrpcurlAs(person_, "center.v1.RegistryService/Register");
  EXPECT_EQ(person.exit_code, kPermissionDenied) << person.err;
  EXPECT_THAT(person.err, HasSubstr("that is for center://worker alone"));
  const rpc::TlsFiles worker = ours_.Issue("worker", {"127.0.0.1", rpc::kWorkerName});
  // Not even reflection is for workers: the protos come from files.
  const itest::RunResult stop =
      Grpcurl({"-cacert", ours_.path(), "-cert", worker.cert, "-key", worker.key, "-import-path",
               CENTER_PROTO_DIR, "-proto", "center/v1/server.proto"},
              kListServers);
  EXPECT_EQ(stop.exit_code, kPermissionDenied) << stop.err;
  EXPECT_THAT(stop.err, HasSubstr("that is not for center://worker"));
}

TEST_F(GrpcurlTlsTest, AWorkerAlsoServesAReaderAndNobodyElse) {
  const rpc::TlsFiles files = ours_.Issue("worker", {"127.0.0.1", rpc::kWorkerName});
  const std::string log = folder_ / "worker.log";
  const itest::Process worker({.program = itest::Binary("center-worker"),
                               .args = {"--name=default/0", "--listen=127.0.0.1:0", "--port=0",
                                        "--data-dir", folder_ / "journal", "--tls-cert", files.cert,
                                        "--tls-key", files.key, "--tls-ca", files.ca},
                               .stdout_path = log});
  address_ = ServedAddress(log);
  const std::string method = "center.v1.WorkerService/StreamPayloads";
  const itest::RunResult reader = GrpcurlAs(person_, method);
  EXPECT_EQ(reader.exit_code, 0) << reader.err;
  EXPECT_THAT(reader.out, HasSubstr("\"progress\""));
  const itest::RunResult compute = GrpcurlAs(person_, "center.v1.WorkerService/Compute");
  EXPECT_EQ(compute.exit_code, kPermissionDenied) << compute.err;
  EXPECT_THAT(compute.err, AllOf(HasSubstr("center://coordinator"), Not(HasSubstr("panic"))));
  EXPECT_NE(Grpcurl({"-cacert", ours_.path()}, method).exit_code, 0);
}

}  // namespace
}  // namespace center::conformance
