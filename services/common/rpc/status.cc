#include "services/common/rpc/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace center::rpc {
namespace {

constexpr absl::string_view kTypePrefix = "type.googleapis.com/";

template <typename Message>
void Attach(absl::Status& status, const Message& message) {
  status.SetPayload(absl::StrCat(kTypePrefix, Message::descriptor()->full_name()),
                    absl::Cord(message.SerializeAsString()));
}

constexpr absl::string_view kCut = " (cut)";
// Of a text within the details when all of them do not fit.
constexpr size_t kDetailTextBytesMax = 128;

// The beginning of `text` that takes no more than `max` bytes when it is percent-encoded, cut
// between characters.
std::string CutMessage(absl::string_view text, size_t max) {
  size_t encoded = 0;
  size_t end = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) end = i;
    encoded += byte >= 0x20 && byte < 0x7F && byte != '%' ? 1 : 3;
    if (encoded + kCut.size() > max) return absl::StrCat(text.substr(0, end), kCut);
  }
  return std::string(text);
}

void CutDetail(std::string* text) { *text = CutMessage(*text, kDetailTextBytesMax); }

// Shortens what a detail quotes; those that are not known go.
bool ShortenDetail(google::protobuf::Any* any) {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  if (any->UnpackTo(&info)) {
    for (auto& [key, value] : *info.mutable_metadata()) CutDetail(&value);
    any->PackFrom(info);
    return true;
  }
  if (!any->UnpackTo(&bad)) return any->Is<google::rpc::RetryInfo>();
  constexpr int kViolationsMax = 10;
  while (bad.field_violations_size() > kViolationsMax) {
    bad.mutable_field_violations()->RemoveLast();
  }
  for (auto& violation : *bad.mutable_field_violations()) {
    CutDetail(violation.mutable_field());
    CutDetail(violation.mutable_description());
  }
  any->PackFrom(bad);
  return true;
}

void FitDetails(google::rpc::Status* rich) {
  if (rich->ByteSizeLong() <= kStatusDetailsBytesMax) return;
  google::rpc::Status shorter;
  shorter.set_code(rich->code());
  shorter.set_message(CutMessage(rich->message(), kStatusDetailsBytesMax / 4));
  for (auto& any : *rich->mutable_details()) {
    if (ShortenDetail(&any)) *shorter.add_details() = any;
  }
  *rich = std::move(shorter);
}

}  // namespace

absl::Status WithReason(
    absl::Status status, absl::string_view reason,
    std::initializer_list<std::pair<absl::string_view, absl::string_view>> metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("center.v1");
  for (const auto& [key, value] : metadata) {
    (*info.mutable_metadata())[std::string(key)] = std::string(value);
  }
  Attach(status, info);
  return status;
}

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest details;
  std::string message;
  for (const FieldViolation& violation : violations) {
    auto* added = details.add_field_violations();
    added->set_field(violation.field);
    added->set_description(violation.description);
    absl::StrAppend(&message, message.empty() ? "" : "; ", violation.field, ": ",
                    violation.description);
  }
  absl::Status status = WithReason(absl::InvalidArgumentError(message), "INVALID_FIELDS");
  Attach(status, details);
  return status;
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  const int64_t nanos = absl::ToInt64Nanoseconds(delay);
  info.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  Attach(status, info);
  return status;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  const std::string message = CutMessage(status.message(), kStatusMessageBytesMax);
  rich.set_message(message);
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    auto* any = rich.add_details();
    any->set_type_url(std::string(type_url));
    any->set_value(std::string(payload));
  });
  FitDetails(&rich);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      rich.details_size() > 0 ? rich.SerializeAsString() : "");
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status rich;
  if (!status.error_details().empty() && rich.ParseFromString(status.error_details())) {
    for (const auto& any : rich.details()) {
      result.SetPayload(any.type_url(), absl::Cord(any.value()));
    }
  }
  return result;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(
      absl::StrCat(kTypePrefix, google::rpc::ErrorInfo::descriptor()->full_name()));
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return "";
  return info.reason();
}

}  // namespace center::rpc
