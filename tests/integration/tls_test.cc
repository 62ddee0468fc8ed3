// The real programs over mutual TLS: who is let in, who is not, and what both sides say.
#include "services/common/rpc/tls.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "center/v1/worker.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"
#include "tests/unit/rpc/certificates.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Flags(const rpc::TlsFiles& files) {
  return {"--tls-cert", files.cert, "--tls-key", files.key, "--tls-ca", files.ca};
}

std::vector<std::string> operator+(std::vector<std::string> some,
                                   const std::vector<std::string>& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

// What stands behind `before` in the log, up to the end of the word, once it is there.
std::string WordAfter(const std::string& log_path, absl::string_view before) {
  std::string word;
  EXPECT_TRUE(WaitFor([&] {
    const std::string log = ReadWholeFile(log_path);
    const size_t at = log.find(before.data(), 0, before.size());
    if (at == std::string::npos) return false;
    const size_t from = at + before.size();
    const size_t end = log.find_first_of(" ,\n", from);
    if (end == std::string::npos) return false;
    word = log.substr(from, end - from);
    return true;
  })) << log_path
      << " has no \"" << before << "\"";
  return word;
}

class TlsFleetTest : public testing::Test {
 protected:
  // A coordinator on a unix socket and, over TLS, on a port of loopback.
  void Start() {
    fleet_ = std::make_unique<Fleet>(Fleet::Options{
        .extra_args = std::vector<std::string>{"--listen", "127.0.0.1:0"} + Flags(server_)});
    log_ = fleet_->dir() / "coordinator.log";
    address_ = absl::StrCat("127.0.0.1:", WordAfter(log_, "serving gRPC on 127.0.0.1:"));
  }
  RunResult Ctl(const std::vector<std::string>& args) const {
    return RunToEnd(Binary("centerctl"), std::vector<std::string>{"--address", address_} + args);
  }
  bool CoordinatorSays(const std::string& text) const {
    return WaitFor([&] { return ReadWholeFile(log_).find(text) != std::string::npos; });
  }
  std::unique_ptr<Process> StartWorker(const std::vector<std::string>& args) {
    worker_log_ = folder_ / absl::StrCat("worker", ++workers_, ".log");
    return std::make_unique<Process>(Process::Options{
        .program = Binary("center-worker"),
        .args =
            std::vector<std::string>{"--name=default/0", "--listen=127.0.0.1:0", "--port=0",
                                     "--data-dir", folder_ / absl::StrCat("journal", workers_)} +
            args,
        .stdout_path = worker_log_});
  }
  bool WorkerSays(const std::string& text) const {
    return WaitFor([&] { return ReadWholeFile(worker_log_).find(text) != std::string::npos; });
  }

  TempDir folder_;
  rpc::Authority ours_{folder_.path(), "ours"};
  rpc::Authority theirs_{folder_.path(), "theirs"};
  rpc::TlsFiles server_ = ours_.Issue("coordinator", {"127.0.0.1", "center://coordinator"});
  rpc::TlsFiles person_ = ours_.Issue("person", {"center://reader"});
  std::unique_ptr<Fleet> fleet_;
  std::string log_;
  std::string address_;
  int workers_ = 0;
  std::string worker_log_;
};

TEST_F(TlsFleetTest, WhoHasACertificateIsServedAndWhoHasNoneIsToldSo) {
  Start();
  fleet_->MustStart("default", SmallSpec());
  EXPECT_THAT(Ctl(Flags(person_) + std::vector<std::string>{"server", "list"}).out,
              HasSubstr("default"));
  const RunResult plain = Ctl({"server", "list"});
  EXPECT_EQ(plain.exit_code, 3);
  EXPECT_THAT(plain.err, AllOf(HasSubstr("speaks TLS, and we do not"), HasSubstr("--tls-cert")));
  EXPECT_TRUE(CoordinatorSays("the other side has shown no certificate") ||
              CoordinatorSays("speaks without TLS"));
  EXPECT_THAT(fleet_->Ctl({"server", "list"}).out, HasSubstr("default")) << "on the unix socket";
}

TEST_F(TlsFleetTest, EachMistakeHasItsMessage) {
  Start();
  const auto mistake = [this](const rpc::TlsFiles& files) {
    return Ctl(Flags(files) + std::vector<std::string>{"server", "list"});
  };
  rpc::TlsFiles stranger = theirs_.Issue("stranger", {"center://reader"});
  stranger.ca = ours_.path();
  EXPECT_THAT(mistake(stranger).err, AllOf(HasSubstr("does not accept our certificate"),
                                           HasSubstr("not signed by an authority")));
  EXPECT_TRUE(CoordinatorSays("or was not signed by an authority in our --tls-ca"));

  rpc::TlsFiles distrusts = person_;
  distrusts.ca = theirs_.path();
  EXPECT_THAT(mistake(distrusts).err,
              HasSubstr("was not signed by an authority in --tls-ca " + theirs_.path()));
  EXPECT_TRUE(CoordinatorSays("the other side does not trust our certificate"));

  const RunResult old = mistake(ours_.Issue("old", {}, {.end = -absl::Minutes(1)}));
  EXPECT_EQ(old.exit_code, 2) << old.err;
  EXPECT_THAT(old.err, HasSubstr("old.pem: the certificate has expired, on "));

  rpc::TlsFiles keyless = person_;
  keyless.key = "/nowhere.key";
  EXPECT_THAT(mistake(keyless).err, HasSubstr("--tls-key /nowhere.key: cannot be read"));
  EXPECT_THAT(Ctl({"--tls-ca", ours_.path(), "server", "list"}).err,
              HasSubstr("--tls-cert is missing"));

  address_.replace(0, std::string("127.0.0.1").size(), "localhost");
  const RunResult name = mistake(person_);
  EXPECT_EQ(name.exit_code, 3) << name.err;
  EXPECT_THAT(name.err, HasSubstr("shows a certificate for 127.0.0.1, center://coordinator, and "
                                  "not for localhost"));
  EXPECT_TRUE(CoordinatorSays("as when it is not for the name that was called"));
}

TEST_F(TlsFleetTest, AContextHoldsThePaths) {
  Start();
  const std::vector<std::string> env = {"XDG_CONFIG_HOME=" + folder_.path()};
  const auto run = [&](const std::vector<std::string>& args) {
    return RunToEnd(Binary("centerctl"), args, "", absl::Seconds(60), env);
  };
  const RunResult set = run(
      std::vector<std::string>{"--address", address_, "context", "set", "prod"} + Flags(person_));
  ASSERT_EQ(set.exit_code, 0) << set.err;
  const RunResult status = run({"coordinator", "status"});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("RUNNING"));
}

