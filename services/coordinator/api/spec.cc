#include "services/coordinator/api/spec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/text.h"

namespace center::coordinator {
namespace {

using Violations = std::vector<rpc::FieldViolation>;

}  // namespace

void AddSpecViolations(SpecProblems problems, Violations* violations) {
  for (SpecProblem& problem : problems) {
    violations->push_back({absl::StrCat("spec.", problem.field), std::move(problem.description)});
  }
}

void CheckSpec(const v1::ServerSpec& spec, Violations* violations) {
  SpecProblems problems;
  FindSpecProblems(spec, &problems);
  AddSpecViolations(std::move(problems), violations);
}

void CheckName(absl::string_view name, Violations* violations) {
  if (absl::Status status = ValidateName("server name", name); !status.ok()) {
    violations->push_back({"name", std::string(status.message())});
  }
}

void CheckRequestId(absl::string_view request_id, Violations* violations) {
  if (request_id.size() <= kRequestIdBytesMax) return;
  violations->push_back({"request_id", absl::StrCat("has ", request_id.size(), " bytes; at most ",
                                                    kRequestIdBytesMax)});
}

google::protobuf::Timestamp FromTime(absl::Time time) {
  google::protobuf::Timestamp result;
  const int64_t seconds = absl::ToUnixSeconds(time);
  result.set_seconds(seconds);
  result.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return result;
}

std::string ServerNameOrDefault(const std::string& name) {
  return name.empty() ? std::string(kDefaultServer) : name;
}

}  // namespace center::coordinator
