#include "cli/job_plan.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/errors.h"
#include "cli/records.h"
#include "cli/request_id.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::string_view kExecTask = "exec";

// The flags that name a source, as they were given.
std::vector<std::string> SourcesOf(const SubmitFlags& flags) {
  std::vector<std::string> sources;
  if (!flags.range.empty()) sources.emplace_back("--range");
  if (!flags.inputs.empty()) sources.emplace_back("--inputs");
  if (flags.payloads) sources.emplace_back("--payloads");
  return sources;
}

absl::Status CheckTogether(const SubmitFlags& flags) {
  const std::vector<std::string> sources = SourcesOf(flags);
  if (sources.size() > 1) {
    return UsageError(absl::StrCat(absl::StrJoin(sources, " and "), " exclude each other"));
  }
  if (flags.wait && flags.detach) return UsageError("--wait and --detach exclude each other");
  if (flags.nul_separated && flags.inputs.empty()) {
    return UsageError("-0 says how --inputs is cut: give --inputs FILE with it");
  }
  const bool picks = !flags.payload_server.empty() || !flags.from.empty() || flags.limit > 0 ||
                     FilterOf(flags.filter).has_value();
  if (picks && !flags.payloads) {
    return UsageError(
        "--payload-server, --from, --kind, --contains, --regex and --limit choose payloads: give "
        "--payloads with them");
  }
  const bool unread = flags.detach || flags.no_results;
  if (unread && !flags.joblog.empty()) {
    return UsageError(
        "--joblog is written while results are read: not with --detach or "
        "--no-results; `centerctl job results ID --joblog FILE` can later");
  }
  if (unread && flags.discard) {
    return UsageError(
        "--discard deletes results that were read: not with --detach or --no-results");
  }
  return absl::OkStatus();
}

absl::Status SetPayloads(const SubmitFlags& flags, absl::Time now, v1::PayloadSource* source) {
  source->set_server(flags.payload_server);
  source->set_limit(flags.limit);
  if (const auto filter = FilterOf(flags.filter)) *source->mutable_filter() = *filter;
  if (flags.from.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(*source->mutable_start(), ParseStart(flags.from, now));
  return absl::OkStatus();
}

// The job's inputs and the task's arguments.
absl::Status SetSource(const SubmitFlags& flags, const std::vector<std::string>& words,
                       absl::Time now, SubmitPlan* plan) {
  v1::JobSpec& spec = *plan->submission.mutable_spec();
  const bool has_source = !SourcesOf(flags).empty();
  // Words are the task's arguments, unless they are all there is for it to work on.
  if (has_source || flags.task == kExecTask) {
    for (const std::string& word : words) spec.add_args(word);
  }
  if (!flags.range.empty()) {
    const auto range = ParseRange(flags.range);
    if (!range.ok()) return UsageError(absl::StrCat("--range: ", range.status().message()));
    *spec.mutable_range() = *range;
    return absl::OkStatus();
  }
  if (flags.payloads) return SetPayloads(flags, now, spec.mutable_payloads());
  spec.mutable_records();
  if (!flags.inputs.empty()) {
    plan->inputs_path = flags.inputs;
    return absl::OkStatus();
  }
  if (words.empty()) {
    return UsageError(
        "nothing to work on: give --range A:B, --inputs FILE, --payloads, or the "
        "inputs themselves behind --");
  }
  RecordPacker packer(&plan->inputs.emplace());
  if (flags.task == kExecTask) {
    packer.Add("");  // the program is run once
  } else {
    for (const std::string& word : words) packer.Add(word);
  }
  return absl::OkStatus();
}

absl::Status SetLabels(const std::vector<std::string>& labels, v1::JobSpec* spec) {
  for (const std::string& label : labels) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(label, absl::MaxSplits('=', 1));
    if (pair.first.empty() || pair.first.size() == label.size()) {
      return UsageError(absl::StrCat("--label takes key=value, not \"", label, "\""));
    }
    (*spec->mutable_labels())[pair.first] = pair.second;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::IntegerRange> ParseRange(absl::string_view text) {
  const std::vector<absl::string_view> ends = absl::StrSplit(text, ':');
  int64_t first = 0;
  int64_t end = 0;
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &first) || !absl::SimpleAtoi(ends[1], &end)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text,
                     "\" is no range: write A:B, the whole numbers from A to B - 1, "
                     "each within 64 bits"));
  }
  if (end < first) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" ends before it begins: did you mean ", end, ":", first, "?"));
  }
  v1::IntegerRange range;
  range.set_first(first);
  // In unsigned arithmetic the distance is right even where it does not fit into an int64_t.
  range.set_count(static_cast<uint64_t>(end) - static_cast<uint64_t>(first));
  return range;
}

absl::StatusOr<SubmitPlan> PlanSubmission(const SubmitFlags& flags,
                                          const std::vector<std::string>& words, absl::Time now) {
  RETURN_IF_ERROR(CheckTogether(flags));
  SubmitPlan plan;
  v1::JobSubmission& submission = plan.submission;
  v1::JobSpec& spec = *submission.mutable_spec();
  spec.set_server(flags.server);
  spec.set_task(flags.task);
  spec.set_ordered(flags.ordered);
  spec.set_priority(flags.priority);
  spec.set_retry_limit(flags.retry_limit);
  spec.set_discard_results(flags.discard);
  if (flags.deadline.has_value()) *spec.mutable_deadline() = ToProto(*flags.deadline);
  if (flags.input_timeout.has_value()) {
    *spec.mutable_input_timeout() = ToProto(*flags.input_timeout);
  }
  if (flags.result_ttl.has_value()) *spec.mutable_result_ttl() = ToProto(*flags.result_ttl);
  RETURN_IF_ERROR(SetLabels(flags.labels, &spec));
  RETURN_IF_ERROR(SetSource(flags, words, now, &plan));
  submission.set_detach(flags.detach);
  submission.set_stream_results(!flags.detach && !flags.no_results);
  submission.set_request_id(NewRequestId());
  return plan;
}

}  // namespace center::cli