TEST_F(TlsFleetTest, OnlyWorkersRegisterAndTheyDoNothingElse) {
  Start();
  const rpc::TlsFiles worker = ours_.Issue("worker", {"127.0.0.1", "center://worker"});
  const RunResult stop = Ctl(Flags(worker) + std::vector<std::string>{"coordinator", "status"});
  EXPECT_EQ(stop.exit_code, 64 + 7);
  EXPECT_THAT(stop.err, HasSubstr("that is not for center://worker"));

  const std::vector<std::string> to = {"--coordinator", address_};
  const auto reader = StartWorker(to + Flags(person_));
  EXPECT_TRUE(WorkerSays("that is for center://worker alone"));
  EXPECT_TRUE(CoordinatorSays("a certificate of center://reader may not call"));
  // This one is let in, and turned away for what it is: no slot waits for it.
  const auto stray = StartWorker(to + Flags(worker));
  EXPECT_TRUE(WorkerSays("the coordinator does not know this worker"));
}

TEST_F(TlsFleetTest, AWorkerSaysWhyThereIsNoLine) {
  Start();
  rpc::TlsFiles files = ours_.Issue("worker", {"127.0.0.1", "center://worker"});
  files.ca = theirs_.path();
  const auto distrusts =
      StartWorker(std::vector<std::string>{"--coordinator", address_} + Flags(files));
  EXPECT_TRUE(WorkerSays("shows a certificate that was not signed by an authority in --tls-ca"));
  const auto plain = StartWorker({"--coordinator", address_});
  EXPECT_TRUE(WorkerSays("speaks TLS, and we do not"));
}

