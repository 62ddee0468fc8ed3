#include "services/coordinator/kube/json.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace center::kube {
namespace {

const Json& Nothing() {
  static const Json* const nothing = new Json(nullptr);
  return *nothing;
}

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  bool too_deep = false;
  const Json::parser_callback_t watch = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kJsonDepthMax;
    return !too_deep;
  };
  Json parsed = Json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (too_deep) {
    return absl::InvalidArgumentError(
        absl::StrCat("JSON nested deeper than ", kJsonDepthMax, " levels"));
  }
  if (parsed.is_discarded()) return absl::InvalidArgumentError("no JSON");
  return parsed;
}

const Json& At(const Json& object, JsonPath path) {
  const Json* at = &object;
  for (const char* key : path) {
    if (!at->is_object()) return Nothing();
    const auto found = at->find(key);
    if (found == at->end()) return Nothing();
    at = &*found;
  }
  return *at;
}

std::string TextAt(const Json& object, JsonPath path) {
  const Json& at = At(object, path);
  return at.is_string() ? at.get_ref<const std::string&>() : std::string();
}

int64_t NumberAt(const Json& object, JsonPath path, int64_t otherwise) {
  const Json& at = At(object, path);
  return at.is_number_integer() ? at.get<int64_t>() : otherwise;
}

bool TruthAt(const Json& object, JsonPath path) {
  const Json& at = At(object, path);
  return at.is_boolean() && at.get<bool>();
}

absl::Time TimeAt(const Json& object, JsonPath path) {
  absl::Time time;
  std::string error;
  const std::string text = TextAt(object, path);
  if (text.empty() || !absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InfinitePast();
  }
  return time;
}

std::string LabelAt(const Json& object, JsonPath map, absl::string_view key) {
  const Json& at = At(object, map);
  if (!at.is_object()) return "";
  const auto found = at.find(std::string(key));
  return found != at.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& Named(const Json& array, absl::string_view name, const char* key) {
  if (!array.is_array()) return Nothing();
  for (const Json& element : array) {
    if (TextAt(element, {key}) == name) return element;
  }
  return Nothing();
}

}  // namespace center::kube
