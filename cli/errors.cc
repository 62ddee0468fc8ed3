#include "cli/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/tls.h"
#include "cli/visible_text.h"
#include "services/common/rpc/status.h"

namespace center::cli {
namespace {

constexpr absl::string_view kExitCodeKey = "centerctl/exit-code";
constexpr absl::string_view kHintKey = "centerctl/hint";

absl::Status WithExitCode(absl::Status status, int exit_code) {
  status.SetPayload(kExitCodeKey, absl::Cord(absl::StrCat(exit_code)));
  return status;
}

// What a person can do about an ErrorInfo reason.
absl::string_view HintFor(absl::string_view reason) {
  static constexpr struct {
    absl::string_view reason;
    absl::string_view hint;
  } kHints[] = {
      {"SERVER_NOT_FOUND",
       "`centerctl server list` shows what there is; `centerctl server start NAME` starts one."},
      {"WORKER_NOT_FOUND", "`centerctl worker list` shows what there is."},
      {"SERVER_STOPPED", "`centerctl server start NAME` starts it again."},
      {"SERVER_RUNNING", "`centerctl server status NAME` shows it; stop it first to change it."},
      {"SERVER_NOT_LISTENING", "`centerctl server list` shows servers that take connections."},
      {"CLIENT_NOT_FOUND",
       "`centerctl client list` shows what there is; `centerctl client start NAME` starts one."},
      {"CLIENT_STOPPED", "`centerctl client start NAME` starts it again."},
      {"CLIENT_RUNNING", "`centerctl client status NAME` shows it; stop it first to change it."},
      {"PORT_IN_USE",
       "Choose another port with --port (0: the kernel chooses), or end who has it: `ss -ltnp`."},
      {"PORT_NOT_PERMITTED", "Ports below 1024 need a privilege: choose a larger --port."},
      {"HOST_NOT_FOUND", "--host takes an address of this machine, such as 127.0.0.1 or 0.0.0.0."},
      {"START_FAILED", "`centerctl events` and `centerctl worker list -o wide` tell more."},
      {"ROLL_FAILED",
       "`centerctl events` tells more; `centerctl server restart --only-outdated` goes on."},
      {"SERVER_BUSY", "`centerctl server status NAME` shows what is under way."},
      {"NEEDS_STOP",
       "`centerctl server stop NAME`, the same command again, `centerctl server start NAME`."},
      {"WORKER_UNAVAILABLE", "`centerctl worker list` shows what the workers are doing."},
      {"WORKER_UNREACHABLE", "Without --direct the coordinator passes on what it says."},
      {"JOB_NOT_FOUND", "`centerctl job list` shows what there is."},
      {"JOB_ENDED", "`centerctl job get JOB` shows how it ended."},
      {"JOB_LIMIT", "`centerctl job list --state running` shows what runs; cancel some, or wait."},
      {"JOB_STORE_FULL",
       "Results are deleted after --result-ttl; `centerctl job list` shows jobs."},
      {"RESULTS_EXPIRED", "Submit the job again, with a longer --result-ttl."},
      {"TASK_NOT_FOUND", "`centerctl job tasks --server NAME` shows what there is."},
      {"SUBSCRIBER_LIMIT", "End some other readers of this server first."},
  };
  for (const auto& entry : kHints) {
    if (entry.reason == reason) return entry.hint;
  }
  return "";
}

}  // namespace

absl::Status UsageError(absl::string_view message) {
  return WithExitCode(absl::InvalidArgumentError(message), kExitUsage);
}

absl::Status NotRunningError(absl::string_view message) {
  return WithExitCode(absl::FailedPreconditionError(message), kExitNotRunning);
}

absl::Status QuietExit(int exit_code) { return WithExitCode(absl::CancelledError(""), exit_code); }

absl::Status WithHint(absl::Status status, absl::string_view hint) {
  if (!status.ok() && !hint.empty()) status.SetPayload(kHintKey, absl::Cord(hint));
  return status;
}

absl::Status FromRpc(absl::Status status, absl::string_view address) {
  if (status.ok()) return status;
  const std::string reason = rpc::ReasonOf(status);
  // Center's own errors carry a reason; one without comes from gRPC.
  if (absl::IsUnavailable(status) && reason.empty()) {
    absl::Status silence = NotRunningError(absl::StrCat(
        "no coordinator answers at ", address, ": start one with `centerctl coordinator start`"));
    silence.SetPayload(kNobodyAnsweredKey, absl::Cord());
    return silence;
  }
  const int exit_code = reason == "SERVER_STOPPED" || reason == "CLIENT_STOPPED"
                            ? kExitNotRunning
                            : kExitRpcBase + static_cast<int>(status.code());
  if (absl::IsDeadlineExceeded(status) && reason.empty()) {
    status = WithHint(absl::DeadlineExceededError(
                          absl::StrCat("the coordinator at ", address, " did not answer in time")),
                      "--timeout allows it longer.");
  } else if (absl::IsUnimplemented(status)) {
    status = absl::UnimplementedError(
        absl::StrCat("what answers at ", address, " does not know this call: ", status.message()));
  }
  return WithExitCode(WithHint(status, HintFor(reason)), exit_code);
}

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  const auto payload = status.GetPayload(kExitCodeKey);
  int exit_code = kExitFailure;
  if (payload.has_value() && absl::SimpleAtoi(std::string(*payload), &exit_code)) return exit_code;
  return kExitFailure;
}

std::string Explain(const absl::Status& status) {
  if (status.ok() || status.message().empty()) return "";
  // A message may quote what came from outside.
  std::string text = VisibleText(status.message());
  const auto hint = status.GetPayload(kHintKey);
  if (hint.has_value()) absl::StrAppend(&text, "\n  ", std::string(*hint));
  return text;
}

}  // namespace center::cli
