#include "cli/server_manifest.h"

#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Manifest(const ManifestOptions& options) {
  const auto manifest = ServerManifest(options);
  EXPECT_TRUE(manifest.ok()) << manifest.status();
  return manifest.value_or("");
}
std::string ManifestError(const ManifestOptions& options) {
  return std::string(ServerManifest(options).status().message());
}

TEST(ServerManifestTest, TheBaseIsWhatIsPrinted) {
  std::ifstream file(CENTER_SOURCE_DIR "/deploy/kustomize/base/server-default.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(Manifest({.name = "default", .security = ManifestOptions::Security::kUnsaid}),
            text.str());
}

TEST(ServerManifestTest, SettingsBecomeFlagsOfTheWorker) {
  ManifestOptions options{.name = "games", .image = "registry:5000/center:1", .storage = "50Gi"};
  options.spec.set_workers(4);
  options.spec.set_port(6000);
  options.spec.set_framing(v1::FRAMING_OCTET);
  options.spec.set_overflow(v1::OVERFLOW_DROP_OLDEST);
  options.spec.set_retain_bytes(2147483648);
  options.spec.mutable_idle_timeout()->set_seconds(90);
  options.spec.mutable_drain_timeout()->set_seconds(60);
  options.spec.set_banner("hello \"$(HOME)\"\n");
  const std::string manifest = Manifest(options);
  EXPECT_THAT(manifest, HasSubstr("replicas: 4"));
  EXPECT_THAT(manifest, HasSubstr("image: registry:5000/center:1\n"));
  EXPECT_THAT(manifest, HasSubstr("storage: 50Gi"));
  EXPECT_THAT(manifest, HasSubstr("- --port=6000\n"));
  EXPECT_THAT(manifest, HasSubstr("{name: ingest, containerPort: 6000}"));
  EXPECT_THAT(manifest, HasSubstr("- \"--framing=octet\"\n"));
  EXPECT_THAT(manifest, HasSubstr("- \"--overflow=drop-oldest\"\n"));
  EXPECT_THAT(manifest, HasSubstr("- \"--retain-bytes=2147483648\"\n"));
  EXPECT_THAT(manifest, HasSubstr("- \"--idle-timeout=1m30s\"\n"));
  EXPECT_THAT(manifest, HasSubstr("- --drain-timeout=1m\n"));
  EXPECT_THAT(manifest, HasSubstr("terminationGracePeriodSeconds: 80\n"));
  EXPECT_THAT(manifest, HasSubstr(R"(- "--banner=hello \"$$(HOME)\"\n")"));
  EXPECT_THAT(manifest, HasSubstr("--name=games/$(CENTER_SLOT)"));
  EXPECT_THAT(manifest, Not(HasSubstr("@")));
}

TEST(ServerManifestTest, WithoutAWordThereIsEncryption) {
  EXPECT_THAT(Manifest({.name = "a"}), HasSubstr("--tls-cert=/tls/tls.crt"));
  const std::string insecure =
      Manifest({.name = "a", .security = ManifestOptions::Security::kInsecure});
  EXPECT_THAT(insecure, HasSubstr("- \"--insecure\"\n"));
  EXPECT_THAT(insecure, Not(HasSubstr("tls")));
}

TEST(ServerManifestTest, GatewaysAreToldWhetherTheServiceSpeaksTls) {
  using Security = ManifestOptions::Security;
  EXPECT_THAT(Manifest({.name = "a", .security = Security::kTls}),
              HasSubstr("targetPort: grpc, appProtocol: https}"));
  EXPECT_THAT(Manifest({.name = "a", .security = Security::kInsecure}),
              HasSubstr("targetPort: grpc, appProtocol: kubernetes.io/h2c}"));
  EXPECT_THAT(Manifest({.name = "a", .security = Security::kUnsaid}),
              Not(HasSubstr("appProtocol")));
}

TEST(ServerManifestTest, WhatMakesNoSenseInAClusterIsRefused) {
  EXPECT_THAT(ManifestError({.name = "No"}), HasSubstr("server name"));
  EXPECT_THAT(ManifestError({.name = "a", .image = "x y"}), HasSubstr("no name of an image"));
  EXPECT_THAT(ManifestError({.name = "a", .storage = "{}"}), HasSubstr("nor a size"));
  ManifestOptions options{.name = "a"};
  options.spec.set_host("127.0.0.1");
  EXPECT_THAT(ManifestError(options), HasSubstr("--host has no meaning in a cluster"));
  options.spec.clear_host();
  options.spec.set_port(0);
  EXPECT_THAT(ManifestError(options), HasSubstr("port of its own"));
  options.spec.set_port(70000);
  EXPECT_THAT(ManifestError(options), HasSubstr("--port"));
}

}  // namespace
}  // namespace center::cli
