#include "cli/suggest.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "cli/live_names.h"
#include "google/rpc/error_details.pb.h"
#include "services/common/nearest.h"

namespace center::cli {
namespace {

struct Unknown {
  LiveName kind;
  const char* key;  // of the error's metadata
};

absl::optional<Unknown> UnknownOf(absl::string_view reason) {
  if (reason == "SERVER_NOT_FOUND") return Unknown{LiveName::kServer, "server"};
  if (reason == "WORKER_NOT_FOUND") return Unknown{LiveName::kWorker, "worker"};
  if (reason == "CLIENT_NOT_FOUND") return Unknown{LiveName::kClient, "client"};
  if (reason == "JOB_NOT_FOUND") return Unknown{LiveName::kJob, "job"};
  return absl::nullopt;
}

}  // namespace

absl::Status SuggestName(const Context& context, absl::Status status) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return status;
  const auto unknown = UnknownOf(info.reason());
  if (!unknown.has_value()) return status;
  const auto name = info.metadata().find(unknown->key);
  if (name == info.metadata().end()) return status;
  Context asking(context.globals(), context.dependencies());
  const std::string nearest = Nearest(name->second, MakeLiveNames(asking)(unknown->kind));
  if (nearest.empty()) return status;
  return WithHint(status, absl::StrCat("Did you mean ", nearest, "?"));
}

}  // namespace center::cli
