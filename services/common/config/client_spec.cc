#include "services/common/config/client_spec.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/config/server_spec.h"
#include "services/common/net_address.h"
#include "services/common/text.h"

namespace center {
namespace {

constexpr absl::Duration kIntervalDefault = absl::Seconds(5);

void CheckPace(const v1::Pace& pace, SpecProblems* problems) {
  switch (pace.pace_case()) {
    case v1::Pace::kInterval:
      return CheckDuration("pace.interval", pace.interval(), kIntervalMin, kTimeoutMax, problems);
    case v1::Pace::kRate:
      // Not a number is neither.
      if (pace.rate() > 0 && pace.rate() <= kRateMax) return;
      return AddProblem(
          "pace.rate",
          absl::StrCat("is ", pace.rate(), "; must be more than 0, at most ", kRateMax), problems);
    case v1::Pace::kUnlimited:
      if (pace.unlimited()) return;
      return AddProblem("pace.unlimited", "is false; must be true, or not be set", problems);
    case v1::Pace::PACE_NOT_SET:
      return AddProblem("pace", "has none of interval, rate and unlimited", problems);
  }
}

void CheckTarget(const v1::ClientSpec& request, const v1::ClientSpec& merged,
                 SpecProblems* problems) {
  if (!request.server().empty() && !request.address().empty()) {
    return AddProblem("address", "and server are set; must be one of them", problems);
  }
  if (merged.address().empty()) {
    if (absl::Status status = ValidateName("server name", merged.server()); !status.ok()) {
      AddProblem("server", status.message(), problems);
    }
    return;
  }
  const auto address = ParseNetAddress(merged.address());
  if (!address.ok()) return AddProblem("address", address.status().message(), problems);
  if (address->is_unix || address->port == 0) {
    AddProblem("address", absl::StrCat("is '", merged.address(), "'; must be host:port"), problems);
  }
}

}  // namespace

v1::ClientSpec DefaultClientSpec() {
  v1::ClientSpec spec;
  spec.set_server("default");
  spec.set_processes(1);
  spec.set_connections(1);
  *spec.mutable_pace()->mutable_interval() = FromDuration(kIntervalDefault);
  spec.mutable_mix()->set_json(1);
  spec.mutable_mix()->set_string(1);
  *spec.mutable_drain_timeout() = FromDuration(absl::Seconds(10));
  *spec.mutable_orphan_timeout() = FromDuration(absl::ZeroDuration());
  return spec;
}

v1::ClientSpec MergeClientSpec(const v1::ClientSpec& base, const v1::ClientSpec& request) {
  v1::ClientSpec merged = base;
  MergeFields(request, &merged);
  if (!request.address().empty()) merged.clear_server();
  if (!request.server().empty()) merged.clear_address();
  // The framing of one target is not that of another.
  const bool moved = merged.server() != base.server() || merged.address() != base.address();
  if (moved && request.framing() == v1::FRAMING_UNSPECIFIED) merged.clear_framing();
  return merged;
}

void ResetClientFields(const google::protobuf::RepeatedPtrField<std::string>& names,
                       const v1::ClientSpec& request, v1::ClientSpec* base,
                       SpecProblems* problems) {
  const v1::ClientSpec defaults = DefaultClientSpec();
  ResetFields(names, request, defaults, base, problems);
  for (const std::string& name : names) {
    if (name != "server" && name != "address") continue;
    base->set_server(defaults.server());
    base->clear_address();
  }
}

void FindClientSpecProblems(const v1::ClientSpec& request, const v1::ClientSpec& merged,
                            SpecProblems* problems) {
  CheckTarget(request, merged, problems);
  CheckRange<uint64_t>("processes", merged.processes(), 1, kProcessesPerClientMax, problems);
  CheckRange<uint64_t>("connections", merged.connections(), 1, kConnectionsPerProcessMax, problems);
  CheckPace(merged.pace(), problems);
  CheckRange<uint64_t>("payload_bytes", merged.payload_bytes(), 0, kPayloadBytesMax, problems);
  CheckRange<uint64_t>("mix.json", merged.mix().json(), 0, kMixWeightMax, problems);
  CheckRange<uint64_t>("mix.string", merged.mix().string(), 0, kMixWeightMax, problems);
  if (merged.mix().json() == 0 && merged.mix().string() == 0) {
    AddProblem("mix", "is empty: nothing would be sent", problems);
  }
  if (!v1::Framing_IsValid(merged.framing())) {
    AddProblem("framing", absl::StrCat("is ", merged.framing(), ", which is none"), problems);
  }
  CheckDuration("drain_timeout", merged.drain_timeout(), absl::Milliseconds(1), kTimeoutMax,
                problems);
  CheckDuration("orphan_timeout", merged.orphan_timeout(), absl::ZeroDuration(), kTimeoutMax,
                problems);
}

absl::Status ParseMix(absl::string_view text, v1::Mix* mix) {
  uint32_t json = 0;
  uint32_t string = 0;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    uint32_t* weight = pair.first == "json" ? &json : pair.first == "string" ? &string : nullptr;
    if (weight == nullptr || !absl::SimpleAtoi(pair.second, weight) || *weight > kMixWeightMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", part, "\" is neither json=N nor string=N with N from 0 to ", kMixWeightMax));
    }
  }
  if (json == 0 && string == 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": nothing would be sent"));
  }
  mix->set_json(json);
  mix->set_string(string);
  return absl::OkStatus();
}

std::string MixToText(const v1::Mix& mix) {
  return absl::StrCat("json=", mix.json(), ",string=", mix.string());
}

}  // namespace center
