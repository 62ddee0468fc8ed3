#include "services/common/rpc/access_rules.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::rpc {
namespace {

using ::testing::HasSubstr;

constexpr char kRegister[] = "/center.v1.RegistryService/Register";
constexpr char kStop[] = "/center.v1.ServerService/StopServer";
constexpr char kReflect[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kStream[] = "/center.v1.WorkerService/StreamPayloads";
constexpr char kCompute[] = "/center.v1.WorkerService/Compute";

bool Lets(const AccessRules& rules, const char* method, const std::vector<std::string>& names) {
  return CheckAccess(rules, method, names).ok();
}

TEST(AccessRulesTest, OfACoordinator) {
  const AccessRules rules = CoordinatorRules({kWorkerName, "worker.example"});
  EXPECT_TRUE(Lets(rules, kRegister, {kWorkerName}));
  EXPECT_TRUE(Lets(rules, kRegister, {"x", "worker.example"}));
  EXPECT_FALSE(Lets(rules, kRegister, {kReaderName}));
  EXPECT_FALSE(Lets(rules, kRegister, {}));
  EXPECT_TRUE(Lets(rules, kStop, {"anybody"}));
  EXPECT_FALSE(Lets(rules, kStop, {kWorkerName}));
  EXPECT_TRUE(Lets(rules, kCheck, {kWorkerName}));
}

TEST(AccessRulesTest, OfAWorker) {
  const AccessRules rules = WorkerRules({kCoordinatorName}, {kReaderName});
  EXPECT_TRUE(Lets(rules, kStream, {kCoordinatorName}));
  EXPECT_TRUE(Lets(rules, kStream, {kReaderName}));
  EXPECT_FALSE(Lets(rules, kStream, {kWorkerName}));
  EXPECT_TRUE(Lets(rules, kReflect, {kReaderName}));
  EXPECT_FALSE(Lets(rules, kReflect, {kWorkerName}));
  EXPECT_TRUE(Lets(rules, kCompute, {kCoordinatorName}));
  EXPECT_FALSE(Lets(rules, kCompute, {kReaderName}));
  EXPECT_TRUE(Lets(rules, kCheck, {"anybody"}));
}

TEST(AccessRulesTest, ARefusalSaysWhoAndWhat) {
  const auto rules = WorkerRules({kCoordinatorName}, {});
  const auto said = [&](const std::vector<std::string>& names) {
    return std::string(CheckAccess(rules, kCompute, names).message());
  };
  EXPECT_THAT(said({"a", "b"}), HasSubstr("a certificate of a, b may not call /center.v1.Worker"));
  EXPECT_THAT(said({}), HasSubstr("a certificate without a name"));
  EXPECT_THAT(said({"a"}), HasSubstr("for center://coordinator alone"));
}

}  // namespace
}  // namespace center::rpc
