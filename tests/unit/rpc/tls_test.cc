// gRPC over mutual TLS, between a server and clients in this process.
#include "services/common/rpc/tls.h"

#include <atomic>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "center/v1/server.grpc.pb.h"
#include "center/v1/worker.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "services/common/rpc/tls_probe.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/rpc/certificates.h"

namespace center::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Servers final : public v1::ServerService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetCoordinator(grpc::CallbackServerContext* context,
                                           const v1::GetCoordinatorRequest* /*request*/,
                                           v1::GetCoordinatorResponse* response) override {
    response->mutable_coordinator()->set_pid(7);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class TlsTest : public testing::Test {
 protected:
  void SetUp() override { Serve(authority_.Issue("server", {"127.0.0.1", "localhost"})); }
  void TearDown() override { bound_.server->Shutdown(); }

  void Serve(const TlsFiles& files) {
    if (bound_.server != nullptr) bound_.server->Shutdown();
    auto tls = Tls::Load(files);
    ASSERT_TRUE(tls.ok()) << tls.status();
    auto bound = StartServer({.addresses = {{.host = "127.0.0.1", .port = 0}},
                              .services = {&servers_},
                              .tls = *tls,
                              .rules = CoordinatorRules({kWorkerName})});
    ASSERT_TRUE(bound.ok()) << bound.status();
    bound_ = *std::move(bound);
  }
  const NetAddress& address() const { return bound_.addresses[0]; }

  static absl::Status Ask(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::GetCoordinatorResponse response;
    return FromGrpc(v1::ServerService::NewStub(channel)->GetCoordinator(&call, {}, &response));
  }
  absl::Status AskWith(const TlsFiles& files) {
    auto tls = Tls::Load(files);
    if (!tls.ok()) return tls.status();
    return Ask(MakeChannelTo(address(), tls->get()));
  }
  std::string Probe(const TlsFiles& files) {
    const absl::Status status = ProbeConnection(address(), files, absl::Seconds(30));
    return status.ok() ? "ok" : std::string(status.message());
  }

  ScratchDir folder_;
  Authority authority_{folder_.path(), "ours"};
  Authority stranger_{folder_.path(), "theirs"};
  Servers servers_;
  BoundServer bound_;
};

TEST_F(TlsTest, WhoHasACertificateOfOursIsServed) {
  const TlsFiles client = authority_.Issue("client", {"center://reader"});
  EXPECT_TRUE(AskWith(client).ok()) << AskWith(client);
  EXPECT_EQ(Probe(client), "ok");
}

TEST_F(TlsTest, PlainTextIsNotServed) {
  EXPECT_TRUE(absl::IsUnavailable(Ask(MakeChannel(address()))));
  EXPECT_THAT(Probe({}), HasSubstr("speaks TLS, and we do not"));
}

TEST_F(TlsTest, ACertificateOfAnotherAuthorityIsNotServed) {
  TlsFiles client = stranger_.Issue("client", {"center://reader"});
  client.ca = authority_.path();
  EXPECT_TRUE(absl::IsUnavailable(AskWith(client)));
  EXPECT_THAT(Probe(client), AllOf(HasSubstr("does not accept our certificate " + client.cert),
                                   HasSubstr("not signed by an authority in --tls-ca")));
}

TEST_F(TlsTest, AServerOfAnotherAuthorityIsNotTrusted) {
  TlsFiles client = authority_.Issue("client", {"center://reader"});
  client.ca = stranger_.path();
  EXPECT_TRUE(absl::IsUnavailable(AskWith(client)));
  EXPECT_THAT(Probe(client), HasSubstr("was not signed by an authority in --tls-ca"));
}

TEST_F(TlsTest, AServerWithAnotherNameIsNotTrusted) {
  Serve(authority_.Issue("server", {"center.example"}));
  const TlsFiles client = authority_.Issue("client", {"center://reader"});
  EXPECT_TRUE(absl::IsUnavailable(AskWith(client)));
  EXPECT_THAT(Probe(client),
              HasSubstr("shows a certificate for center.example, and not for 127.0.0.1"));
}

TEST_F(TlsTest, ACertificateThatHasExpiredMeanwhileIsNotServed) {
  const TlsFiles client = authority_.Issue("client", {"center://reader"});
  auto tls = Tls::Load(client);
  ASSERT_TRUE(tls.ok());
  (void)authority_.Issue("client", {"center://reader"}, {.end = -absl::Minutes(1)});
  EXPECT_THAT(Probe(client), AllOf(HasSubstr("does not accept our certificate"),
                                   HasSubstr("client.pem: the certificate has expired, on 2")));
}

TEST_F(TlsTest, AServersCertificateThatHasExpiredMeanwhileIsNotTrusted) {
  const TlsFiles client = authority_.Issue("client", {"center://reader"});
  (void)authority_.Issue("server", {"127.0.0.1"}, {.end = -absl::Minutes(1)});
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (Probe(client) == "ok" && absl::Now() < deadline) {
  }
  EXPECT_THAT(Probe(client), HasSubstr("shows a certificate that has expired, on 2"));
}

TEST_F(TlsTest, WhatIsCalledNeedsTheRightName) {
  const TlsFiles worker = authority_.Issue("worker", {"center://worker"});
  const absl::Status status = AskWith(worker);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("that is not for center://worker"));

  const TlsFiles reader = authority_.Issue("reader", {"center://reader"});
  auto tls = Tls::Load(reader);
  ASSERT_TRUE(tls.ok());
  grpc::ClientContext call;
  const auto line =
      v1::RegistryService::NewStub(MakeChannelTo(address(), tls->get()))->Register(&call);
  EXPECT_EQ(line->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(TlsTest, FilesAreReadAgainAndOpenConnectionsGoOn) {
  const TlsFiles client = authority_.Issue("client", {"center://reader"});
  auto tls = Tls::Load(client);
  ASSERT_TRUE(tls.ok());
  const auto open = MakeChannelTo(address(), tls->get());
  ASSERT_TRUE(Ask(open).ok());

  // The server is another's now. The client, which does not know that authority, is not let in…
  const TlsFiles files = stranger_.Issue("server", {"127.0.0.1"});
  std::filesystem::copy_file(stranger_.path(), authority_.path(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(files.cert, folder_.path() + "/server.pem");
  const TlsFiles newer = stranger_.Issue("newer", {"center://reader"});
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!AskWith(newer).ok() && absl::Now() < deadline) {
  }
  EXPECT_TRUE(AskWith(newer).ok()) << AskWith(newer);
  // …but who was connected still is.
  EXPECT_TRUE(Ask(open).ok());
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreToldByName) {
  const TlsFiles good = authority_.Issue("good", {"localhost"});
  const auto refusal = [](const TlsFiles& files) {
    const auto summary = CheckTlsFiles(files, absl::Now());
    return summary.ok() ? "accepted" : std::string(summary.status().message());
  };
  EXPECT_EQ(refusal(good), "accepted");
  EXPECT_THAT(refusal({.cert = good.cert, .ca = good.ca}), HasSubstr("--tls-key is missing"));
  EXPECT_THAT(refusal({.key = good.key, .ca = good.ca}), HasSubstr("--tls-cert is missing"));
  EXPECT_THAT(refusal({.cert = good.cert, .key = good.key}), HasSubstr("--tls-ca is missing"));
  EXPECT_THAT(refusal({"/nowhere.pem", good.key, good.ca}), HasSubstr("--tls-cert /nowhere.pem"));
  EXPECT_THAT(refusal({good.key, good.key, good.ca}), HasSubstr("holds no certificate"));
  EXPECT_THAT(refusal({good.cert, good.cert, good.ca}), HasSubstr("holds no private key"));
  EXPECT_THAT(refusal({good.cert, good.key, good.key}), HasSubstr("--tls-ca "));
  const TlsFiles other = authority_.Issue("other", {"localhost"});
  EXPECT_THAT(refusal({good.cert, other.key, good.ca}), HasSubstr("is not the key of"));
  EXPECT_THAT(refusal(authority_.Issue("old", {}, {.end = -absl::Minutes(1)})),
              HasSubstr("has expired, on 2"));
  EXPECT_THAT(refusal(authority_.Issue("young", {}, {.begin = absl::Hours(1)})),
              HasSubstr("is not valid before 2"));
}

TEST_F(TlsTest, ASummaryNamesWhoItIs) {
  const auto summary = CheckTlsFiles(
      authority_.Issue("all", {"a.example", "10.0.0.5", "::1", "center://worker"}), absl::Now());
  ASSERT_TRUE(summary.ok());
  EXPECT_THAT(summary->names,
              testing::ElementsAre("a.example", "10.0.0.5", "::1", "center://worker"));
  EXPECT_THAT(summary->ToString(), HasSubstr("certificate of a.example, 10.0.0.5"));
}

TEST(ProbeTest, WhatIsNotThereAndWhatIsNoTlsIsTold) {
  ScratchDir folder;
  const Authority authority(folder.path(), "ours");
  const TlsFiles client = authority.Issue("client", {});
  auto bound = StartServer({.addresses = {{.host = "127.0.0.1", .port = 0}}});
  ASSERT_TRUE(bound.ok());
  const NetAddress plain = bound->addresses[0];
  EXPECT_THAT(std::string(ProbeConnection(plain, client).message()),
              AllOf(HasSubstr("without TLS")));
  EXPECT_TRUE(ProbeConnection(plain, {}).ok());
  bound->server->Shutdown();
  bound->server.reset();
  EXPECT_TRUE(absl::IsUnavailable(ProbeConnection(plain, client)));
}

}  // namespace
}  // namespace center::rpc
