#include "services/coordinator/api/job_spec.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

using JobViolations = std::vector<rpc::FieldViolation>;

void CheckJobDuration(const std::string& field, const google::protobuf::Duration& duration,
                      absl::Duration least, absl::Duration most, JobViolations* violations) {
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (value >= least && value <= most) return;
  violations->push_back({field, absl::StrCat("must be from ", absl::FormatDuration(least), " to ",
                                             absl::FormatDuration(most))});
}

void CheckTask(const v1::JobSpec& spec, JobViolations* violations) {
  if (spec.task().empty() || spec.task().size() > kTaskNameBytesMax) {
    violations->push_back(
        {"spec.task", absl::StrCat("must have 1 to ", kTaskNameBytesMax, " bytes")});
  }
  size_t bytes = 0;
  for (const std::string& arg : spec.args()) bytes += arg.size();
  if (spec.args_size() > kTaskArgsMax || bytes > kTaskArgsBytesMax) {
    violations->push_back({"spec.args", absl::StrCat("at most ", kTaskArgsMax, ", together ",
                                                     kTaskArgsBytesMax, " bytes")});
  }
}

void CheckSource(const v1::JobSpec& spec, JobViolations* violations) {
  if (spec.source_case() == v1::JobSpec::SOURCE_NOT_SET) {
    violations->push_back({"spec", "one of range, records and payloads must be set"});
  }
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (spec.has_range()) {
    const uint64_t count = spec.range().count();
    // How many there are from the first on, up to the largest.
    const uint64_t room = kMost - static_cast<uint64_t>(spec.range().first());
    if (count > kMost || (count > 0 && count - 1 > room)) {
      violations->push_back({"spec.range", "goes beyond 2^63-1"});
    }
  }
  if (spec.has_payloads() && !spec.payloads().server().empty()) {
    JobViolations name;
    CheckName(spec.payloads().server(), &name);
    if (!name.empty()) violations->push_back({"spec.payloads.server", name[0].description});
  }
}

bool IsLabelKey(const std::string& key) {
  return !key.empty() && key.size() <= kLabelKeyBytesMax &&
         std::all_of(key.begin(), key.end(), [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.' || c == '/';
         });
}

void CheckLabels(const v1::JobSpec& spec, JobViolations* violations) {
  if (static_cast<size_t>(spec.labels_size()) > kJobLabelsMax) {
    violations->push_back({"spec.labels", absl::StrCat("at most ", kJobLabelsMax)});
  }
  for (const auto& [key, value] : spec.labels()) {
    if (!IsLabelKey(key)) {
      violations->push_back({"spec.labels", absl::StrCat("keys have 1 to ", kLabelKeyBytesMax,
                                                         " characters of [a-z0-9-_./]")});
      return;
    }
    if (value.size() > kLabelValueBytesMax) {
      violations->push_back({absl::StrCat("spec.labels.", key),
                             absl::StrCat("at most ", kLabelValueBytesMax, " bytes")});
    }
  }
}

}  // namespace

void CheckSubmission(const v1::JobSubmission& submission, JobViolations* violations) {
  const v1::JobSpec& spec = submission.spec();
  CheckName(ServerNameOrDefault(spec.server()), violations);
  CheckTask(spec, violations);
  CheckSource(spec, violations);
  CheckLabels(spec, violations);
  CheckRequestId(submission.request_id(), violations);
  if (spec.priority() < -kJobPriorityMax || spec.priority() > kJobPriorityMax) {
    violations->push_back({"spec.priority", absl::StrCat("must be from -", kJobPriorityMax, " to ",
                                                         kJobPriorityMax)});
  }
  if (spec.retry_limit() > kRetryLimitMax) {
    violations->push_back({"spec.retry_limit", absl::StrCat("at most ", kRetryLimitMax)});
  }
  if (spec.has_deadline()) {
    CheckJobDuration("spec.deadline", spec.deadline(), absl::Nanoseconds(1), kJobDeadlineMax,
                     violations);
  }
  if (spec.has_input_timeout()) {
    CheckJobDuration("spec.input_timeout", spec.input_timeout(), kInputTimeoutMin, kJobDeadlineMax,
                     violations);
  }
  if (spec.has_result_ttl()) {
    CheckJobDuration("spec.result_ttl", spec.result_ttl(), absl::ZeroDuration(), kResultTtlMax,
                     violations);
  }
  if (spec.discard_results() && (submission.detach() || !submission.stream_results())) {
    violations->push_back(
        {"spec.discard_results", "needs stream_results, and cannot be combined with detach"});
  }
}

v1::JobSpec CompleteSpec(v1::JobSpec spec) {
  spec.set_server(ServerNameOrDefault(spec.server()));
  if (spec.retry_limit() == 0) spec.set_retry_limit(kRetryLimitDefault);
  if (!spec.has_result_ttl()) *spec.mutable_result_ttl() = FromDuration(kResultTtlDefault);
  if (spec.has_payloads() && spec.payloads().server().empty()) {
    spec.mutable_payloads()->set_server(spec.server());
  }
  return spec;
}

}  // namespace center::coordinator
