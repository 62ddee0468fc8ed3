#include "services/coordinator/api/client_spec.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> WrongFields(const v1::ClientSpec& request,
                                     const v1::ClientSpec& base = DefaultClientSpec()) {
  std::vector<rpc::FieldViolation> violations;
  CheckClientSpec(request, MergeClientSpec(base, request), &violations);
  std::vector<std::string> fields;
  for (const rpc::FieldViolation& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(ClientSpecTest, TheDefaultsAreTheTeachingExamples) {
  const v1::ClientSpec spec = DefaultClientSpec();
  EXPECT_THAT(WrongFields({}), IsEmpty());
  EXPECT_EQ(spec.server(), "default");
  EXPECT_EQ(spec.pace().interval().seconds(), 5);
  EXPECT_EQ(spec.mix().json(), 1u);
  EXPECT_EQ(spec.mix().string(), 1u);
}

TEST(ClientSpecTest, APaceAndAMixAreReplacedAsAWhole) {
  v1::ClientSpec request;
  request.mutable_pace()->set_rate(3);
  request.mutable_mix()->set_json(2);
  const v1::ClientSpec merged = MergeClientSpec(DefaultClientSpec(), request);
  EXPECT_FALSE(merged.pace().has_interval());
  EXPECT_EQ(merged.pace().rate(), 3);
  EXPECT_EQ(merged.mix().json(), 2u);
  EXPECT_EQ(merged.mix().string(), 0u);
}

TEST(ClientSpecTest, AnAddressAndAServerTakeEachOthersPlaceWithTheFraming) {
  v1::ClientSpec request;
  request.set_address("h:1");
  request.set_framing(v1::FRAMING_OCTET);
  v1::ClientSpec merged = MergeClientSpec(DefaultClientSpec(), request);
  EXPECT_EQ(merged.server(), "");
  EXPECT_EQ(merged.framing(), v1::FRAMING_OCTET);
  v1::ClientSpec back;
  back.set_server("games");
  merged = MergeClientSpec(merged, back);
  EXPECT_EQ(merged.address(), "");
  EXPECT_EQ(merged.framing(), v1::FRAMING_UNSPECIFIED);
}

TEST(ClientSpecTest, LimitsAreChecked) {
  v1::ClientSpec spec;
  spec.set_processes(kProcessesPerClientMax + 1);
  spec.set_connections(kConnectionsPerProcessMax + 1);
  spec.set_payload_bytes(kPayloadBytesMax + 1);
  spec.mutable_mix()->set_json(kMixWeightMax + 1);
  EXPECT_THAT(WrongFields(spec), ElementsAre("spec.processes", "spec.connections",
                                             "spec.payload_bytes", "spec.mix.json"));
  spec.set_processes(kProcessesPerClientMax);
  spec.set_connections(kConnectionsPerProcessMax);
  spec.set_payload_bytes(kPayloadBytesMax);
  spec.mutable_mix()->set_json(kMixWeightMax);
  EXPECT_THAT(WrongFields(spec), IsEmpty());
}

TEST(ClientSpecTest, PacesThatAreNoneAreRefused) {
  for (const double rate : {0.0, -1.0, 1e10, std::numeric_limits<double>::quiet_NaN()}) {
    v1::ClientSpec spec;
    spec.mutable_pace()->set_rate(rate);
    EXPECT_THAT(WrongFields(spec), ElementsAre("spec.pace.rate")) << rate;
  }
  v1::ClientSpec spec;
  spec.mutable_pace()->set_unlimited(false);
  EXPECT_THAT(WrongFields(spec), ElementsAre("spec.pace.unlimited"));
  spec.mutable_pace()->mutable_interval()->set_nanos(999);
  EXPECT_THAT(WrongFields(spec), ElementsAre("spec.pace.interval"));
  spec.mutable_pace()->clear_pace();
  EXPECT_THAT(WrongFields(spec), ElementsAre("spec.pace"));
}

TEST(ClientSpecTest, TargetsThatAreNoneAreRefused) {
  for (const char* address : {"nowhere", "unix:/x", "h:0", "h:70000"}) {
    v1::ClientSpec spec;
    spec.set_address(address);
    EXPECT_THAT(WrongFields(spec), ElementsAre("spec.address")) << address;
  }
  v1::ClientSpec both;
  both.set_address("h:1");
  both.set_server("default");
  EXPECT_THAT(WrongFields(both), ElementsAre("spec.address"));
  v1::ClientSpec server;
  server.set_server("Not A Name");
  EXPECT_THAT(WrongFields(server), ElementsAre("spec.server"));
}

TEST(ClientSpecTest, NothingToSendIsRefused) {
  v1::ClientSpec spec;
  spec.mutable_mix();
  EXPECT_THAT(WrongFields(spec), ElementsAre("spec.mix"));
  v1::ClientSpec framing;
  framing.set_framing(static_cast<v1::Framing>(99));
  EXPECT_THAT(WrongFields(framing), ElementsAre("spec.framing"));
}

}  // namespace
}  // namespace center::coordinator
