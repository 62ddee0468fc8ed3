#include "services/coordinator/api/request_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "services/common/log.h"

namespace center::coordinator {

void RequestLog::Run(absl::string_view method, absl::string_view request_id, ServerAnswer answer,
                     const std::function<void(ServerAnswer)>& operation) {
  if (request_id.empty()) {
    operation(std::move(answer));
    return;
  }
  const std::string key = absl::StrCat(method, "/", request_id);
  if (auto found = under_way_.find(key); found != under_way_.end()) {
    found->second.push_back(std::move(answer));
    return;
  }
  auto remembered = store_.FindAnswer(key, clock_.Wall());
  if (!remembered.ok()) {
    answer(remembered.status());
    return;
  }
  if (remembered->has_value()) {
    answer(DecodeAnswer(**remembered));
    return;
  }
  under_way_[key].push_back(std::move(answer));
  operation([this, key](const absl::StatusOr<v1::Server>& result) { Finish(key, result); });
}

void RequestLog::Finish(const std::string& key, const absl::StatusOr<v1::Server>& result) {
  if (result.ok() || absl::IsAborted(result.status())) {
    const absl::Status stored = store_.RememberAnswer(key, EncodeAnswer(result), clock_.Wall());
    // The call itself has succeeded; only a repetition would not be known again.
    if (!stored.ok()) spdlog::error("the answer to {} was not stored: {}", key, stored);
  }
  auto waiting = under_way_.extract(key);
  if (waiting.empty()) return;
  for (const ServerAnswer& answer : waiting.mapped()) answer(result);
}

std::string EncodeAnswer(const absl::StatusOr<v1::Server>& result) {
  google::rpc::Status encoded;
  if (result.ok()) {
    encoded.add_details()->PackFrom(*result);
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

absl::StatusOr<v1::Server> DecodeAnswer(absl::string_view bytes) {
  google::rpc::Status encoded;
  const absl::Status damaged = absl::DataLossError("the remembered answer is damaged");
  if (!encoded.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return damaged;
  if (encoded.code() == 0) {
    v1::Server server;
    if (encoded.details_size() != 1 || !encoded.details(0).UnpackTo(&server)) return damaged;
    return server;
  }
  absl::Status status(static_cast<absl::StatusCode>(encoded.code()), encoded.message());
  for (const auto& detail : encoded.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

}  // namespace center::coordinator