TEST_F(TlsFleetTest, AWorkerLetsInItsCoordinatorAndReaders) {
  const auto worker =
      StartWorker(Flags(ours_.Issue("worker", {"127.0.0.1", "center://worker"})) +
                  std::vector<std::string>{"--tls-reader-name", "analytics.example"});
  const std::string port = WordAfter(worker_log_, "gRPC on 127.0.0.1:");
  const auto address = ParseNetAddress(absl::StrCat("127.0.0.1:", port));
  ASSERT_TRUE(address.ok());
  const auto code_of = [&](const std::string& name, bool compute) {
    const auto tls = rpc::Tls::Load(ours_.Issue("caller", {name}));
    EXPECT_TRUE(tls.ok()) << tls.status();
    const auto stub = v1::WorkerService::NewStub(rpc::MakeChannelTo(*address, tls->get()));
    grpc::ClientContext call;
    if (compute) {
      const auto stream = stub->Compute(&call);
      stream->WritesDone();
      v1::ComputeResponse response;
      while (stream->Read(&response)) {
      }
      return stream->Finish().error_code();
    }
    const auto stream = stub->StreamPayloads(&call, {});
    v1::StreamPayloadsResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish().error_code();
  };
  EXPECT_EQ(code_of("center://coordinator", false), grpc::StatusCode::OK);
  EXPECT_EQ(code_of("analytics.example", false), grpc::StatusCode::OK);
  EXPECT_EQ(code_of("center://worker", false), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(code_of("analytics.example", true), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_NE(code_of("center://coordinator", true), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsFleetTest, NewFilesAreUsedAndOpenStreamsGoOn) {
  Start();
  Producer producer(fleet_->MustStart("default", SmallSpec()));
  const auto tls = rpc::Tls::Load(person_);
  ASSERT_TRUE(tls.ok());
  Collector collector(rpc::MakeChannelTo(*ParseNetAddress(address_), tls->get()),
                      EarliestRequest("default", /*follow=*/true));
  ASSERT_TRUE(producer.Send("p 1\n"));
  ASSERT_TRUE(collector.WaitCount(1));

  // Everything is another authority's from now on.
  const rpc::TlsFiles newer = theirs_.Issue("newer", {"center://reader"});
  (void)theirs_.Issue("coordinator", {"127.0.0.1", "center://coordinator"});
  std::filesystem::copy_file(theirs_.path(), ours_.path() + ".new");
  std::filesystem::rename(ours_.path() + ".new", ours_.path());
  EXPECT_TRUE(CoordinatorSays("TLS: the files have changed"));
  EXPECT_TRUE(WaitFor([&] {
    return Ctl(Flags(newer) + std::vector<std::string>{"server", "list"}).exit_code == 0;
  }));
  ASSERT_TRUE(producer.Send("p 2\n"));
  EXPECT_TRUE(collector.WaitCount(2));
  collector.Cancel();
  EXPECT_EQ(collector.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(TlsFleetTest, BeyondLoopbackNothingStartsInPlainText) {
  const std::vector<std::string> coordinator = {"--data-dir", folder_ / "data", "--listen",
                                                "0.0.0.0:0",  "--http",         "off"};
  const RunResult refused = RunToEnd(Binary("center-coordinator"), coordinator);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.out + refused.err, AllOf(HasSubstr("--tls-cert"), HasSubstr("--insecure")));
  const RunResult worker = RunToEnd(Binary("center-worker"),
                                    {"--listen", "0.0.0.0:0", "--data-dir", folder_ / "journal"});
  EXPECT_EQ(worker.exit_code, 2);
  EXPECT_THAT(worker.out + worker.err, AllOf(HasSubstr("--tls-cert"), HasSubstr("--insecure")));

  const std::string log = folder_ / "open.log";
  const Process open({.program = Binary("center-coordinator"),
                      .args = coordinator + Flags(server_),
                      .stdout_path = log});
  EXPECT_NE(WordAfter(log, "serving gRPC on 0.0.0.0:"), "");
  // For the processes that it launches, which have no certificates.
  EXPECT_EQ(WordAfter(log, "serving gRPC on unix:"), folder_ / "data/run/coordinator.sock");
  const RunResult keyless = RunToEnd(Binary("center-coordinator"),
                                     coordinator + std::vector<std::string>{"--tls-cert", "x"});
  EXPECT_EQ(keyless.exit_code, 2);
  EXPECT_THAT(keyless.out + keyless.err, HasSubstr("--tls-key is missing"));
}

}  // namespace
}  // namespace center::itest
