#include "services/coordinator/api/request_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {

namespace {

// Marks the detail that holds the request; resolved by nobody.
constexpr char kRequestUrl[] = "center.v1/request";

absl::Status OtherRequest() {
  return rpc::InvalidFields({{"request_id",
                              "is that of an earlier request that asked for something else; "
                              "choose a new one"}});
}

}  // namespace

void RequestLog::RunOnce(const Call& call, PackedAnswer answer,
                         const std::function<void(PackedAnswer)>& operation) {
  const std::string key = absl::StrCat(call.method, "/", call.request_id);
  if (auto found = under_way_.find(key); found != under_way_.end()) {
    if (found->second.request != call.request) return answer(OtherRequest());
    found->second.answers.push_back(std::move(answer));
    return;
  }
  auto stored = store_.FindAnswer(key, clock_.Wall());
  if (!stored.ok()) return answer(stored.status());
  if (stored->has_value()) {
    auto remembered = DecodeAnswer(**stored);
    if (!remembered.ok()) return answer(remembered.status());
    if (remembered->request != call.request) return answer(OtherRequest());
    return answer(remembered->result);
  }
  under_way_[key] = {.request = call.request, .answers = {std::move(answer)}};
  operation([this, key](const Packed& result) { Finish(key, result); });
}

void RequestLog::Finish(const std::string& key, const Packed& result) {
  auto call = under_way_.extract(key);
  if (call.empty()) return;
  if (result.ok() || absl::IsAborted(result.status())) {
    const absl::Status stored =
        store_.RememberAnswer(key, EncodeAnswer(call.mapped().request, result), clock_.Wall());
    // The call itself has succeeded; only a repetition would not be known again.
    if (!stored.ok()) spdlog::error("the answer to {} was not stored: {}", key, stored);
  }
  for (const PackedAnswer& answer : call.mapped().answers) answer(result);
}

std::string EncodeAnswer(const std::string& request,
                         const absl::StatusOr<google::protobuf::Any>& result) {
  google::rpc::Status encoded;
  auto* asked = encoded.add_details();
  asked->set_type_url(kRequestUrl);
  asked->set_value(request);
  if (result.ok()) {
    *encoded.add_details() = *result;
    return encoded.SerializeAsString();
  }
  encoded.set_code(static_cast<int>(result.status().code()));
  encoded.set_message(std::string(result.status().message()));
  result.status().ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    auto* detail = encoded.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  return encoded.SerializeAsString();
}

absl::StatusOr<RememberedAnswer> DecodeAnswer(absl::string_view bytes) {
  google::rpc::Status encoded;
  absl::Status damaged = absl::DataLossError("the remembered answer is damaged");
  if (!encoded.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return damaged;
  if (encoded.details_size() == 0 || encoded.details(0).type_url() != kRequestUrl) return damaged;
  RememberedAnswer answer{.request = encoded.details(0).value(), .result = damaged};
  if (encoded.code() == 0) {
    if (encoded.details_size() != 2) return damaged;
    answer.result = encoded.details(1);
    return answer;
  }
  absl::Status status(static_cast<absl::StatusCode>(encoded.code()), encoded.message());
  for (int i = 1; i < encoded.details_size(); ++i) {
    status.SetPayload(encoded.details(i).type_url(), absl::Cord(encoded.details(i).value()));
  }
  answer.result = std::move(status);
  return answer;
}

}  // namespace center::coordinator
