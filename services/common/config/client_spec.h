// A client's settings: defaults, what a request changes, and the limits of each field. Shared by
// the coordinator and by who reads settings from a file, as those of servers are.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/client.pb.h"
#include "services/common/config/spec_fields.h"

namespace center {

inline constexpr uint32_t kProcessesPerClientMax = 64;
inline constexpr uint32_t kConnectionsPerProcessMax = 10'000;
inline constexpr uint32_t kMixWeightMax = 1000;
inline constexpr double kRateMax = 1e9;
inline constexpr absl::Duration kIntervalMin = absl::Microseconds(1);

// The settings of a new client that asks for nothing. Its framing is not set: as the server wants.
v1::ClientSpec DefaultClientSpec();

// `base` with every field that `request` sets. A server takes the place of an address, and an
// address that of a server.
v1::ClientSpec MergeClientSpec(const v1::ClientSpec& base, const v1::ClientSpec& request);

// Gives the fields of these names their defaults in *base, as ResetFields; `server` and `address`,
// each of which is the target, both.
void ResetClientFields(const google::protobuf::RepeatedPtrField<std::string>& names,
                       const v1::ClientSpec& request, v1::ClientSpec* base, SpecProblems* problems);

// Adds what is wrong with the settings that a request asks for, and with the merged ones.
void FindClientSpecProblems(const v1::ClientSpec& request, const v1::ClientSpec& merged,
                            SpecProblems* problems);

// "json=1,string=2"; what is not named is 0. InvalidArgument that says what would be right.
absl::Status ParseMix(absl::string_view text, v1::Mix* mix);
std::string MixToText(const v1::Mix& mix);

}  // namespace center
