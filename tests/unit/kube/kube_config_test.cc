#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/kube/config.h"

namespace center::kube {
namespace {

using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;

ReadFileFn Reader(Files files) {
  return [files](const std::string& path) -> absl::StatusOr<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError("open " + path);
    return found->second;
  };
}

constexpr char kFile[] = R"(
apiVersion: v1
kind: Config
current-context: work
contexts:
- name: home
  context: {cluster: other, user: me}
- name: work
  context: {cluster: big, user: me, namespace: fleet}
clusters:
- name: big
  cluster:
    server: https://10.1.2.3:6443/
    certificate-authority-data: Q0E=
users:
- name: me
  user:
    client-certificate: pki/me.crt
    client-key: /abs/me.key
    tokenFile: token
)";

TEST(KubeconfigTest, TheCurrentContextIsTaken) {
  const auto config =
      LoadKubeconfig("/home/u/.kube/config", Reader({{"/home/u/.kube/config", kFile},
                                                     {"/home/u/.kube/pki/me.crt", "CERT"},
                                                     {"/abs/me.key", "KEY"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://10.1.2.3:6443");
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->cert_pem, "CERT");
  EXPECT_EQ(config->key_pem, "KEY");
  EXPECT_EQ(config->token_file, "/home/u/.kube/token");
  EXPECT_EQ(config->name_space, "fleet");
}

std::string ErrorOf(const std::string& yaml) {
  return std::string(ParseKubeconfig(yaml, "/", Reader({})).status().message());
}

TEST(KubeconfigTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("no current-context"));
  EXPECT_THAT(ErrorOf("current-context: x"), HasSubstr("no context 'x'"));
  EXPECT_THAT(ErrorOf("{current-context: x, contexts: [{name: x, context: {cluster: c}}]}"),
              HasSubstr("no cluster 'c'"));
  EXPECT_THAT(ErrorOf("{current-context: x, contexts: [{name: x, context: {cluster: c}}], "
                      "clusters: [{name: c, cluster: {server: 'ftp://x'}}]}"),
              HasSubstr("no https:// address"));
}

std::string ErrorOfUser(const std::string& user) {
  return ErrorOf(
      "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: "
      "[{name: c, cluster: {server: 'https://h'}}], users: [{name: u, user: " +
      user + "}]}");
}

TEST(KubeconfigTest, CredentialsThatAreNotSupportedAreRefusedWithTheirKind) {
  EXPECT_THAT(ErrorOfUser("{exec: {command: aws}}"), HasSubstr("come from a program (exec)"));
  EXPECT_THAT(ErrorOfUser("{username: me, password: x}"), HasSubstr("password"));
  EXPECT_THAT(ErrorOfUser("{client-certificate-data: Q0E=}"), HasSubstr("not both"));
  EXPECT_THAT(ErrorOfUser("{client-certificate-data: '***'}"), HasSubstr("no base64"));
  EXPECT_EQ(ErrorOfUser("{token: abc}"), "");
}

TEST(InClusterTest, ThePodsServiceAccountIsTaken) {
  const std::string folder = "/var/run/secrets/kubernetes.io/serviceaccount/";
  const ReadEnvFn env = [](const std::string& name) {
    return std::string(name == "KUBERNETES_SERVICE_HOST" ? "fd00::1" : "443");
  };
  const auto config = InClusterConfig(
      env,
      Reader({{folder + "ca.crt", "CA"}, {folder + "token", "t"}, {folder + "namespace", "n\n"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->token_file, folder + "token");
  EXPECT_EQ(config->token, "");
  EXPECT_EQ(config->name_space, "n");
  // Without a token nothing would work.
  EXPECT_FALSE(InClusterConfig(env, Reader({{folder + "ca.crt", "CA"}})).ok());
}

TEST(InClusterTest, OutsideOfAPodTheFlagIsNamed) {
  const auto config = InClusterConfig([](const char*) { return std::string(); }, Reader({}));
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("--kubeconfig"));
}

}  // namespace
}  // namespace center::kube
