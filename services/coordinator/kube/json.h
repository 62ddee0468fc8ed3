// JSON as Kubernetes speaks it, read without trust: what is missing, or of another type than is
// expected, reads as absent.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace center::kube {

using Json = nlohmann::json;

// Nesting that is followed: Kubernetes' own objects need about 20.
inline constexpr int kJsonDepthMax = 200;

// InvalidArgument when it is not JSON, or nested deeper than kJsonDepthMax.
absl::StatusOr<Json> ParseJson(absl::string_view text);

using JsonPath = std::initializer_list<const char*>;

// What stands at the path of keys; null (a JSON value) when nothing does.
const Json& At(const Json& object, JsonPath path);
// "" when there is no text.
std::string TextAt(const Json& object, JsonPath path);
int64_t NumberAt(const Json& object, JsonPath path, int64_t otherwise = 0);
bool TruthAt(const Json& object, JsonPath path);
// RFC 3339; InfinitePast when there is no time.
absl::Time TimeAt(const Json& object, JsonPath path);
// The value of a key whose name may hold anything, such as a label's.
std::string LabelAt(const Json& object, JsonPath map, absl::string_view key);

// The object of `array` whose "name" (or other `key`) is this; null when there is none.
const Json& Named(const Json& array, absl::string_view name, const char* key = "name");

}  // namespace center::kube
